"""Frames that show nothing hold no object, and don't spoil what is known of it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from maskstream.drawn_clips import draw_clip
from maskstream.streaming.blank import is_blank
from maskstream.streaming.ensemble import EnsembleSegmenter
from maskstream.streaming.segmenter import VideoSegmenter

Array = np.ndarray[Any, Any]
COLOURS = {"black": (0, 0, 0), "white": (255, 255, 255), "blue": (0, 0, 255), "grey": (90, 90, 90)}


def plain(colour: tuple[int, int, int], noise: float = 0.0, size: tuple[int, int] = (240, 320)) -> Array:
    image = np.broadcast_to(np.float32(colour), (*size, 3))
    image = image + np.random.default_rng(0).normal(0, noise, image.shape)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("size", [(240, 320), (720, 1280), (48, 64)])
def test_plain_frames_are_blank(colour: tuple[int, int, int], noise: float, size: tuple[int, int]) -> None:
    if size == (48, 64) and noise:
        return  # of so few pixels noise is all there is
    assert is_blank(plain(colour, noise, size))


@pytest.mark.parametrize("size", [(240, 320), (720, 1280)])
def test_a_small_or_dim_thing_makes_a_frame_that_shows_something(size: tuple[int, int]) -> None:
    ball = plain((200, 200, 200), size=size)
    side = size[0] // 48
    ball[100 : 100 + side, 61 : 61 + side] = (250, 120, 20)
    assert not is_blank(ball)
    frame, _ = next(iter(draw_clip(1, *size, objects=1)))
    dim = (frame * 0.12).astype(np.uint8)  # what is left of light in a dark room
    assert not is_blank(dim)
    assert not is_blank(cv2.GaussianBlur(frame, (0, 0), size[0] / 12))


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize("kind", ["one network", "two scales"])
def test_nothing_is_in_blank_frames_and_the_objects_are_found_again(
    colour: tuple[int, int, int], kind: str
) -> None:
    clip = list(draw_clip(9, 96, 128, objects=2, seed=3))
    blank = {4, 5}
    networks = {
        "one network": lambda: VideoSegmenter("live", size=64),
        "two scales": lambda: EnsembleSegmenter.of(["live"], scales=(1.0, 1.5), size=64),
    }
    found, whole = networks[kind](), networks[kind]()
    for i, (frame, truth) in enumerate(clip):
        shown = plain(colour, 1.0, frame.shape[:2]) if i in blank else frame
        labels = found.step(shown, truth if i == 0 else None).label_map
        expected = whole.step(frame, truth if i == 0 else None).label_map
        if i in blank:
            assert not labels.any()
        else:
            same = np.count_nonzero((labels == expected) & (expected > 0))
            assert same > 0.85 * np.count_nonzero((labels > 0) | (expected > 0)), i


def test_blank_frames_are_not_remembered_and_results_go_on_after_a_restore() -> None:
    clip = [frame for frame, _ in draw_clip(8, 96, 128, objects=1, seed=1)]
    truth = next(iter(draw_clip(1, 96, 128, objects=1, seed=1)))[1]
    segmenter = VideoSegmenter("live", size=64)
    segmenter.step(clip[0], truth)
    segmenter.step(clip[1])
    for _ in range(2):
        segmenter.step(plain((0, 0, 0), size=(96, 128)))
    before = segmenter.memory_frames
    other = VideoSegmenter("live", size=64)
    other.restore(*segmenter.state())
    results = [[s.step(frame).label_map for frame in clip[4:7]] for s in (segmenter, other)]
    assert np.array_equal(results[0], results[1])
    assert all(index < 2 or index > 3 for frames in before.values() for index in frames)
    assert segmenter.step(clip[7]).frame_index == 7
