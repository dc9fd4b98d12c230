"""The object in a box: close to the truth, never empty, and bad boxes in one line."""

import time

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.first_mask.box import from_box

HEIGHT, WIDTH = 240, 320


def scene(centre=(160, 120), radii=(50, 80), size=(HEIGHT, WIDTH)):
    """A mottled red ellipse over a striped blue and green wall, and its mask."""
    noise = np.random.default_rng(3).normal(0, 12, (*size, 3))
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask = ((columns - centre[0]) / radii[0]) ** 2 + ((rows - centre[1]) / radii[1]) ** 2 <= 1
    wall = np.where((columns // 20 % 2 == 0)[..., None], (60, 90, 160), (80, 150, 90))
    frame = np.where(mask[..., None], (190, 70, 60), wall) + noise
    return frame.clip(0, 255).astype(np.uint8), mask


def overlap(label_map, mask):
    return ((label_map > 0) & mask).sum() / ((label_map > 0) | mask).sum()


def test_the_object_is_told_apart_from_the_wall() -> None:
    frame, mask = scene()
    label_map = from_box(frame, (102, 35, 118, 172))
    assert label_map.shape == mask.shape
    assert label_map.dtype == np.uint8
    assert set(np.unique(label_map)) == {0, 1}
    assert overlap(label_map, mask) > 0.95


def test_at_full_size_edges_are_those_of_the_frame() -> None:
    frame, mask = scene((960, 540), (260, 420), (1080, 1920))
    label_map = from_box(frame, (680, 100, 560, 880), object_id=7)
    assert set(np.unique(label_map)) == {0, 7}
    assert overlap(label_map, mask) > 0.97


def test_the_label_map_is_empty_outside_the_box() -> None:
    frame, _ = scene()
    label_map = from_box(frame, (130, 60, 60, 60))
    label_map[60:120, 130:190] = 0
    assert not label_map.any()


@pytest.mark.parametrize(
    ("centre", "box"),
    [
        ((60, 200), (-40, 100, 165, 500)),
        ((290, 40), (225, -3000, 5000, 3140)),
        ((160, 120), (-1000, -1000, 4000, 4000)),
        ((160, 120), (0, 0, WIDTH, HEIGHT)),
    ],
)
def test_boxes_that_reach_the_border_or_beyond_are_cut(centre, box) -> None:
    frame, mask = scene(centre, (60, 90))
    assert overlap(from_box(frame, box), mask) > 0.9


def test_where_nothing_is_told_apart_the_middle_is_taken() -> None:
    label_map = from_box(np.full((100, 100, 3), 128, np.uint8), (20, 30, 40, 50))
    assert 0.15 < label_map[30:80, 20:60].mean() < 0.95
    assert label_map[55, 40] == 1


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 200), (5, 5), (320, 1), (1, 240), (9, 9)])
def test_the_smallest_boxes_are_not_empty(size) -> None:
    frame, _ = scene()
    width, height = size
    x, y = (WIDTH - width) // 2, (HEIGHT - height) // 2
    label_map = from_box(frame, (x, y, width, height))
    assert label_map[y : y + height, x : x + width].any()
    assert label_map.sum() == label_map[y : y + height, x : x + width].sum()


def test_one_box_gives_one_mask() -> None:
    frame, _ = scene()
    assert np.array_equal(from_box(frame, (100, 30, 120, 180)), from_box(frame, (100, 30, 120, 180)))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((10, 10, 0, 20), "10,10,0,20: has no area"),
        ((10, 10, 20, -1), "no area"),
        ((WIDTH, 0, 10, 10), "outside the frame of 320x240"),
        ((-10, 0, 10, 10), "outside the frame"),
    ],
)
def test_boxes_without_a_pixel_are_refused(box, message) -> None:
    with pytest.raises(InputError, match=message):
        from_box(scene()[0], box)


@pytest.mark.parametrize("object_id", [0, 256, -1])
def test_ids_that_fit_no_label_map_are_refused(object_id) -> None:
    with pytest.raises(InputError, match="1 to 255"):
        from_box(scene()[0], (100, 30, 120, 180), object_id)


def test_a_full_frame_is_quick() -> None:
    frame, _ = scene((960, 540), (260, 420), (1080, 1920))
    from_box(frame, (680, 100, 560, 880))
    start = time.process_time()
    from_box(frame, (680, 100, 560, 880))
    assert time.process_time() - start < 0.6  # what it really takes: benchmarks/first_mask.py
