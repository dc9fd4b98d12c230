import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream.errors import InputError
from maskstream.masks.palette import PALETTE, write_label_map
from maskstream.masks.read import check_size, read_label_map, read_object_masks

Array = np.ndarray[Any, Any]


def two_objects(first: int = 1, second: int = 2) -> Array:
    label_map = np.zeros((40, 60), dtype=np.uint8)
    label_map[5:20, 5:25] = first
    label_map[22:35, 30:55] = second
    return label_map


def disc(soft: bool) -> Array:
    """A disc of 0 and 255, its edge anti-aliased or hard."""
    canvas = np.zeros((240, 320), dtype=np.uint8)
    cv2.circle(canvas, (160, 120), 70, 255, -1)
    small = cv2.resize(canvas, (80, 60), interpolation=cv2.INTER_AREA)
    return small if soft else np.where(small > 127, 255, 0).astype(np.uint8)


def save(path: Path, pixels: Array, mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def refused(path: Path, match: str, **options: bool) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_label_map(path, **options)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("ids", [(1, 2), (3, 200), (1, 255), (7, 56)])
def test_palette_file_keeps_its_ids(tmp_path: Path, ids: tuple[int, int]) -> None:
    label_map = two_objects(*ids)
    write_label_map(tmp_path / "m.png", label_map)
    read = read_label_map(tmp_path / "m.png")
    assert np.array_equal(read.label_map, label_map)
    assert read.ids == ids


def test_single_object_of_id_255_survives_the_round_trip(tmp_path: Path) -> None:
    write_label_map(tmp_path / "m.png", np.where(disc(soft=False), 255, 0))
    assert read_label_map(tmp_path / "m.png").ids == (255,)


@pytest.mark.parametrize(
    "palette", [[0, 0, 0, 255, 0, 0, 0, 255, 0], [0, 0, 0, 128, 128, 128, 255, 255, 255]]
)
def test_foreign_palette_keeps_indices_as_ids(tmp_path: Path, palette: list[int]) -> None:
    image = Image.fromarray(two_objects())
    image.putpalette(palette)
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_label_map(tmp_path / "m.png").label_map, two_objects())


def test_palette_whose_black_is_not_index_0_is_read_by_colour(tmp_path: Path) -> None:
    image = Image.fromarray(np.where(two_objects() == 1, 0, 1).astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_label_map(tmp_path / "m.png").label_map, two_objects() == 1)


def test_white_palette_entry_255_is_one_object(tmp_path: Path) -> None:
    image = Image.fromarray(disc(soft=False))
    image.putpalette([v for v in range(256) for _ in range(3)])
    image.save(tmp_path / "m.png")
    assert read_label_map(tmp_path / "m.png").ids == (1,)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA", "I;16"])
def test_binary_mask_of_any_mode_is_object_1(tmp_path: Path, mode: str) -> None:
    hard = disc(soft=False)
    path = tmp_path / "m.png"
    if mode == "I;16":
        Image.fromarray(hard.astype(np.uint16) * 257).save(path)
    else:
        save(path, hard, mode)
    read = read_label_map(path)
    assert read.ids == (1,)
    assert np.array_equal(read.label_map, hard > 0)


def test_grey_values_are_ids(tmp_path: Path) -> None:
    label_map = two_objects(3, 9)
    assert np.array_equal(read_label_map(save(tmp_path / "m.png", label_map)).label_map, label_map)


def test_sixteen_bit_ids_up_to_255_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", two_objects(2, 255).astype(np.uint16))
    assert read_label_map(path).ids == (2, 255)


def test_sixteen_bit_ids_above_255_are_refused(tmp_path: Path) -> None:
    pixels = two_objects().astype(np.uint16) * 300
    refused(save(tmp_path / "m.png", pixels), "ids from 0 to 600, but at most 255 fit")


def test_davis_colours_are_their_ids(tmp_path: Path) -> None:
    label_map = two_objects(2, 8)
    path = save(tmp_path / "m.png", PALETTE[label_map])
    assert np.array_equal(read_label_map(path).label_map, label_map)


def test_other_colours_get_ids_by_their_value_wherever_they_are(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], dtype=np.uint8)
    one = read_label_map(save(tmp_path / "a.png", colours[two_objects(1, 2)])).label_map
    swapped = read_label_map(save(tmp_path / "b.png", colours[two_objects(2, 1)])).label_map
    assert np.array_equal(one, two_objects(2, 1))
    assert np.array_equal(swapped, two_objects(1, 2))


def test_mixed_colours_leave_the_davis_ids_alone(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [128, 0, 0], [10, 200, 30]], dtype=np.uint8)
    assert np.array_equal(
        read_label_map(save(tmp_path / "m.png", colours[two_objects()])).label_map, two_objects()
    )


