"""Codecs, encoders and alpha of written videos."""

import logging
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.video.colour import ColourTags
from maskstream.video.encoders import encoder_for
from maskstream.video.probe import probe
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter
from tests.helpers.alpha_files import read_rgba
from tests.helpers.tiny_clips import TICK, ClipMaker, number_of, numbered

Array = np.ndarray[Any, Any]


def ramp(width: int = 64, height: int = 48) -> Array:
    """An alpha with everything: nothing, all, an edge and all between."""
    alpha = np.zeros((height, width), np.uint8)
    alpha[height // 4 : height // 2, width // 4 : width * 3 // 4] = 255
    alpha[height // 2 :] = np.linspace(0, 255, width).astype(np.uint8)
    return alpha


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
@pytest.mark.parametrize(
    ("name", "codec", "levels"),
    [
        ("a.mov", None, 1),
        ("a.mov", "prores_ks", 1),
        ("a.mkv", "prores", 1),
        ("a.webm", None, 4),
        ("a.mkv", "vp9", 4),
        ("a.mkv", "ffv1", 0),
    ],
)
def test_alpha_comes_back_with_straight_colours(
    tmp_path: Path, name: str, codec: str | None, levels: int, size: tuple[int, int]
) -> None:
    alpha, crf = ramp(*size), 4 if name.endswith("webm") or codec == "vp9" else None
    with VideoWriter(tmp_path / name, fps=25, codec=codec, crf=crf, alpha=True) as writer:
        for index in range(3):
            writer.write(numbered(index, *size), alpha=np.roll(alpha, index, 0))
    found = read_rgba(tmp_path / name)
    assert [image.shape for image in found] == [(size[1], size[0], 4)] * 3
    for index, image in enumerate(found):
        assert np.abs(image[..., 3].astype(int) - np.roll(alpha, index, 0)).max() <= levels
        # Also where alpha is 0 the colours are those given: number_of reads the middle, half of which is.
        assert number_of(image[..., :3]) == index
    assert [number_of(frame.image) for frame in read_video(tmp_path / name)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", None),
        ("a.m4v", None),
        ("a.mp4", "vp9"),
        ("a.mov", "h264"),
        ("a.mkv", "hevc"),
        ("a.mkv", "libx264"),
    ],
)
def test_what_cannot_hold_alpha_names_what_can(tmp_path: Path, name: str, codec: str | None) -> None:
    with pytest.raises(
        InputError, match=r"can't hold alpha; use \.mov \(ProRes 4444\), .* or a folder of PNGs"
    ):
        VideoWriter(tmp_path / name, codec=codec, alpha=True)


def test_alpha_comes_with_every_image_or_with_none(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mov", alpha=True) as writer:
        writer.write(numbered(0), alpha=ramp())
        with pytest.raises(ValueError, match="expected an alpha with every image"):
            writer.write(numbered(0))
        with pytest.raises(ValueError, match="expected a 48 x 64 uint8 alpha"):
            writer.write(numbered(0), alpha=ramp(32, 48))
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(numbered(0))
        with pytest.raises(ValueError, match="expected no alpha"):
            writer.write(numbered(0), alpha=ramp())


@pytest.mark.parametrize(
    ("name", "codec", "levels"),
    [
        ("a.mov", "prores", 2),
        ("a.mkv", "prores", 2),
        ("a.mkv", "ffv1", 0),
        ("a.webm", "vp9", 8),
        ("a.mp4", "hevc", 8),
    ],
)
@pytest.mark.parametrize(
    "tags", [ColourTags(1, 1, 1, 1), ColourTags(6, 1, 6, 6), ColourTags(1, 2, 1, 1), ColourTags(6, 2, 6, 6)]
)
def test_colours_are_true_in_every_codec(
    make_clip: ClipMaker, tmp_path: Path, tags: ColourTags, name: str, codec: str, levels: int
) -> None:
    source = make_clip("in.mkv", [numbered(0)], tags=tags)
    with (
        read_video(source) as reader,
        VideoWriter(tmp_path / name, reader.info, codec=codec, crf=4) as writer,
    ):
        (frame,) = reader
        writer.write(frame.image, frame.time, frame.duration)
    (read,) = read_video(tmp_path / name)
    assert np.abs(read.image.astype(int) - frame.image)[4:12, 4:12].max() <= levels
    found = probe(tmp_path / name).colour
    if codec == "ffv1":
        assert (found.matrix, found.range) == (0, 2)
    else:
        assert (found.matrix, found.range) == (tags.matrix, 1 if codec == "prores" else tags.range)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("name", ["a.mov", "a.webm"])
def test_rotated_sources_come_upright_with_every_time_stamp(
    make_clip: ClipMaker, tmp_path: Path, name: str, turn: int
) -> None:
    pts = [0, 30, 90, 93, 600]
    stored = [np.ascontiguousarray(np.rot90(numbered(i), -turn // 90)) for i in range(5)]
    source = make_clip("in.mp4", stored, pts=[3 * p for p in pts], rotation=turn)
    with read_video(source) as reader, VideoWriter(tmp_path / name, reader.info, alpha=True) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration, ramp())
    frames = list(read_video(tmp_path / name))
    assert [f.time for f in frames] == [3 * p * TICK for p in pts]
    assert [number_of(f.image) for f in frames] == list(range(5))
    info = probe(tmp_path / name)
    assert (info.size, info.rotation) == ((64, 48), 0)
    assert frames[0].image[5, 5].argmax() == 0  # the red corner


def test_pixels_that_are_no_squares_stay_so(
    make_clip: ClipMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("in.mp4", [numbered(0)], aspect=Fraction(4, 3))
    for name, codec in (
        ("a.mov", None),
        ("b.mov", "prores"),
        ("a.mkv", None),
        ("b.mkv", "hevc"),
        ("a.mp4", "vp9"),
    ):
        with read_video(source) as reader, VideoWriter(tmp_path / name, reader.info, codec=codec) as writer:
            for frame in reader:
                writer.write(frame.image, frame.time)
        assert probe(tmp_path / name).sample_aspect_ratio == Fraction(4, 3)
    assert "shape" not in caplog.text


def test_a_file_that_cannot_say_the_shape_of_its_pixels_is_warned_of(
    make_clip: ClipMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("in.mp4", [numbered(0)], aspect=Fraction(4, 3))
    with read_video(source) as reader, caplog.at_level(logging.WARNING):
        VideoWriter(tmp_path / "a.webm", reader.info)
    assert "the shape of its pixels, 4/3, is lost" in caplog.text


@pytest.mark.parametrize(
    ("name", "encoder", "codec"),
    [
        ("a.mp4", "libx265", "hevc"),
        ("a.webm", "libvpx", "vp8"),
        ("a.mov", "qtrle", "qtrle"),
        ("a.mkv", "libx264", "h264"),
    ],
)
def test_an_ffmpeg_encoder_may_be_named(tmp_path: Path, name: str, encoder: str, codec: str) -> None:
    with VideoWriter(tmp_path / name, codec=encoder) as writer:
        for index in range(3):
            writer.write(numbered(index), Fraction(index, 25))
    assert probe(tmp_path / name).codec == codec
    assert [(number_of(f.image), f.time) for f in read_video(tmp_path / name)] == [
        (i, Fraction(i, 25)) for i in range(3)
    ]


@pytest.mark.parametrize(
    ("name", "codec", "match"),
    [
        ("a.mp4", "divx", "unknown codec 'divx'; use h264, hevc, vp9, prores, ffv1 or a video encoder"),
        ("a.mp4", "aac", "unknown codec 'aac'"),
        ("a.mp4", "prores", r"a \.mp4 file can't hold prores; use another suffix"),
        ("a.webm", "libx264", r"a \.webm file can't hold libx264"),
        ("a.webm", "mpeg4", r"a \.webm file can't hold mpeg4"),
    ],
)
def test_an_impossible_encoder_is_one_line(tmp_path: Path, name: str, codec: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        VideoWriter(tmp_path / name, codec=codec)


def test_an_encoder_that_does_not_work_here_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a hardware encoder without its hardware: it is there, and can't be opened.
    broken = replace(encoder_for(tmp_path / "a.mp4", "mpeg4"), pixel_format="yuv444p")
    monkeypatch.setattr("maskstream.video.encoders._named", lambda path, name: broken)
    with (
        pytest.raises(InputError, match=r"the encoder mpeg4 can't be used here \(.*\); use another codec"),
        VideoWriter(tmp_path / "a.mp4", codec="hardware") as writer,
    ):
        writer.write(numbered(0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("crf", "codec"), [(1, None), (1, "libx265"), (1, "libvpx-vp9")])
def test_a_lower_crf_gives_more_bytes(tmp_path: Path, crf: int, codec: str | None) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for name, quality in (("fine.mp4", crf), ("coarse.mp4", 45)):
        with VideoWriter(tmp_path / name, codec=codec, crf=quality) as writer:
            writer.write(noise)
    assert (tmp_path / "fine.mp4").stat().st_size > 1.5 * (tmp_path / "coarse.mp4").stat().st_size


def test_a_crf_that_does_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        VideoWriter(tmp_path / "a.mov", codec="prores", crf=20)
    assert "prores has no such quality; crf 20 is not used" in caplog.text


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of at most 100 kB, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are Unix's")
@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.mov"])
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    writer = VideoWriter(tmp_path / name, crf=4)

    def fill() -> None:
        with writer:
            for _ in range(20):
                writer.write(noise)

    with pytest.raises(OSError, match="File too large") as error:
        fill()
    assert error.value.filename == str(tmp_path / name)
    assert os.listdir(tmp_path) == []
