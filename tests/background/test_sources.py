import logging
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.background.sources import open_background
from maskstream.errors import InputError
from tests.helpers.numbered_clips import nothing, number_of, plain

FRAME = plain(0)


def shown(background, times, frame=FRAME):
    matte = nothing(*frame.shape[:2])
    return [number_of(background.at(frame, matte, time)) for time in times]


def save(path, image, **options):
    Image.fromarray(image).save(path, **options)
    return path


# Colours and images


def test_a_colour_fills_the_frame() -> None:
    assert (open_background("rgb(3, 4, 5)").at(FRAME, nothing(), None) == (3, 4, 5)).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif"])
def test_an_image_stands_behind_every_frame(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"wall.{suffix}", plain(90, 60, 30, height=96, width=128))
    background = open_background(path)
    first = background.at(FRAME, nothing(), 0.0)
    assert np.abs(first.astype(int) - (90, 60, 30)).max() <= 4
    assert background.at(FRAME, nothing(), 9.0) is first


def test_a_change_of_the_frame_size_is_followed(tmp_path: Path) -> None:
    background = open_background(save(tmp_path / "wall.png", plain(90, height=96, width=128)))
    for size in ((48, 64), (51, 33), (1, 1), (48, 64)):
        frame = plain(0, height=size[0], width=size[1])
        assert background.at(frame, nothing(*size), None).shape == (*size, 3)


def test_an_image_is_upright_by_its_exif_orientation(tmp_path: Path) -> None:
    image = plain(0, height=64, width=48)
    image[:, :24] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    path = save(tmp_path / "turned.jpg", image, exif=exif, quality=95)
    frame = open_background(path).at(FRAME, nothing(), None)
    assert frame[5, 32].min() > 190
    assert frame[43, 32].max() < 10


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_transparent_image_lets_the_fill_colour_through(tmp_path: Path, suffix: str) -> None:
    image = np.dstack([plain(255, 0, 0), np.full((48, 64), 255, np.uint8)])
    image[:, :20, 3], image[:, 20:40, 3] = 0, 128
    path = save(tmp_path / f"logo.{suffix}", image, **({"lossless": True} if suffix == "webp" else {}))
    over_black = open_background(path).at(FRAME, nothing(), None)
    assert [over_black[20, x].tolist() for x in (5, 50)] == [[0, 0, 0], [255, 0, 0]]
    over_blue = open_background(path, fill="blue").at(FRAME, nothing(), None)
    assert over_blue[20, 5].tolist() == [0, 0, 255]
    assert np.abs(over_blue[20, 30].astype(int) - (128, 0, 127)).max() <= 1


def test_a_palette_image_with_a_transparent_entry_lets_the_fill_colour_through(tmp_path: Path) -> None:
    image = Image.fromarray(np.repeat([[0, 1]], 48, 0).repeat(32, 1).astype(np.uint8), mode="P")
    image.putpalette([9, 9, 9, 200, 100, 50])
    image.save(tmp_path / "palette.png", transparency=0)
    frame = open_background(tmp_path / "palette.png", fill="white").at(FRAME, nothing(), None)
    assert frame[0, 0].tolist() == [255, 255, 255]
    assert frame[0, 63].tolist() == [200, 100, 50]


def test_the_fit_and_the_position_reach_the_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "wall.png", plain(200, height=48, width=48))
    frame = open_background(path, "contain", (1.0, 0.5), fill="#010203").at(FRAME, nothing(), None)
    assert (frame[:, :16] == (1, 2, 3)).all()
    assert (frame[:, 16:] == 200).all()


# Videos


