"""Frames of any size meet the network's stride, and come back in place."""

from __future__ import annotations

import numpy as np
import pytest

from maskstream.streaming.geometry import Geometry


@pytest.mark.parametrize(
    ("frame", "size", "network"),
    [
        ((480, 854), 240, (240, 432)),
        ((1080, 1920), 480, (480, 848)),
        ((1920, 1080), 240, (432, 240)),
        ((97, 131), 240, (96, 128)),
        ((240, 432), 240, (240, 432)),
        ((3, 5), 240, (16, 16)),
        ((10, 4000), 16, (16, 4000)),
    ],
)
def test_the_short_side_shrinks_to_size_and_both_to_the_nearest_stride(
    frame: tuple[int, int], size: int, network: tuple[int, int]
) -> None:
    geometry = Geometry.of(*frame, size, 16)
    assert geometry.network == geometry.inner == network


def test_native_size_pads_with_zeros_split_floor_and_ceil() -> None:
    geometry = Geometry.of(97, 131, None, 16)
    assert geometry.network == (112, 144)
    frame = np.full((97, 131, 3), 9, np.uint8)
    padded = geometry.pad_frame(frame)
    assert padded[7:104, 6:137].min() == 9
    assert padded.sum() == frame.sum()
    planes = np.random.default_rng(0).random((2, 97, 131)).astype(np.float32)
    np.testing.assert_array_equal(geometry.crop(geometry.pad(planes)), planes)


def test_the_callers_frame_is_never_kept() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    kept = Geometry.of(32, 32, None, 16).shrink(frame)
    frame += 1
    assert kept.max() == 0
