"""Backgrounds that move, are large, transparent, broken or no pictures at all; and frames of odd pixels."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream.background.options import BackgroundOptions
from maskstream.background.sources import open_background
from maskstream.errors import InputError
from maskstream.matte.matting import Matte
from maskstream.pictures import LIMIT_VARIABLE
from maskstream.video.write import VideoWriter

HEIGHT, WIDTH = 90, 120
FRAME = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
MATTE = Matte(np.zeros((HEIGHT, WIDTH), np.uint8), FRAME)


def disc(side: int = 200) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = np.zeros((side, side, 3), np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 3, (255, 255, 255), -1)
    return image


def put(folder: Path, kind: str) -> Path:
    """A disc as an image, in a video or in a folder."""
    path = folder / {"image": "disc.png", "video": "disc.mp4", "folder": "discs"}[kind]
    if kind == "image":
        Image.fromarray(disc()).save(path)
    elif kind == "folder":
        path.mkdir()
        Image.fromarray(disc()).save(path / "0.png")
    else:
        with VideoWriter(path, fps=10) as writer:
            for _ in range(3):
                writer.write(disc())
    return path


@pytest.mark.parametrize("kind", ["image", "video", "folder"])
@pytest.mark.parametrize("fit", ["cover", "contain"])
@pytest.mark.parametrize("aspect", [64 / 45, 8 / 9, 1.0])
def test_a_disc_is_round_when_frames_of_odd_pixels_are_shown(
    tmp_path: Path, kind: str, fit: str, aspect: float
) -> None:
    background = BackgroundOptions(str(put(tmp_path, kind)), fit).open(aspect)
    seen = background.at(FRAME, MATTE, 0.0)[..., 0] > 127
    width, height = seen.any(0).sum() * aspect, seen.any(1).sum()
    if fit == "cover" and aspect * WIDTH > HEIGHT * 1.5:  # the disc is cut above and below
        assert width == pytest.approx(WIDTH * aspect * 2 / 3, abs=3)
    else:
        assert width == pytest.approx(height, abs=3)
    background.close()


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_animated_pictures_play(tmp_path: Path, suffix: str) -> None:
    images = [Image.new("RGB", (WIDTH, HEIGHT), (40 * i, 100, 200)) for i in range(4)]
    path = tmp_path / f"a.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, loop=0, **lossless)
    background = open_background(path)
    assert background.moves
    levels = [int(background.at(FRAME, MATTE, time)[5, 5, 0]) for time in (0, 0.11, 0.25, 0.35, 0.45)]
    assert levels == pytest.approx([0, 40, 80, 120, 0], abs=4)
    background.close()


@pytest.mark.parametrize("kind", ["webp", "gif", "png", "mov"])
def test_a_colour_shines_through_transparent_moving_pictures(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[:, : WIDTH // 2] = (200, 30, 30, 255)
    rgba[0, -1] = (9, 9, 9, 7)  # WebP's encoder takes an alpha of 0 and 255 alone for none
    if kind == "mov":
        with VideoWriter(path, fps=10, alpha=True) as writer:
            for _ in range(2):
                writer.write(np.ascontiguousarray(rgba[..., :3]), alpha=np.ascontiguousarray(rgba[..., 3]))
    else:
        other = rgba.copy()
        other[0, 0] = (0, 200, 0, 255)
        more = {"lossless": True, "exact": True} if kind == "webp" else {}
        Image.fromarray(rgba).save(
            path, save_all=True, append_images=[Image.fromarray(other)], duration=100, **more
        )
    background = open_background(path, fill="blue")
    shown = background.at(FRAME, MATTE, 0.0)
    assert np.abs(shown[40, 90].astype(int) - (0, 0, 255)).max() < 6
    assert np.abs(shown[40, 20].astype(int) - (200, 30, 30)).max() < 6
    background.close()


def test_large_images_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    names = ("a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif", "folder/0.png")
    paths = [tmp_path / name for name in names]
    for path in paths:
        Image.fromarray(disc()).save(path)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.039")
    for path in [*paths[:-1], tmp_path / "folder"]:
        with pytest.raises(InputError, match=r"200x200 pixels are more than 0\.039|none of its 1 images"):
            open_background(path)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.04")
    for path in paths:
        open_background(path).close()


def refusals() -> Iterator[tuple[str, str]]:
    yield "pipe", "is a pipe or device"
    yield "x" * 300, "no such file or folder; give an image"
    yield "a\0b", "no such file or folder; give an image"
    yield "", "no such file or folder; give an image"
    yield "list.m3u8", "is a HLS playlist, which names other files"
    yield "list.png", "not a readable image"
    yield "deep", "no images"


@pytest.mark.parametrize(("name", "message"), list(refusals()))
def test_what_is_no_background_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("deep/a/b/c/d/e/f").mkdir(parents=True)
    Image.fromarray(disc()).save("secret.png")
    for playlist in ("list.m3u8", "list.png"):
        Path(playlist).write_text(f"#EXTM3U\n#EXTINF:2,\nfile://{tmp_path}/secret.png\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match=message) as caught:
        open_background(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert BackgroundOptions("x" * 300).path is None


def test_the_root_of_the_disk_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="no images"):
        open_background("/")


@pytest.mark.parametrize("given", [0, None, ["a.png"], b"a.png"])
def test_what_is_no_name_is_one_line(given: Any) -> None:
    with pytest.raises(InputError, match="not the name of a file; give a background as text or a Path"):
        open_background(given)


@pytest.mark.parametrize("how", ["gone", "overwritten"])
def test_a_video_that_breaks_while_it_runs_is_told_of_once_and_stands_still(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    path = put(tmp_path, "video")
    background = open_background(path)
    last = background.at(FRAME, MATTE, 0.2).copy()
    if how == "gone":
        path.unlink()
    else:
        path.write_text("something else")
    for i in range(20):
        assert np.array_equal(background.at(FRAME, MATTE, 0.4 + i / 10), last)
    assert caplog.text.count("the background stands still from here on") == 1
    background.close()