def test_ten_pictures_a_second_are_shown_three_times_each_behind_thirty_frames(numbered_clip) -> None:
    background = open_background(numbered_clip(5, fps=10))
    assert shown(background, [k / 30 for k in range(12)]) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_times_rounded_to_milliseconds_do_not_shift_the_pictures(numbered_clip) -> None:
    background = open_background(numbered_clip(5, fps=10))
    assert shown(background, [int(1000 * k / 30) / 1000 for k in range(9)]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_faster_video_leaves_pictures_out(numbered_clip) -> None:
    background = open_background(numbered_clip(10, fps=50))
    assert shown(background, [k / 25 for k in range(5)]) == [0, 2, 4, 6, 8]


def test_the_loop_goes_on_in_time(numbered_clip) -> None:
    background = open_background(numbered_clip(5, fps=10))
    times = [k / 20 for k in range(34)]
    assert shown(background, times) == [k // 2 % 5 for k in range(34)]


def test_a_loop_that_the_frames_do_not_divide_keeps_no_rest(numbered_clip) -> None:
    """0.5 s long, looked at each 0.3 s: a loop that began anew from its first picture would drift."""
    background = open_background(numbered_clip(5, fps=10))
    assert shown(background, [k * 0.3 for k in range(20)]) == [3 * k % 5 for k in range(20)]


def test_pictures_of_variable_length_are_shown_as_long_as_the_file_says(numbered_clip) -> None:
    times = [Fraction(0), Fraction(1, 10), Fraction(5, 10), Fraction(6, 10)]
    background = open_background(numbered_clip(4, fps=10, times=times))
    wanted = [0, 1, 1, 1, 1, 2, 3, 0, 1, 1]
    assert shown(background, [k / 10 for k in range(10)]) == wanted


def test_a_late_first_frame_gets_the_picture_of_its_time(numbered_clip) -> None:
    clip = numbered_clip(5, fps=10)
    assert shown(open_background(clip), [1234.3]) == [3]  # 2468 loops of 0.5 s before
    assert shown(open_background(clip), [0.4, 0.1, -2.0]) == [4, 1, 0]


def test_frames_without_time_count_as_24_a_second(numbered_clip) -> None:
    background = open_background(numbered_clip(4, fps=12))
    assert shown(background, [None] * 10) == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]


def test_one_picture_is_a_loop_too(numbered_clip) -> None:
    assert shown(open_background(numbered_clip(1)), [0.0, 0.05, 3.0]) == [0, 0, 0]


def test_a_picture_is_fitted_once_and_again_when_the_frame_size_changes(numbered_clip) -> None:
    background = open_background(numbered_clip(3, fps=10))
    first = background.at(FRAME, nothing(), 0.0)
    assert background.at(FRAME, nothing(), 0.05) is first
    assert background.at(plain(0, height=31, width=77), nothing(31, 77), 0.06).shape == (31, 77, 3)


def test_a_long_video_takes_no_more_memory_than_a_few_pictures(numbered_clip) -> None:
    size = {"height": 240, "width": 320}
    background = open_background(numbered_clip(150, fps=30, **size))
    frame, matte = plain(0, height=240, width=320), nothing(240, 320)
    background.at(frame, matte, 0.0)
    tracemalloc.start()
    for k in range(200):  # over the end
        background.at(frame, matte, k / 30)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * frame.nbytes


def test_an_animated_gif_moves(tmp_path: Path) -> None:
    pictures = [Image.fromarray(plain(20 + 20 * k)) for k in range(3)]
    pictures[0].save(tmp_path / "moves.gif", save_all=True, append_images=pictures[1:], duration=100, loop=0)
    background = open_background(tmp_path / "moves.gif")
    assert shown(background, [0.0, 0.1, 0.2, 0.3]) == [0, 1, 2, 0]


def test_close_lets_the_file_go(numbered_clip) -> None:
    background = open_background(numbered_clip(5))
    background.at(FRAME, nothing(), 0.0)
    background.close()
    background.close()


# Folders


def folder_of(tmp_path, *levels, sizes=((48, 64),)):
    for k, level in enumerate(levels):
        height, width = sizes[k % len(sizes)]
        save(tmp_path / f"p{k + 1}.png", plain(level, height=height, width=width))
    return tmp_path


def test_a_folder_runs_at_24_pictures_a_second_in_natural_order(tmp_path: Path) -> None:
    background = open_background(folder_of(tmp_path, *(20 + 20 * k for k in range(11))))
    assert shown(background, [k / 24 for k in range(13)]) == [*range(11), 0, 1]


def test_a_folder_runs_as_fast_as_asked_and_its_sizes_may_differ(tmp_path: Path) -> None:
    background = open_background(folder_of(tmp_path, 20, 40, 60, sizes=((48, 64), (31, 97))), fps=0.5)
    assert shown(background, [0, 1.5, 2, 4, 6]) == [0, 0, 1, 2, 0]


def test_a_damaged_image_of_a_folder_is_passed_over_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = folder_of(tmp_path, 20, 40, 60)
    (folder / "p2.png").write_bytes((folder / "p2.png").read_bytes()[:60])
    background = open_background(folder, fps=10)
    with caplog.at_level(logging.WARNING):
        assert shown(background, [0, 0.1, 0.2, 0.3, 0.4]) == [0, 0, 2, 0, 0]
    assert [record.message.count("p2.png") for record in caplog.records] == [1]


def test_the_first_image_of_a_folder_may_be_damaged(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 20, 40, 60)
    (folder / "p1.png").write_bytes(b"none")
    assert shown(open_background(folder, fps=10), [0, 0.1, 0.2]) == [1, 1, 2]


# What can't be used


def test_a_missing_file_is_told_with_what_may_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"beech\.jpg: no such file.*blur.*green"):
        open_background(tmp_path / "beech.jpg")


@pytest.mark.parametrize(
    "name", ["broken.jpg", "broken.png", "broken.mp4", "notes", "empty.png", "empty.mp4"]
)
def test_a_file_that_is_neither_image_nor_video_is_one_line(tmp_path: Path, name) -> None:
    path = tmp_path / name
    path.write_bytes(b"" if name.startswith("empty") else b"this is a shopping list, not a picture\n" * 20)
    with pytest.raises(InputError, match=rf"{name}.*: (not a readable|no frame)") as caught:
        open_background(path)
    assert "\n" not in str(caught.value)


def test_an_image_cut_short_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "wall.png", np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"wall\.png"):
        open_background(path)


def test_a_video_without_frames_is_refused(numbered_clip) -> None:
    path = numbered_clip(5)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(InputError, match=r"clip\.mp4"):
        open_background(path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images in this folder"):
        open_background(tmp_path)
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(InputError, match="none of its 1 images can be read"):
        open_background(tmp_path)


@pytest.mark.parametrize(
    ("what", "options", "match"),
    [
        ("", {}, "no such file"),
        ("#12345", {}, "not a colour"),
        ("green", {"fit": "fill"}, "cover, contain, stretch"),
        ("green", {"position": (2, 0)}, "position 2,0"),
        ("green", {"fill": "mauve"}, "mauve: not a colour"),
        ("green", {"fps": 0}, "above 0"),
        ("blur", {"strength": 0}, "blur strength 0"),
        ("blur", {"strength": 0.9}, "blur strength 0.9"),
        ("blur", {"falloff": -1}, "blur falloff -1"),
    ],
)
def test_an_option_out_of_its_range_is_refused(what, options, match) -> None:
    with pytest.raises(InputError, match=match):
        open_background(what, **options)
