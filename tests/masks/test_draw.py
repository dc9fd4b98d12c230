import numpy as np
import pytest

from maskstream.masks.draw import contact_sheet, mask_colours, overlay
from maskstream.masks.palette import PALETTE

FRAME = np.full((60, 80, 3), 100, dtype=np.uint8)
LABELS = np.zeros((60, 80), dtype=np.uint8)
LABELS[10:40, 20:50] = 1
LABELS[45:60, 60:80] = 2


@pytest.mark.parametrize("wide", [False, True])
def test_overlay_leaves_the_background_and_its_input_alone(wide: bool) -> None:
    frame, labels = FRAME.copy(), LABELS.copy()
    labels[:, 0] = wide  # objects from edge to edge
    frame.flags.writeable = False
    result = overlay(frame, labels)
    assert np.array_equal(frame, FRAME)
    assert np.array_equal(result[labels == 0], FRAME[labels == 0])
    assert not np.array_equal(result[labels > 0], FRAME[labels > 0])


def test_overlay_mixes_the_colour_inside_and_draws_it_full_on_the_edge() -> None:
    result = overlay(FRAME, LABELS, alpha=0.5)
    assert result[25, 35].tolist() == [114, 50, 50]
    assert result[10, 35].tolist() == PALETTE[1].tolist()
    assert overlay(FRAME, LABELS, alpha=0.5, outline=False)[10, 35].tolist() == [114, 50, 50]


@pytest.mark.parametrize(("scale", "width"), [(1, 1), (8, 1), (16, 2)])
def test_a_light_line_runs_within_the_outline_and_both_grow_with_the_frame(scale: int, width: int) -> None:
    frame, labels = (array.repeat(scale, 0).repeat(scale, 1) for array in (FRAME, LABELS))
    column = overlay(frame, labels)[10 * scale :, 35 * scale]
    assert (column[:width] == PALETTE[1]).all()
    assert (column[width : 2 * width].min(-1) >= 190).all()  # light on any ground, dark red beside it
    assert column[2 * width].tolist() == [114, 50, 50]


def test_edge_between_touching_objects_is_drawn() -> None:
    labels = np.ones((20, 20), dtype=np.uint8)
    labels[:, 10:] = 2
    result = overlay(np.zeros((20, 20, 3), dtype=np.uint8), labels)
    assert result[10, 9].tolist() == PALETTE[1].tolist()
    assert result[10, 10].tolist() == PALETTE[2].tolist()


def test_overlay_of_nothing_is_a_copy() -> None:
    result = overlay(FRAME, np.zeros_like(LABELS))
    assert np.array_equal(result, FRAME)
    assert result is not FRAME


def test_ids_above_255_are_drawn_and_never_as_background() -> None:
    labels = np.where(LABELS == 1, 256, np.where(LABELS == 2, 510, 0)).astype(np.int32)
    assert np.array_equal(mask_colours(labels)[LABELS == 1], PALETTE[np.full(900, 1)])
    assert np.array_equal(mask_colours(labels)[LABELS == 2], PALETTE[np.full(300, 255)])


def test_colours_are_those_of_the_palette() -> None:
    assert np.array_equal(mask_colours(LABELS), PALETTE[LABELS])


def test_contact_sheet_places_images_row_by_row() -> None:
    images = [np.full((10, 20, 3), v, dtype=np.uint8) for v in (50, 100, 150)]
    sheet = contact_sheet(images, columns=2)
    assert sheet.shape == (20, 40, 3)
    assert [int(sheet[5, 10, 0]), int(sheet[5, 30, 0]), int(sheet[15, 10, 0]), int(sheet[15, 30, 0])] == [
        50,
        100,
        150,
        0,
    ]


def test_contact_sheet_resizes_to_the_first_image_and_writes_captions() -> None:
    images = [np.zeros((40, 80, 3), dtype=np.uint8), np.full((20, 40, 3), 9, dtype=np.uint8)]
    sheet = contact_sheet(images, columns=1, captions=["first", ""])
    assert sheet.shape == (2 * 58, 80, 3)
    assert sheet[40:58].max() > 150
    assert (sheet[58:98] == 9).all()
    assert sheet[98:].max() == 0
