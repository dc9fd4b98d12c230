import logging
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.video.colour import ColourTags
from maskstream.video.read import VideoFrame, read_reversed, read_video
from tests.helpers.tiny_clips import TICK, ClipMaker, number_of, numbered

Array = np.ndarray[Any, Any]


def numbers(frames: list[VideoFrame]) -> list[int]:
    return [number_of(f.image) for f in frames]


def damage(path: Path, packet: int) -> None:
    with av.open(str(path)) as container:
        place = [(p.pos, p.size) for p in container.demux(video=0) if p.size][packet]
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, place[1], dtype=np.uint8)
    data[place[0] : place[0] + place[1]] = noise.tobytes()
    path.write_bytes(data)


def test_frames_come_in_order_with_their_own_times(make_clip: ClipMaker) -> None:
    pts = [0, 20, 60, 61, 100, 250, 251, 400]
    path = make_clip("a.mp4", [numbered(i) for i in range(8)], pts=pts)
    frames = list(read_video(path))
    assert numbers(frames) == list(range(8))
    assert [f.index for f in frames] == list(range(8))
    assert [f.time for f in frames] == [p * TICK for p in pts]
    assert all(f.pts is not None and f.time_base and f.pts * f.time_base == f.time for f in frames)
    assert [f.name for f in frames[:2]] == ["00000", "00001"]


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_frames_that_are_stored_in_another_order_come_with_the_times_they_are_shown_at(
    make_clip: ClipMaker, name: str
) -> None:
    path = make_clip(name, [numbered(i) for i in range(20)], pixel_format="yuv420p", b_frames=3)
    frames = list(read_video(path))
    assert numbers(frames) == list(range(20))
    assert [f.time for f in frames] == [Fraction(i, 25) for i in range(20)]


def test_range_and_step_go_by_index(make_clip: ClipMaker) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(20)])
    reader = read_video(path, start=5, end=16, every=3)
    assert [f.index for f in reader] == [5, 8, 11, 14]
    assert numbers(list(reader)) == [5, 8, 11, 14]
    assert reader.expected == 4
    assert read_video(path).expected == 20


@pytest.mark.parametrize(("start", "end", "every"), [(0, 0, 1), (5, 3, 1), (-1, None, 1), (0, None, 0)])
def test_senseless_range_is_one_line(make_clip: ClipMaker, start: int, end: int | None, every: int) -> None:
    path = make_clip("a.mp4", [numbered(0)])
    with pytest.raises(InputError):
        read_video(path, start, end, every)


def test_start_past_the_end_is_one_line(make_clip: ClipMaker) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(3)])
    with pytest.raises(InputError, match="it has 3 frames, so none from frame 3 on"):
        list(read_video(path, start=3))
    with pytest.raises(InputError, match="it has 3 frames, so none from frame 3 on"):
        list(read_reversed(path, start=3))


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotated_and_mirrored_files_come_upright(make_clip: ClipMaker, turn: int, hflip: bool) -> None:
    upright = numbered(0)
    # The player turns the stored picture counter-clockwise by ``turn``, then mirrors it.
    stored = np.rot90(upright[:, ::-1] if hflip else upright, -turn // 90)
    path = make_clip("a.mp4", [np.ascontiguousarray(stored)], rotation=turn, hflip=hflip)
    (frame,) = read_video(path)
    assert frame.image.shape == upright.shape
    assert np.abs(frame.image.astype(int) - upright).mean() < 4


@pytest.mark.parametrize("size", [(63, 47), (65, 48), (64, 49), (1, 1)])
def test_odd_sizes_are_exact(make_clip: ClipMaker, size: tuple[int, int]) -> None:
    path = make_clip("a.mkv", [numbered(0, *size)], codec="ffv1", pixel_format="yuv420p")
    (frame,) = read_video(path)
    assert frame.image.shape == (size[1], size[0], 3)
    assert frame.image.flags.c_contiguous


@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_tagged_matrix_and_range_are_used(make_clip: ClipMaker, matrix: int, range_: int) -> None:
    path = make_clip("a.mp4", [numbered(0)], tags=ColourTags(matrix, range_, 1, 1))
    (frame,) = read_video(path)
    assert np.abs(frame.image.astype(int) - numbered(0))[2:10, 2:10].max() <= 4


@pytest.mark.parametrize(("height", "matrix"), [(48, 6), (720, 1)])
def test_untagged_file_is_read_by_its_number_of_lines(make_clip: ClipMaker, height: int, matrix: int) -> None:
    image = numbered(0, 32, height)
    path = make_clip("a.mp4", [image], written_as=ColourTags(matrix, 1))
    (frame,) = read_video(path)
    assert np.abs(frame.image.astype(int) - image)[2:10, 2:8].max() <= 4


def test_ten_bits_come_as_eight_with_one_warning(
    make_clip: ClipMaker, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(4)], pixel_format="yuv420p10le")
    with caplog.at_level(logging.WARNING):
        frames = list(read_video(path))
    assert frames[0].image.dtype == np.uint8
    assert numbers(frames) == list(range(4))
    assert [r.message.split(": ", 1)[1] for r in caplog.records] == ["10-bit video is converted to 8 bits"]


