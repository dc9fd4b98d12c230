"""What a file held besides its picture is in what is written from it."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from maskstream.video.keep import Fate, plan_streams
from maskstream.video.probe import probe
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter
from tests.helpers.rich_clips import (
    CHAPTERS,
    METADATA,
    MILLISECOND,
    TIMES,
    chapters_of,
    described,
    metadata_of,
    rich_clip,
    sound_of,
    sound_packets,
    subtitles,
)

CREATED = "2020-01-02T03:04:05.000000Z"
WORDS = [
    (a * MILLISECOND, b * MILLISECOND, w) for a, b, w in ((100, 400, "Hello"), (500, 900, "World\nagain"))
]
TITLED = [(a * MILLISECOND, b * MILLISECOND, title) for a, b, title in CHAPTERS]


def copy(source: Path, target: Path, frames: slice = slice(None), **options: Any) -> Path:
    """Write a file's frames anew and keep all else."""
    with (
        read_video(source, frames.start, frames.stop) as reader,
        VideoWriter(target, reader.info, keep_from=source, **options) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
    return target


def times(path: Path) -> list[Fraction | None]:
    return [frame.time for frame in read_video(path)]


def alike(heard: Any, said: Any, lag: int) -> float:
    """Correlation of the middles of two sounds, the first one so many samples late."""
    begin, end = len(said) // 4, len(said) * 3 // 4
    return float(np.corrcoef(heard[begin + lag : end + lag], said[begin:end])[0, 1])


def pictures_of(path: Path) -> list[tuple[int, bytes]]:
    """Disposition and first packet of the video streams after the first."""
    with av.open(str(path)) as container:
        covers = container.streams.video[1:]
        return [(int(s.disposition), bytes(next(container.demux(s)))) for s in covers]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_the_same_kind_of_file_holds_everything_again(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = rich_clip(tmp_path / f"in.{suffix}")
    target = copy(source, tmp_path / f"out.{suffix}")
    assert times(target) == [t * MILLISECOND for t in TIMES] == times(source)
    assert probe(target).duration == 1
    for track in range(2):
        assert sound_packets(target, track) == sound_packets(source, track)
    assert subtitles(target) == subtitles(source) == WORDS
    assert chapters_of(target) == TITLED
    assert metadata_of(target).items() >= (METADATA | {"creation_time": CREATED}).items()
    assert [d[3] for d in described(target)] == [d[3] for d in described(source)]
    assert [d[1:3] for d in described(target)] == [
        ("fra", "Sound fra"),
        ("eng", "Sound eng"),
        ("ger" if suffix == "mov" else "deu", "Signs"),
    ]
    assert not caplog.records


@pytest.mark.parametrize(
    ("start", "end"),
    [("mp4", "mkv"), ("mkv", "mp4"), ("mkv", "mov"), ("mp4", "webm"), ("webm", "mp4"), ("webm", "mkv")],
)
def test_another_kind_of_file_holds_everything_too(tmp_path: Path, start: str, end: str) -> None:
    source = rich_clip(tmp_path / f"in.{start}")
    target = copy(source, tmp_path / f"out.{end}")
    assert times(target) == [t * MILLISECOND for t in TIMES]
    assert probe(target).duration == 1
    assert subtitles(target) == WORDS
    assert chapters_of(target) == TITLED
    assert metadata_of(target).items() >= (METADATA | {"creation_time": CREATED}).items()
    assert [d[0] for d in described(target)] == ["audio", "audio", "subtitle"]
    assert [d[2] for d in described(target)] == ["Sound fra", "Sound eng", "Signs"]
    assert [d[1] for d in described(target)] == ["fra", "eng", "ger" if end == "mov" else "deu"]
    for track in range(2):
        heard, said = sound_of(target, track), sound_of(source, track)
        assert abs(len(heard) - len(said)) <= 2 * 1024
        assert max(alike(heard, said, lag) for lag in range(-48, 49, 4)) > 0.98  # 1 ms: Matroska's clock


def test_what_a_container_cannot_hold_is_said_in_one_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = rich_clip(tmp_path / "in.mkv", videos=2)
    with caplog.at_level(logging.WARNING):
        target = copy(source, tmp_path / "out.webm")
    assert [record.getMessage().removeprefix(f"{source}: ") for record in caplog.records] == [
        "video stream 1 (h264) is left out: only the first video stream is worked on",
        'audio stream 2 (aac, fra, "Sound fra") is re-encoded to opus: a WebM file can\'t hold aac',
        'audio stream 3 (aac, eng, "Sound eng") is re-encoded to opus: a WebM file can\'t hold aac',
        'subtitle stream 4 (ass, deu, "Signs") is re-encoded to webvtt: a WebM file can\'t hold ass',
        "attachment stream 5 (font.ttf) is left out: a WebM file can't hold attachments",
    ]
    with av.open(str(source)) as container:
        plans = plan_streams(container, "webm")
    assert [str(plan) for plan in plans if plan.is_loss] == [
        record.getMessage().removeprefix(f"{source}: ") for record in caplog.records
    ]
    assert [a.codec for a in probe(target).audio] == ["opus", "opus"]


def test_attachments_stay_in_matroska(tmp_path: Path) -> None:
    target = copy(rich_clip(tmp_path / "in.mkv"), tmp_path / "out.mkv")
    with av.open(str(target)) as container:
        (font,) = container.streams.attachments
        assert (font.name, font.mimetype, font.data) == (
            "font.ttf",
            "application/x-truetype-font",
            b"letters",
        )


def test_sound_that_is_longer_than_the_picture_stays_whole(tmp_path: Path) -> None:
    target = copy(rich_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert probe(target).duration == 1
    last, _ = sound_packets(target, 1)[-1]
    assert last > Fraction(19, 10)


def test_an_encoders_delay_does_not_move_the_picture_in_matroska(tmp_path: Path) -> None:
    source = rich_clip(tmp_path / "in.mp4")
    assert sound_packets(source)[0][0] < 0
    target = copy(source, tmp_path / "out.mkv")
    assert times(target) == times(source)
    assert sound_packets(target)[0][0] == 0
    before = {data: time for time, data in sound_packets(source)}
    assert all(abs(before[data] - time) <= MILLISECOND for time, data in sound_packets(target)[1:])


def test_a_cut_takes_its_part_of_everything(tmp_path: Path) -> None:
    source = rich_clip(tmp_path / "in.mp4")
    start, end = 250 * MILLISECOND, 640 * MILLISECOND
    target = copy(source, tmp_path / "out.mp4", slice(4, 6), start=start, end=end)
    assert times(target) == [0, 350 * MILLISECOND]
    assert chapters_of(target) == [(0, 150 * MILLISECOND, "One"), (150 * MILLISECOND, end - start, "Two")]
    assert subtitles(target) == [  # both are on over a cut
        (0, 150 * MILLISECOND, "Hello"),
        (250 * MILLISECOND, end - start, "World\nagain"),
    ]
    for track in range(2):
        wanted = [data for time, data in sound_packets(source, track) if start <= time < end]
        assert [data for _, data in sound_packets(target, track)] == wanted


def test_the_end_may_be_moved_while_frames_are_written(tmp_path: Path) -> None:
    source = rich_clip(tmp_path / "in.mp4")
    target = tmp_path / "out.mp4"
    with read_video(source, end=6) as reader, VideoWriter(target, reader.info, keep_from=source) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
            assert frame.time is not None
            writer.end = frame.time + (frame.duration or 0)
    for track in range(2):
        wanted = [p for p in sound_packets(source, track) if p[0] < 640 * MILLISECOND]
        assert sound_packets(target, track) == wanted


def test_metadata_of_any_name_stays(tmp_path: Path) -> None:
    more = {"make": "Canon", "lens": "50 mm", "com.example.rating": "5"}
    source = rich_clip(tmp_path / "in.mkv", metadata=more)
    for suffix in ("mp4", "mov", "mkv", "webm"):
        found = metadata_of(copy(source, tmp_path / f"out.{suffix}"))
        assert {key: found.get(key) for key in more} == more
        assert found["title"] == METADATA["title"]
        assert "major_brand" not in found or suffix in ("mp4", "mov")


def test_what_is_true_of_the_old_stream_only_is_not_kept(tmp_path: Path) -> None:
    source = rich_clip(tmp_path / "in.mkv")
    target = copy(source, tmp_path / "out.mkv", slice(0, 4), end=Fraction(1, 4))
    with av.open(str(target)) as container:
        assert container.streams.video[0].metadata["title"] == "Main"
        assert container.streams.video[0].metadata["DURATION"].startswith("00:00:00.15")


def test_a_timecode_stays(tmp_path: Path) -> None:
    source = tmp_path / "in.mov"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["timecode"] = "01:02:03:04"
        for index in range(3):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(source)) as container:
        assert [(p.kind, p.fate, p.why) for p in plan_streams(container, "mp4")[1:]] == [
            ("data", Fate.COPIED, "the timecode")
        ]
    with av.open(str(copy(source, tmp_path / "out.mp4"))) as container:
        assert container.streams.video[0].metadata["timecode"] == "01:02:03:04"


def test_a_cover_picture_stays(tmp_path: Path) -> None:
    still = av.CodecContext.create("png", "w")
    still.width = still.height = 16  # type: ignore[attr-defined]
    still.pix_fmt, still.time_base = "rgb24", Fraction(1, 25)  # type: ignore[attr-defined]
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), format="rgb24")
    data = bytes((still.encode(frame) + still.encode(None))[0])  # type: ignore[attr-defined]
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.add_attachment("cover.png", "image/png", data)
        for index in range(3):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    attached = [(int(Disposition.attached_pic), data)]
    assert pictures_of(copy(source, tmp_path / "a.mkv")) == attached
    assert pictures_of(copy(source, tmp_path / "a.mp4")) == attached
    assert pictures_of(copy(tmp_path / "a.mp4", tmp_path / "b.mp4")) == attached
    assert pictures_of(copy(tmp_path / "a.mp4", tmp_path / "b.mkv")) == attached
    assert pictures_of(copy(source, tmp_path / "a.webm")) == []


