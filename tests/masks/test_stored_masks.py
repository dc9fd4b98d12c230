"""The same mask in every way that a file may store one."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream.errors import InputError
from maskstream.masks.palette import PALETTE, write_label_map
from maskstream.masks.read import read_label_map, read_object_masks
from maskstream.pictures import LIMIT_VARIABLE

Array = np.ndarray[Any, Any]


def blob() -> Array:
    """One object that has no symmetry, ``(60, 80)`` bool."""
    mask = np.zeros((60, 80), dtype=np.uint8)
    cv2.circle(mask, (30, 25), 18, 1, -1)
    mask[30:50, 40:64] = 1
    return mask > 0


def two() -> Array:
    label_map = blob().astype(np.uint8)
    label_map[4:20, 60:76] = 2
    return label_map


def indexed(path: Path, indices: Array, palette: list[tuple[int, ...]], **options: Any) -> Path:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for colour in palette for value in colour])
    image.save(path, **options)
    return path


def read(path: Path) -> Array:
    return np.asarray(read_label_map(path).label_map)


def test_transparent_index_is_background(tmp_path: Path) -> None:
    white_ground = [(255, 255, 255), (0, 0, 0)]
    path = indexed(tmp_path / "a.png", blob(), white_ground, transparency=0)
    assert np.array_equal(read(path), blob())
    path = indexed(tmp_path / "b.png", ~blob(), white_ground[::-1], transparency=1)
    assert np.array_equal(read(path), blob())


def test_davis_palette_with_a_transparent_background_keeps_its_ids(tmp_path: Path) -> None:
    path = indexed(tmp_path / "m.png", two() * 3, [tuple(c) for c in PALETTE.tolist()], transparency=0)
    assert np.array_equal(read(path), two() * 3)


def test_objects_of_a_foreign_palette_on_a_transparent_index_stay_apart(tmp_path: Path) -> None:
    colours = [(9, 9, 9), (250, 40, 40), (40, 40, 250)]
    assert np.array_equal(read(indexed(tmp_path / "a.png", two(), colours, transparency=0)), two())
    last = np.where(two() == 0, 2, two() - 1)
    colours = [(250, 40, 40), (40, 40, 250), (9, 9, 9)]
    ids = read(indexed(tmp_path / "b.png", last, colours, transparency=2))
    assert np.array_equal(ids > 0, two() > 0)
    assert np.unique(ids).tolist() == [0, 1, 2]


@pytest.mark.parametrize("colours", [6, 40, 200])
def test_quantised_cut_out_is_one_object(tmp_path: Path, colours: int) -> None:
    y, x = np.mgrid[:60, :80]
    photo = np.dstack([120 + x, 60 + 2 * y, 90 + y + x // 2]).astype(np.uint8)
    few = Image.fromarray(photo).quantize(colours)
    indices, palette = np.asarray(few), few.getpalette() or []
    ground = len(palette) // 3
    table = [tuple(palette[i : i + 3]) for i in range(0, len(palette), 3)] + [(0, 0, 0)]
    path = indexed(tmp_path / "m.png", np.where(blob(), indices, ground), table, transparency=ground)
    assert np.array_equal(read(path), blob())


def test_cut_out_with_a_highlight_is_one_object_also_if_its_transparent_index_has_no_colour(
    tmp_path: Path,
) -> None:
    indices = np.where(blob(), 1, 250)
    indices[20:26, 24:34] = 0
    colours = [(239, 234, 141), (220, 40, 50)] + [(i, i, 90) for i in range(200)]
    path = indexed(tmp_path / "m.png", indices, colours, transparency=bytes([255] * 202))
    assert np.array_equal(read(path), blob())
    rgba = np.dstack([np.asarray(Image.open(path).convert("RGB")), np.where(blob(), 255, 0).astype(np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.array_equal(read(tmp_path / "rgba.png"), blob())


@pytest.mark.parametrize(("mode", "clear"), [("L", 255), ("RGB", (255, 255, 255)), ("I;16", 65535), ("1", 1)])
def test_transparent_colour_of_a_file_without_alpha_is_background(
    tmp_path: Path, mode: str, clear: int | tuple[int, int, int]
) -> None:
    grey = np.where(blob(), 0, 255).astype(np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    if mode in ("RGB", "1"):
        image = image.convert(mode)
    image.save(tmp_path / "m.png", transparency=clear)
    assert np.array_equal(read(tmp_path / "m.png"), blob())


def test_soft_alpha_is_rounded_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    alpha = cv2.GaussianBlur(np.where(blob(), 255, 0).astype(np.uint8), (0, 0), 1.5)
    rgba = np.dstack([np.full((60, 80, 3), (200, 30, 30), np.uint8), alpha])
    Image.fromarray(rgba).save(tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png"), alpha >= 128)
    assert "edges are rounded" in caplog.text


@pytest.mark.parametrize("sigma", [1.0, 4.0, 12.0])
@pytest.mark.parametrize("strength", [255, 140])
def test_soft_brush_is_cut_at_half_of_its_strength(tmp_path: Path, sigma: float, strength: int) -> None:
    hard = np.zeros((240, 320), np.uint8)
    cv2.circle(hard, (150, 120), 60, strength, -1)
    soft = cv2.GaussianBlur(hard, (0, 0), sigma)
    Image.fromarray(soft).save(tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png"), soft >= soft.max() / 2)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_soft_brushes_of_several_colours_are_rounded_to_them(tmp_path: Path, sigma: float) -> None:
    hard = np.zeros((240, 320, 3), np.uint8)
    cv2.circle(hard, (90, 120), 50, (255, 0, 0), -1)
    cv2.circle(hard, (230, 120), 50, (0, 200, 0), -1)
    soft = cv2.GaussianBlur(hard, (0, 0), sigma)
    Image.fromarray(soft).save(tmp_path / "m.png")
    wanted = np.where(hard[..., 0] > 0, 2, np.where(hard[..., 1] > 0, 1, 0))
    found = read(tmp_path / "m.png")
    assert np.unique(found).tolist() == [0, 1, 2]
    assert np.count_nonzero(found != wanted) < 0.02 * np.count_nonzero(wanted)


@pytest.mark.parametrize("quality", [50, 80, 95])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_of_a_black_and_white_mask_is_one_object(tmp_path: Path, quality: int, mode: str) -> None:
    image = Image.fromarray(np.where(np.kron(blob(), np.ones((4, 4))), 255, 0).astype(np.uint8)).convert(mode)
    image.save(tmp_path / "m.jpg", quality=quality)
    read_ = read_label_map(tmp_path / "m.jpg")
    assert read_.ids == (1,)
    assert np.count_nonzero(read_.label_map != np.kron(blob(), np.ones((4, 4)))) < 60


def test_numbers_of_a_mask_turned_by_its_orientation_tag_are_upright(tmp_path: Path) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for name, mode in (("m.png", "P"), ("m.jpg", "L"), ("m.tif", "L")):
            image = Image.fromarray(blob().astype(np.uint8) * (1 if mode == "P" else 255))
            if mode == "P":
                image.putpalette(PALETTE.tobytes())
            image.save(tmp_path / name, exif=exif)
            upright = Image.fromarray(blob().astype(np.uint8))
            turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # of Image.Transpose
            if orientation > 1:
                upright = upright.transpose(Image.Transpose(turns[orientation]))
            found, wanted = read(tmp_path / name), np.asarray(upright)
            assert found.shape == wanted.shape
            assert np.count_nonzero(found != wanted) <= 8, (name, orientation)


def test_void_rim_of_pascal_voc_is_background(tmp_path: Path) -> None:
    objects = two()
    rim = cv2.dilate(objects, np.ones((5, 5), np.uint8)) > 0
    void = np.where(objects, objects, np.where(rim, 255, 0)).astype(np.uint8)
    write_label_map(tmp_path / "p.png", void)
    Image.fromarray(void).save(tmp_path / "grey.png")
    Image.fromarray(PALETTE[void]).save(tmp_path / "rgb.png")
    for name in ("p.png", "grey.png", "rgb.png"):
        assert np.array_equal(read(tmp_path / name), objects), name


@pytest.mark.parametrize(
    "colours", [[(255, 255, 255), (255, 0, 0)], [(16,) * 3, (235,) * 3], [(0, 0, 9), (250,) * 3]]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_border_is_background_where_nothing_is_black(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, colours: list[tuple[int, int, int]], suffix: str
) -> None:
    big = np.kron(blob(), np.ones((4, 4), np.uint8))
    Image.fromarray(np.asarray(colours, np.uint8)[big]).save(tmp_path / f"m.{suffix}", quality=95)
    found = read_label_map(tmp_path / f"m.{suffix}")
    assert found.ids == (1,)
    assert np.count_nonzero(found.label_map != big) < 60
    if suffix == "png":
        assert "is taken as background" in caplog.text


@pytest.mark.parametrize("kind", ["grey", "palette", "davis colours"])
def test_ids_that_leave_no_background_stay_and_a_word_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    ids = two() + 1
    if kind == "palette":
        write_label_map(tmp_path / "m.png", ids)
    else:
        Image.fromarray(ids if kind == "grey" else PALETTE[ids]).save(tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png"), ids)
    assert "nothing in it is background" in caplog.text


def test_black_object_on_white_is_asked_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.where(blob(), 0, 255).astype(np.uint8)).save(tmp_path / "m.png")
    read(tmp_path / "m.png")
    assert "invert it" in caplog.text


@pytest.mark.parametrize(
    "kind", ["interlaced", "1-bit", "LA", "16-bit", "float", "tiff", "bmp", "webp", "gif"]
)
def test_every_kind_of_file_gives_the_same_mask(tmp_path: Path, kind: str) -> None:
    white = np.where(blob(), 255, 0).astype(np.uint8)
    path = (
        tmp_path
        / f"m.{kind if kind in ('bmp', 'webp', 'gif') else 'tif' if kind in ('tiff', 'float') else 'png'}"
    )
    image = Image.fromarray(white)
    match kind:
        case "1-bit":
            image = image.convert("1")
        case "LA":
            image = image.convert("LA")
        case "16-bit":
            image = Image.fromarray(white.astype(np.uint16) * 257)
        case "float":
            image = Image.fromarray(blob().astype(np.float32))
    image.save(path, lossless=kind == "webp")
    if kind == "interlaced":
        encoded = cv2.imencode(".png", white)[1]
        path.write_bytes(encoded.tobytes())
    assert np.array_equal(read(path), blob())


def test_numbers_of_sixteen_bits_that_are_soft_are_cut_at_half(tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(np.where(blob(), 65535, 0).astype(np.uint16), (0, 0), 1.0)
    Image.fromarray(soft).save(tmp_path / "m.png")
    assert np.count_nonzero(read(tmp_path / "m.png") != (soft >= 32768)) <= 2


@pytest.mark.parametrize("value", [-1, 256, 2**31 - 1, -(2**31)])
def test_ids_that_do_not_fit_are_one_line(tmp_path: Path, value: int) -> None:
    ids = np.where(two() == 2, np.int64(value), two())
    Image.fromarray(ids.astype(np.int32)).save(tmp_path / "m.tif")
    with pytest.raises(InputError, match="at most 255 fit; renumber them from 1"):
        read_label_map(tmp_path / "m.tif")
    with pytest.raises(InputError, match=f"object id {value} does not fit"):
        write_label_map(tmp_path / "o.png", ids)


@pytest.mark.parametrize("given", [0, None, ["m.png"], b"m.png", 3.5])
def test_what_is_no_name_of_a_file_is_one_line(tmp_path: Path, given: Any) -> None:
    with pytest.raises(InputError, match="not the name of a file; give a mask as text or a Path"):
        read_label_map(given)
    with pytest.raises(InputError, match=r"not the name of a file; give a \.png file"):
        write_label_map(given, two())
    if not isinstance(given, list):
        with pytest.raises(InputError, match="not the name of a file"):
            read_object_masks(given)


@pytest.mark.parametrize("given", [[[0, 1]], np.zeros((4, 4)), np.zeros((4, 4, 3), int), None])
def test_what_is_no_label_map_is_one_line(tmp_path: Path, given: Any) -> None:
    with pytest.raises(InputError, match="is no label map; give"):
        write_label_map(tmp_path / "m.png", given)
    assert not list(tmp_path.iterdir())


def frames_of_one(folder: Path, ids: Array, count: int = 6) -> Path:
    folder.mkdir()
    for i in range(count):
        write_label_map(folder / f"{i:05d}.png", np.roll(ids, i, axis=1))
    return folder


@pytest.mark.parametrize("objects", [1, 2])
def test_label_maps_of_single_frames_are_not_taken_for_objects(tmp_path: Path, objects: int) -> None:
    folder = frames_of_one(tmp_path / "Annotations", two() if objects == 2 else blob().astype(np.uint8))
    with pytest.raises(InputError, match=r"label maps of single frames .* as 0=.*/00000\.png"):
        read_object_masks(folder)
    with pytest.raises(InputError, match=r"as 4=.*/00004\.png"):
        read_object_masks(folder, frame=4)


@pytest.mark.parametrize("bad", ["text", "empty file", "empty mask", "another size"])
def test_one_bad_file_of_several_objects_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    for i in (1, 2):
        Image.fromarray(np.where(two() == i, 255, 0).astype(np.uint8)).save(tmp_path / f"{i}.png")
    path = tmp_path / "3.png"
    if bad in ("text", "empty file"):
        path.write_text("no picture" if bad == "text" else "")
    else:
        Image.fromarray(np.zeros((60, 80) if bad == "empty mask" else (6, 8), np.uint8)).save(path)
    if bad == "empty mask":
        assert np.array_equal(read_object_masks(tmp_path).label_map, two())
        assert f"{path}: is empty; there is no object 3" in caplog.text
    else:
        with pytest.raises(InputError, match=r"3\.png"):
            read_object_masks(tmp_path)


def test_large_mask_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = indexed(tmp_path / "m.png", blob(), [(0, 0, 0), (255, 255, 255)])
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0047")
    with pytest.raises(
        InputError, match=f"80x60 pixels are more than 0.0047 million; .* set {LIMIT_VARIABLE}"
    ):
        read_label_map(path)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0048")
    assert np.array_equal(read(path), blob())


def test_hundred_megapixels_are_the_bound_where_none_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (10_001, 10_000)).save(path)
    with pytest.raises(InputError, match="10001x10000 pixels are more than 100 million"):
        read_label_map(path)


def test_the_first_of_several_pictures_is_the_mask(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, other = (Image.fromarray(np.where(m, 255, 0).astype(np.uint8)) for m in (blob(), ~blob()))
    with caplog.at_level(logging.WARNING):
        first.save(tmp_path / "m.tif", save_all=True, append_images=[other])
        assert np.array_equal(read(tmp_path / "m.tif"), blob())
    assert "holds 2 pictures; the first one is the mask" in caplog.text