@pytest.mark.parametrize("packet", [0, 9, 17, 19])
def test_damaged_frame_is_left_out_and_counted(
    make_clip: ClipMaker, packet: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(20)], gop=1)
    damage(path, packet)
    reader = read_video(path)
    with caplog.at_level(logging.WARNING):
        frames = list(reader)
    assert reader.skipped == 1
    assert numbers(frames) == [i for i in range(20) if i != packet]
    assert "1 damaged frame was left out" in caplog.text


def test_file_that_stops_in_the_middle_gives_what_is_there(make_clip: ClipMaker) -> None:
    path = make_clip("a.mkv", [numbered(i) for i in range(40)], gop=1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 10 < len(list(read_video(path))) < 40


def test_reader_can_be_iterated_again_and_closed_early(make_clip: ClipMaker) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(6)])
    with read_video(path) as reader:
        running = iter(reader)
        assert next(running).index == 0
        assert len(list(reader)) == 6
        again = iter(reader)
        next(again)
    assert list(again) == []


def test_folder_is_read_in_natural_order_and_named_after_its_files(tmp_path: Path) -> None:
    for i in (2, 10, 1):
        cv2.imwrite(str(tmp_path / f"shot{i}.png"), numbered(i)[..., ::-1])
    reader = read_video(tmp_path)
    frames = list(reader)
    assert [f.name for f in frames] == ["shot1", "shot2", "shot10"]
    assert np.array_equal(frames[2].image, numbered(10))
    assert frames[0].time is None
    assert [f.name for f in read_video(tmp_path, start=1)] == ["shot2", "shot10"]
    assert [f.name for f in read_reversed(tmp_path, end=2)] == ["shot2", "shot1"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_every_kind_of_image_is_read(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"00000.{suffix}"), numbered(3)[..., ::-1])
    (frame,) = read_video(tmp_path)
    assert np.abs(frame.image.astype(int) - numbered(3)).mean() < 4


def test_image_of_another_size_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), numbered(0))
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1, 32, 24))
    with pytest.raises(InputError, match=r"1.png: it is 32x24 but the images before it are 64x48"):
        list(read_video(tmp_path))


def test_broken_image_is_left_out_and_the_others_keep_their_index(tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), numbered(i))
    (tmp_path / "1.png").write_text("no image")
    reader = read_video(tmp_path)
    assert [(f.index, f.name) for f in reader] == [(0, "0"), (2, "2")]
    assert reader.skipped == 1


def test_start_past_the_last_image_is_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), numbered(0))
    with pytest.raises(InputError, match="it has 1 images, so none from 1 on"):
        read_video(tmp_path, start=1)


def same(one: VideoFrame, other: VideoFrame) -> bool:
    return (one.index, one.pts, one.time, one.name) == (
        other.index,
        other.pts,
        other.time,
        other.name,
    ) and np.array_equal(one.image, other.image)


@pytest.mark.parametrize("chunk", [1, 5, 7, 100])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gop.mp4", {"gop": 6}),
        ("one-key.mp4", {"gop": 250}),
        ("matroska.mkv", {"gop": 6}),
        ("transport.ts", {"gop": 6, "pixel_format": "yuv420p"}),
        ("mpeg4.avi", {"gop": 6, "codec": "mpeg4", "pixel_format": "yuv420p"}),
        ("b-frames.avi", {"gop": 6, "pixel_format": "yuv420p", "b_frames": 2}),
        ("b-frames.mp4", {"gop": 6, "b_frames": 2}),
        ("no-times.h264", {"gop": 6, "pixel_format": "yuv420p"}),
    ],
)
def test_reversed_frames_equal_the_forward_ones(
    make_clip: ClipMaker, name: str, options: dict[str, Any], chunk: int
) -> None:
    path = make_clip(name, [numbered(i) for i in range(23)], **options)
    forward = list(read_video(path, start=2, end=21))
    backward = list(read_reversed(path, start=2, end=21, chunk=chunk))
    assert [f.index for f in backward] == list(range(20, 1, -1))
    assert all(same(a, b) for a, b in zip(forward, backward[::-1], strict=True))


def test_reversed_frames_agree_with_the_forward_ones_about_a_damaged_file(make_clip: ClipMaker) -> None:
    path = make_clip("a.mp4", [numbered(i) for i in range(20)], gop=4)
    damage(path, 9)
    forward, backward = list(read_video(path)), list(read_reversed(path, chunk=3))
    assert all(same(a, b) for a, b in zip(forward, backward[::-1], strict=True))


def test_reading_holds_no_more_than_a_few_frames(make_clip: ClipMaker) -> None:
    path = make_clip("a.mp4", [numbered(i, 640, 480) for i in range(60)])
    image_bytes = 640 * 480 * 3
    for frames, bound in ((iter(read_video(path)), 4), (read_reversed(path, chunk=4), 8)):
        next(frames)
        tracemalloc.start()
        for _ in frames:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < bound * image_bytes


def test_frame_rate_is_exact(make_clip: ClipMaker) -> None:
    assert read_video(make_clip("a.mp4", [numbered(i) for i in range(5)])).info.frame_rate == Fraction(25)
