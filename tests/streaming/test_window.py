"""The window that the network sees follows the objects, and what it shows comes back in place."""

from __future__ import annotations

import numpy as np
import pytest

from maskstream.streaming.window import WHOLE, Box, Window, around, boxes, moved


def plane(top: int, left: int, rows: int, columns: int, shape: tuple[int, int] = (100, 200)) -> np.ndarray:
    mask = np.zeros(shape, np.float32)
    mask[top : top + rows, left : left + columns] = 1
    return mask


def test_boxes_are_fractions_of_the_frame_whatever_the_window() -> None:
    whole, quarter = (
        boxes(plane(20, 40, 10, 30)[None])[0],
        boxes(plane(20, 40, 10, 30)[None], Window(0.5, 0.25, 0.5))[0],
    )
    assert whole == pytest.approx((0.2, 0.2, 0.3, 0.35))
    assert quarter == pytest.approx((0.6, 0.35, 0.65, 0.425))
    assert boxes(np.zeros((1, 100, 200), np.float32)) == [None]


def test_a_stray_pixel_does_not_stretch_a_box() -> None:
    mask = plane(20, 40, 20, 30)
    mask[95, 195] = 1
    assert boxes(mask[None])[0] == pytest.approx((0.2, 0.2, 0.4, 0.35))


def test_a_window_is_centred_on_the_objects_and_stays_in_the_frame() -> None:
    window = around([Box(0.4, 0.5, 0.5, 0.6)], margin=3)
    assert window == pytest.approx((0.3, 0.4, 0.3))
    window = around([Box(0.9, 0.0, 1.0, 0.05)], margin=3)
    assert window == pytest.approx((0.7, 0.0, 0.3))


def test_far_apart_or_large_objects_are_seen_in_the_whole_frame() -> None:
    assert around([Box(0.0, 0.0, 0.1, 0.1), Box(0.9, 0.9, 1.0, 1.0)], margin=2) == WHOLE
    assert around([Box(0.2, 0.2, 0.7, 0.7)], margin=2) == WHOLE


def test_a_window_keeps_its_size_while_that_nearly_fits() -> None:
    last = Window(0.1, 0.1, 0.5)
    assert around([Box(0.3, 0.3, 0.52, 0.4)], 2.5, last).side == 0.5
    assert around([Box(0.3, 0.3, 0.60, 0.4)], 2.5, last).side == pytest.approx(0.75)


@pytest.mark.parametrize("shape", [(480, 854), (97, 131), (1, 1), (2160, 3840)])
def test_pixels_of_a_window_lie_inside_the_frame(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    for side in random.uniform(0.01, 1, 50):
        rows, columns = Window(*random.uniform(0, 1 - side, 2), side).pixels(*shape)  # type: ignore[call-arg]
        assert 0 <= rows.start < rows.stop <= shape[0]
        assert 0 <= columns.start < columns.stop <= shape[1]
    assert WHOLE.pixels(*shape) == (slice(0, shape[0]), slice(0, shape[1]))


def test_planes_move_between_windows_and_back() -> None:
    planes = plane(40, 80, 30, 60)[None]
    near = Window(0.3, 0.3, 0.5)
    shown = moved(planes, WHOLE, near)
    assert shown[0, 21:79, 42:158].min() == 1  # (0.4 - 0.3) / 0.5 of 100 rows: from row 20 on
    assert shown[0, :18].max() == shown[0, :, :37].max() == 0
    np.testing.assert_allclose(moved(shown, near, WHOLE), planes, atol=0.51)
    assert np.abs(moved(shown, near, WHOLE) - planes).mean() < 0.005
    assert moved(planes, near, near) is planes
