from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.video.colour import ColourTags
from maskstream.video.probe import probe
from tests.helpers.tiny_clips import ClipMaker, numbered


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        probe(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_file_is_described(make_clip: ClipMaker) -> None:
    tags = ColourTags(1, 1, 1, 1)
    info = probe(make_clip("a.mp4", [numbered(i) for i in range(10)], tags=tags, audio_tracks=2))
    assert info.size == (64, 48)
    assert info.frame_rate == 25
    assert info.frame_count == 10
    assert info.duration == Fraction(10, 25)
    assert info.start_time == 0
    assert (info.codec, info.pixel_format, info.bits) == ("h264", "yuv444p", 8)
    assert info.colour == tags
    assert [(a.codec, a.rate, a.channels) for a in info.audio] == [("aac", 44100, 1)] * 2


@pytest.mark.parametrize(
    ("turn", "rotation", "size"),
    [(0, 0, (64, 48)), (90, 270, (48, 64)), (180, 180, (64, 48)), (270, 90, (48, 64))],
)
def test_size_is_that_of_the_upright_picture(
    make_clip: ClipMaker, turn: int, rotation: int, size: tuple[int, int]
) -> None:
    info = probe(make_clip("a.mp4", [numbered(0)], rotation=turn))
    assert (info.size, info.rotation, info.orientation.mirrored) == (size, rotation, False)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_mirrored_file_says_so(make_clip: ClipMaker, turn: int) -> None:
    assert probe(make_clip("a.mp4", [numbered(0)], rotation=turn, hflip=True)).orientation.mirrored


@pytest.mark.parametrize(("lines", "matrix"), [(718, 6), (720, 1)])
def test_untagged_matrix_is_guessed_by_the_number_of_lines(lines: int, matrix: int) -> None:
    assert ColourTags().resolved(lines).matrix == matrix


def test_untagged_range_is_full_for_rgb_and_jpeg_formats_only() -> None:
    ranges = [ColourTags().resolved(480, f).range for f in ("yuv420p", "yuvj420p", "gbrp", "rgb24", "gray")]
    assert ranges == [1, 2, 2, 2, 2]


def test_folder_of_images_is_described_in_natural_order(tmp_path: Path) -> None:
    for i in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{i}.png"), numbered(i))
    (tmp_path / "notes.txt").write_text("not an image")
    info = probe(tmp_path)
    assert [f.name for f in info.images] == ["frame1.png", "frame9.png", "frame10.png"]
    assert (info.size, info.frame_count, info.frame_rate) == ((64, 48), 3, None)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "none.mp4", "no such file or folder")


def test_folder_without_images_is_one_line_that_names_a_sequence_below(tmp_path: Path) -> None:
    refused(tmp_path, "no images in this folder")
    (tmp_path / "JPEGImages" / "bear").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "JPEGImages" / "bear" / "00000.jpg"), numbered(0))
    refused(tmp_path, r"name one sequence, e.g. .*bear")


@pytest.mark.parametrize("content", ["hello\n" * 500, "", "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 9])
def test_text_named_mp4_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "text.mp4").write_text(content)
    refused(tmp_path / "text.mp4", "not a readable video|no video stream")


def test_cut_short_file_is_one_line(make_clip: ClipMaker, tmp_path: Path) -> None:
    whole = make_clip("a.mp4", [numbered(i) for i in range(10)])
    short = tmp_path / "short.mp4"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused(short, "not a readable video")


def test_sound_alone_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
        part.rate = 44100
        container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    refused(path, r"no video stream in this file \(it holds audio\)")


def test_video_without_a_decodable_frame_is_one_line(make_clip: ClipMaker, tmp_path: Path) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(3)])
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for begin, size in places:
        data[begin : begin + size] = b"\xff" * size
    path.write_bytes(data)
    refused(path, "no frame can be decoded")


def test_folder_of_broken_images_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_text("no image")
    refused(tmp_path, "none of its 2 images can be read")


def test_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("what FFmpeg would show as a picture of letters")
    with pytest.raises(InputError, match=r"notes\.txt: not a readable video"):
        probe(path)
