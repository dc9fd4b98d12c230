"""Doubt of the network is no transparency, where it is wide; edges and hair stay soft."""

import itertools

import cv2
import numpy as np
import pytest

from maskstream.matte.refine import decided


def disc(value, radius=20, soft=1.0):
    yy, xx = np.mgrid[:80, :80] - 40.0
    inside = np.clip((radius - np.hypot(yy, xx)) / soft + 0.5, 0, 1)
    return (value * inside).astype(np.float32)


@pytest.mark.parametrize(("value", "becomes"), [(0.7, 1), (0.62, 1), (0.35, 0.35), (0.2, 0.2)])
def test_a_wide_doubtful_place_that_is_rather_the_object_is_the_object(value, becomes) -> None:
    centre = decided(disc(value))[35:45, 35:45]
    assert np.allclose(centre, becomes, atol=0.02)


def test_a_doubtful_place_within_an_object_is_filled() -> None:
    p = disc(1.0, 35)
    p[disc(1.0, 12) > 0.5] = 0.7
    assert np.allclose(decided(p)[39:42, 39:42], 1, atol=0.02)


def test_edges_that_are_as_soft_as_networks_make_them_stay() -> None:
    p = cv2.GaussianBlur(disc(1.0), (0, 0), 1.0)
    assert np.array_equal(decided(p), p)


def test_a_thin_strand_stays_half_seen() -> None:
    p = np.zeros((40, 40), np.float32)
    p[:, 19:21] = 0.5
    p = cv2.GaussianBlur(p, (3, 3), 0.6)
    assert np.array_equal(decided(p), p)


def test_a_little_more_or_less_doubt_changes_little() -> None:
    results = [decided(disc(value)).astype(float) for value in np.arange(0.3, 0.8, 0.01)]
    changes = [np.abs(b - a).max() for a, b in itertools.pairwise(results)]
    assert max(changes) < 0.15


def test_what_is_given_is_not_changed() -> None:
    p = disc(0.7)
    before = p.copy()
    decided(p)
    assert np.array_equal(p, before)