def test_transparent_pixels_are_background(tmp_path: Path) -> None:
    colours = np.array([[9, 9, 9, 0], [255, 0, 0, 255], [0, 0, 255, 255]], dtype=np.uint8)
    path = save(tmp_path / "m.png", colours[two_objects()])
    assert np.array_equal(read_label_map(path).label_map, two_objects(2, 1))


@pytest.mark.parametrize("level", [200, 255])
def test_photograph_cut_out_is_one_object(tmp_path: Path, level: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    photo[..., 3] = np.where(two_objects() > 0, level, 0)
    path = save(tmp_path / "m.png", photo)
    assert np.array_equal(read_label_map(path).label_map, two_objects() > 0)


def test_black_drawing_on_transparency_is_an_object(tmp_path: Path) -> None:
    pixels = np.zeros((60, 80, 2), dtype=np.uint8)
    pixels[..., 1] = disc(soft=False)
    Image.fromarray(pixels, "LA").save(tmp_path / "m.png")
    assert np.array_equal(read_label_map(tmp_path / "m.png").label_map, disc(soft=False) > 0)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "P"])
def test_soft_grey_mask_is_cut_at_half_with_a_word_unless_that_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    path = tmp_path / "m.png"
    if mode == "P":
        image = Image.fromarray(disc(soft=True))
        image.putpalette([v for v in range(256) for _ in range(3)])
        image.save(path)
    else:
        save(path, disc(soft=True), mode)
    assert np.array_equal(read_label_map(path).label_map, disc(soft=True) >= 128)
    soft = np.count_nonzero((disc(soft=True) > 0) & (disc(soft=True) < 255))
    assert f"{path}: {soft} pixels of soft or noisy edges are rounded" in caplog.text
    caplog.clear()
    assert np.array_equal(read_label_map(path, threshold_soft=True).label_map, disc(soft=True) >= 128)
    assert not caplog.text


def test_mask_doubled_with_smoothing_is_cut_at_half(tmp_path: Path) -> None:
    doubled = cv2.resize(disc(soft=False), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(read_label_map(save(tmp_path / "m.png", doubled)).label_map, doubled >= 128)


@pytest.mark.parametrize("colour", [(255, 0, 0), (128, 0, 0), (10, 200, 30)])
@pytest.mark.parametrize("colours", [None, 64])
def test_anti_aliased_colours_are_rounded_to_the_nearest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, colour: tuple[int, int, int], colours: int | None
) -> None:
    pixels = (disc(soft=True)[..., None] / 255 * np.array(colour)).round().astype(np.uint8)
    image = Image.fromarray(pixels)
    (image.quantize(colours) if colours else image).save(tmp_path / "m.png")
    read = read_label_map(tmp_path / "m.png")
    assert read.ids == (1,)
    assert np.count_nonzero(read.label_map != (disc(soft=True) > 127)) <= 12  # which are half each
    assert "edges are rounded" in caplog.text


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_lossy_mask_is_rounded_to_its_colours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, quality: int
) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    Image.fromarray(colours[two_objects()]).save(tmp_path / "m.jpg", quality=quality)
    read = read_label_map(tmp_path / "m.jpg")
    assert read.ids == (1, 2)
    wrong = read.label_map != two_objects(2, 1)  # chroma is stored at half the size
    assert not wrong[2:-2, 2:-2][
        cv2.erode((~edges()).astype(np.uint8), np.ones((3, 3)))[2:-2, 2:-2] > 0
    ].any()
    assert "edges are rounded" in caplog.text


def edges() -> Array:
    kernel = np.ones((3, 3), dtype=np.uint8)
    return np.asarray(cv2.dilate(two_objects(), kernel) != cv2.erode(two_objects(), kernel))