def test_sound_of_another_rate_and_layout_is_encoded_anew(tmp_path: Path) -> None:
    source = tmp_path / "in.mov"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream("pcm_s16le", rate=44_100, layout="5.1")
        for index in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
            wave = (9000 * np.sin(np.arange(1764) * 0.05)).astype(np.int16)
            part = av.AudioFrame.from_ndarray(np.repeat(wave, 6)[None], "s16", "5.1")
            part.rate, part.pts, part.time_base = 44_100, index * 1764, Fraction(1, 44_100)
            container.mux(sound.encode(part))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    info = probe(copy(source, tmp_path / "out.webm"))
    assert [(a.codec, a.rate, a.channels) for a in info.audio] == [("opus", 48_000, 6)]
    assert abs(len(sound_of(tmp_path / "out.webm")) - 48_000) < 1000


def with_sound(path: Path, codec: str) -> Path:
    """A second of black and stereo sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = 0
        sound: Any = container.add_stream(codec, rate=48_000, layout="stereo")
        resampler = av.AudioResampler(sound.codec_context.format, "stereo", 48_000)
        for index in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
            part = av.AudioFrame.from_ndarray(np.zeros((2, 1920), np.float32), "fltp", "stereo")
            part.rate, part.pts, part.time_base = 48_000, 1920 * index, Fraction(1, 48_000)
            for piece in resampler.resample(part):
                container.mux(sound.encode(piece))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(
    ("source", "codec", "target", "kept"),
    [
        ("in.mkv", "pcm_s16le", "out.mp4", "pcm_s16le"),  # which says two channels, but not which
        ("in.avi", "adpcm_ms", "out.mp4", "aac"),
        ("in.mkv", "flac", "out.mov", "aac"),
        ("in.mkv", "flac", "out.mp4", "flac"),
        ("in.ts", "ac3", "out.mp4", "ac3"),
        ("in.ts", "aac", "out.mkv", "aac"),
        ("in.mov", "alac", "out.webm", "opus"),
    ],
)
def test_sound_of_all_kinds_is_copied_or_encoded(
    tmp_path: Path, source: str, codec: str, target: str, kept: str
) -> None:
    clip = with_sound(tmp_path / source, codec)
    info = probe(copy(clip, tmp_path / target))
    assert [(a.codec, a.channels) for a in info.audio] == [(kept, 2)]
    # Matroska's clock counts milliseconds.
    shifts = [
        a - b
        for a, b in zip(times(tmp_path / target), times(clip), strict=True)
        if a is not None and b is not None
    ]
    assert max(map(abs, shifts)) <= (MILLISECOND / 2 if target == "out.mkv" else 0)
    assert abs(len(sound_of(tmp_path / target)) - 48_000) < 2 * 1024


def test_damaged_sound_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = with_sound(tmp_path / "in.mp4", "aac")
    with av.open(str(source)) as container:
        places = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    data = bytearray(source.read_bytes())
    for begin, size in places[10:13]:
        data[begin : begin + size] = b"\xff" * size
    source.write_bytes(data)
    target = copy(source, tmp_path / "out.webm")
    assert "damaged pieces of audio stream 1 are left out" in caplog.text
    assert times(target) == times(source)
