"""The drawn clips: true label maps, crossings, seeds, streaming."""

import cv2
import numpy as np
import pytest

from maskstream.drawn_clips import draw_clip
from maskstream.errors import InputError

SMALL = {"height": 60, "width": 108}


def test_equal_seeds_draw_equal_clips_and_others_do_not() -> None:
    first, again, other = (np.stack([frame for frame, _ in draw_clip(3, **SMALL, seed=s)]) for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("objects", [1, 3, 5])
def test_objects_are_whole_and_apart_in_the_first_frame(seed, objects) -> None:
    _, label_map = next(draw_clip(objects=objects, seed=seed))
    assert np.unique(label_map).tolist() == list(range(objects + 1))
    masks = [(label_map == i).astype(np.uint8) for i in range(1, objects + 1)]
    assert all(mask.sum() > 200 for mask in masks)
    assert sum(cv2.dilate(mask, np.ones((3, 3))) for mask in masks).max() == 1
    assert not any(edge.any() for edge in (label_map[0], label_map[-1], label_map[:, 0], label_map[:, -1]))


@pytest.mark.parametrize("seed", range(5))
def test_objects_cross_and_the_lower_id_passes_in_front(seed) -> None:
    areas = np.array(
        [
            np.bincount(label_map.ravel(), minlength=4)[1:]
            for _, label_map in draw_clip(60, **SMALL, seed=seed)
        ]
    )
    left = areas.min(axis=0) / areas[0]
    assert left[0] > 0.6
    assert left[1:].min() < 0.6


def test_objects_differ_from_what_they_pass_in_front_of() -> None:
    frame, label_map = next(draw_clip())
    inside = [frame[label_map == i].mean(axis=0) for i in range(4)]
    assert all(np.abs(colour - inside[0]).max() > 25 for colour in inside[1:])


def test_the_background_moves() -> None:
    clip = draw_clip(12, **SMALL)
    first, *_, last = (frame[:12].astype(int) for frame, _ in clip)
    assert np.abs(first - last).mean() > 8


def test_frames_are_drawn_one_by_one() -> None:
    clip = draw_clip(10**9, **SMALL)
    frame, label_map = next(clip)
    assert (frame.shape, frame.dtype) == ((60, 108, 3), np.uint8)
    assert (label_map.shape, label_map.dtype) == ((60, 108), np.uint8)


@pytest.mark.parametrize("wrong", [{"objects": 0}, {"objects": 17}, {"height": 31}, {"width": 8}])
def test_what_cannot_be_drawn_is_refused_at_once(wrong) -> None:
    with pytest.raises(InputError, match="cannot draw"):
        draw_clip(**wrong)