def test_photograph_is_refused(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    refused(save(tmp_path / "m.png", photo), "2400 colours|2399 colours")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("grey", [False, True])
def test_photograph_of_smooth_things_is_refused(tmp_path: Path, suffix: str, grey: bool) -> None:
    y, x = np.mgrid[:120, :160] / 160
    waves = [np.sin(3 * x + 2 * y + shift) + np.cos(4 * y - x * shift) for shift in (0, 1, 2)]
    photo = np.dstack([(wave + 2) * 60 for wave in waves]).astype(np.uint8)
    path = save(tmp_path / f"m.{suffix}", photo, "L" if grey else None)
    refused(path, "as of a photograph; save a mask with one flat")


def test_thin_objects_are_no_anti_aliasing(tmp_path: Path) -> None:
    label_map = two_objects()
    label_map[0:2, :] = 3
    label_map[38, 10:50] = 8
    assert read_label_map(save(tmp_path / "grey.png", label_map)).ids == (1, 2, 3, 8)
    assert read_label_map(save(tmp_path / "colour.png", PALETTE[label_map])).ids == (1, 2, 3, 8)


def test_empty_mask_is_refused(tmp_path: Path) -> None:
    refused(save(tmp_path / "m.png", np.zeros((4, 4), dtype=np.uint8)), "the mask is empty")
    refused(save(tmp_path / "t.png", np.zeros((4, 4, 4), dtype=np.uint8)), "the mask is empty")


def test_missing_file_folder_and_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    refused(tmp_path / "none.png", "no such mask file")
    refused(tmp_path, "a folder where one mask file is expected")
    refused(tmp_path / "text.png", "not a readable image")


def test_cut_short_png_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = save(tmp_path / "m.png", noise)
    path.write_bytes(path.read_bytes()[:1000])
    refused(path, "not a readable image")


@pytest.mark.parametrize("size", [(20, 30), (60, 40)])
def test_wrong_size_names_both_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"m.png: the mask is 60x40 but the video is {size[1]}x{size[0]}"):
        check_size(two_objects(), size, "m.png")


def test_right_size_passes() -> None:
    check_size(two_objects(), (40, 60), "m.png")


def test_one_file_an_object_is_numbered_by_name(tmp_path: Path) -> None:
    for i in (2, 11):
        save(tmp_path / f"object_{i}.png", np.where(two_objects(2, 11) == i, 255, 0).astype(np.uint8))
    assert np.array_equal(read_object_masks(tmp_path).label_map, two_objects(2, 11))
    assert np.array_equal(read_object_masks(sorted(tmp_path.iterdir())).label_map, two_objects(2, 11))


def test_files_without_numbers_are_counted_in_the_order_given(tmp_path: Path) -> None:
    dog = save(tmp_path / "dog.png", np.where(two_objects() == 1, 255, 0).astype(np.uint8))
    cat = save(tmp_path / "cat.png", np.where(two_objects() == 2, 255, 0).astype(np.uint8))
    assert np.array_equal(read_object_masks([dog, cat]).label_map, two_objects())


def test_later_object_wins_an_overlap_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, right = np.zeros((2, 8, 8), dtype=np.uint8)
    left[2:6, 0:5] = 255
    right[2:6, 4:8] = 255
    save(tmp_path / "1.png", left)
    save(tmp_path / "2.png", right)
    with caplog.at_level(logging.WARNING):
        read = read_object_masks(tmp_path)
    assert "4 pixels overlap" in caplog.text
    assert (read.label_map == 1).sum() == 16
    assert (read.label_map == 2).sum() == 16


def sa_v(folder: Path) -> Path:
    for i in (0, 1):
        (folder / f"{i:03d}").mkdir(parents=True)
        for frame in (0, 4):
            hidden = i == 1 and frame == 4
            mask = np.where((two_objects() == i + 1) & (not hidden), 255, 0).astype(np.uint8)
            save(folder / f"{i:03d}" / f"{frame:05d}.png", mask)
    return folder


def test_sa_v_folder_gives_the_frame_asked_for(tmp_path: Path) -> None:
    folder = sa_v(tmp_path / "sav_000001")
    assert np.array_equal(read_object_masks(folder).label_map, two_objects())
    assert read_object_masks(folder, frame=4).ids == (1,)


def test_sa_v_frame_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no object has a mask for frame 3"):
        read_object_masks(sa_v(tmp_path / "sav_000001"), frame=3)


def test_object_masks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.png", disc(soft=False))
    save(tmp_path / "2.png", two_objects(255, 255))
    with pytest.raises(InputError, match=r"2.png: the mask is 60x40 but the first mask is 80x60"):
        read_object_masks(tmp_path)


def test_folder_without_masks_or_with_empty_ones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no masks here"):
        read_object_masks(tmp_path)
    save(tmp_path / "1.png", np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(InputError, match="all masks are empty"):
        read_object_masks(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_object_masks(tmp_path / "none")


@pytest.mark.data
def test_first_masks_of_real_clips_are_read(data_folder: Path) -> None:
    for path in sorted((data_folder / "clips").glob("*-first.png")):
        assert read_label_map(path).ids == (1,)


@pytest.mark.golden
def test_davis_annotations_are_read_as_their_indices(golden_folder: Path) -> None:
    paths = sorted((golden_folder / "davis/DAVIS/Annotations/480p").glob("*/00000.png"))
    assert paths
    for path in paths:
        assert np.array_equal(read_label_map(path).label_map, np.asarray(Image.open(path)))
