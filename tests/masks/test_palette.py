from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.errors import InputError
from maskstream.masks.palette import PALETTE, present_ids, write_label_map


def test_palette_is_that_of_pascal_voc() -> None:
    assert PALETTE[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert PALETTE[255].tolist() == [224, 224, 192]
    assert len(np.unique(PALETTE, axis=0)) == 256


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_written_file_is_a_palette_png_with_the_ids_as_pixel_values(tmp_path: Path, dtype: type) -> None:
    label_map = np.arange(256, dtype=dtype).reshape(16, 16)
    write_label_map(tmp_path / "m.png", label_map)
    image = Image.open(tmp_path / "m.png")
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), label_map)
    assert np.array_equal(np.asarray(image.convert("RGB")), PALETTE[label_map])
    assert [f.name for f in tmp_path.iterdir()] == ["m.png"]


@pytest.mark.parametrize("bad", [256, -1, 70_000])
def test_id_that_does_not_fit_is_one_line_and_no_file(tmp_path: Path, bad: int) -> None:
    with pytest.raises(InputError, match=rf"object id {bad} does not fit") as error:
        write_label_map(tmp_path / "m.png", np.full((4, 4), bad, dtype=np.int32))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, bool])
def test_present_ids_leave_the_background_out(dtype: type) -> None:
    assert present_ids(np.array([[0, 1], [1, 0]], dtype=dtype)) == (1,)
    assert present_ids(np.zeros((2, 2), dtype=dtype)) == ()


def test_present_ids_may_have_holes_and_exceed_a_byte() -> None:
    assert present_ids(np.array([[0, 7, 1000], [7, 3, 0]])) == (3, 7, 1000)
