"""Files whose times, counts, names or pixels are stored in unusual ways."""

import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from maskstream.errors import InputError
from maskstream.pictures import LIMIT_VARIABLE
from maskstream.video.probe import probe
from maskstream.video.read import read_reversed, read_video
from maskstream.video.report import report
from maskstream.video.write import VideoWriter
from tests.helpers.tiny_clips import ClipMaker, number_of, numbered

Array = np.ndarray[Any, Any]
RATE = Fraction(24)


def recording(
    path: Path, first: int, count: int, *, start: float = 0, sound: bool = False, codec: str = "libx264"
) -> bytes:
    """A transport stream of numbered pictures at 24 a second, perhaps with a tone."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream(codec, rate=RATE, options={"qp": "4", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = 1 / RATE
        stream.codec_context.max_b_frames = 2
        tone = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(first + i), format="rgb24")
            frame.pts, frame.time_base = round(start * RATE) + i, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            for begin in range(0, 2000 * count, 1024):
                part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                part.rate, part.pts, part.time_base = 48000, round(start * 48000) + begin, Fraction(1, 48000)
                container.mux(tone.encode(part))
            container.mux(tone.encode(None))
    return path.read_bytes()


def joined(folder: Path, starts: Sequence[float], sound: bool = False) -> Path:
    path = folder / "joined.ts"
    parts = [
        recording(folder / f"{i}.ts", 12 * i, 12, start=start, sound=sound) for i, start in enumerate(starts)
    ]
    path.write_bytes(b"".join(parts))
    return path


def packets(path: Path, kind: str) -> list[tuple[Fraction, Fraction]]:
    """Times and durations of all packets of the first stream of a kind, in order of their times."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        base = Fraction(stream.time_base.numerator, stream.time_base.denominator)
        return sorted((p.pts * base, (p.duration or 0) * base) for p in container.demux(stream) if p.size)


@pytest.mark.parametrize("starts", [(0, 0), (0, 1000), (1000, 0), (0, 0, 0)])
def test_times_go_on_where_recordings_were_put_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, starts: tuple[float, ...]
) -> None:
    path = joined(tmp_path, starts)
    frames = list(read_video(path))
    count = 12 * len(starts)
    assert [number_of(f.image) for f in frames] == [i % 40 for i in range(count)]
    times = [frame.time - frames[0].time for frame in frames if frame.time is not None and frames[0].time]
    assert [float(24 * time) for time in times] == pytest.approx(list(range(count)), abs=0.001)
    info = probe(path)
    assert info.frame_count == count
    assert info.duration == pytest.approx(count / 24, abs=0.001)
    found = report(path).times
    assert found is not None
    assert (found.count, found.varies) == (count, False)
    assert not caplog.text


def test_backwards_joined_recordings_give_the_same_frames(tmp_path: Path) -> None:
    path = joined(tmp_path, (0, 0, 0))
    forward, backward = list(read_video(path)), list(read_reversed(path, chunk=5))[::-1]
    assert [f.time for f in forward] == [f.time for f in backward]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(forward, backward, strict=True))


@pytest.mark.parametrize("starts", [(0, 0), (0, 1000)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_sound_stays_in_step_where_recordings_were_put_together(
    tmp_path: Path, starts: tuple[float, ...], suffix: str
) -> None:
    path = joined(tmp_path, starts, sound=True)
    output = tmp_path / f"out.{suffix}"
    with read_video(path) as reader, VideoWriter(output, like=reader.info, keep_from=path) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
    pictures, sound = packets(output, "video"), packets(output, "audio")
    assert len(pictures) == 24
    begin, end = pictures[0][0], sum(pictures[-1])
    assert end - begin == pytest.approx(1, abs=0.01)
    assert sound[0][0] == pytest.approx(float(begin), abs=0.09)
    assert sum(sound[-1]) == pytest.approx(float(end), abs=0.09)
    steps = [b[0] - a[0] for a, b in pairwise(sound)]
    assert min(steps) > 0
    assert max(steps) < 0.06


def test_pauses_of_a_transport_stream_stay(tmp_path: Path) -> None:
    path = joined(tmp_path, (0, 4))
    times = [frame.time for frame in read_video(path) if frame.time is not None]
    with av.open(str(path)) as container:
        stamps = sorted(float(p.pts * p.time_base) for p in container.demux(video=0) if p.size)
    assert [float(time) for time in times] == pytest.approx(stamps, abs=0.001)
    assert times[12] - times[11] > 3


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(50)])
def test_bare_h264_has_the_times_of_its_own_rate(tmp_path: Path, rate: Fraction) -> None:
    path = tmp_path / "bare.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "4", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="rgb24")))
        container.mux(stream.encode(None))
    frames = list(read_video(path))
    assert [frame.time for frame in frames] == [i / rate for i in range(30)]
    assert probe(path).frame_rate == rate
    assert [f.time for f in read_reversed(path, chunk=7)] == [i / rate for i in range(29, -1, -1)]
    with read_video(path) as reader, VideoWriter(tmp_path / "o.mp4", like=reader.info) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
    assert [time for time, _ in packets(tmp_path / "o.mp4", "video")] == [i / rate for i in range(30)]


def test_frames_that_an_edit_list_cuts_off_are_not_counted(
    make_clip: ClipMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip("whole.mp4", [numbered(i) for i in range(24)], gop=24, b_frames=0)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4  # version and flags, count, then duration, media time, rate
    media_time = int.from_bytes(data[at + 12 : at + 16], "big")
    with av.open(str(path)) as container:
        ticks = 8 * Fraction(24, 600) / Fraction(*container.streams.video[0].time_base.as_integer_ratio())
    data[at + 12 : at + 16] = int(media_time + ticks).to_bytes(4, "big")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data)
    frames = list(read_video(cut))
    assert [number_of(frame.image) for frame in frames] == list(range(8, 24))
    assert probe(cut).frame_count == len(frames) == read_video(cut).expected
    found = report(cut).times
    assert found is not None
    assert found.count == len(frames)
    assert not caplog.text


def test_late_start_is_no_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "late.mkv"
    with VideoWriter(path, fps=24) as writer:
        for i in range(24):
            writer.write(numbered(i), 30 + Fraction(i, 24), Fraction(1, 24))
    info = probe(path)
    assert info.frame_count == 24
    assert info.start_time == 30
    assert info.duration == pytest.approx(1, abs=0.01)
    assert len(list(read_video(path))) == 24
    assert not caplog.text


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_that_ends_early_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    path = tmp_path / f"whole.{suffix}"
    with VideoWriter(path, fps=24, crf=5) as writer:
        for i in range(40):
            writer.write(numbered(i))
    assert len(list(read_video(path))) == 40
    assert not caplog.text
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    came = len(list(read_video(cut)))
    assert f"{came} frames came where its header speaks of 40" in caplog.text


def test_a_rate_that_varies_is_nothing_missing(
    make_clip: ClipMaker, caplog: pytest.LogCaptureFixture
) -> None:
    pts = [*range(0, 240, 24), *range(240, 6000, 600)]
    path = make_clip("a.mkv", [numbered(i) for i in range(len(pts))], pts=pts)
    assert len(list(read_video(path))) == len(pts)
    assert not caplog.text


def test_a_folder_has_no_header(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(6):
        Image.fromarray(numbered(i)).save(tmp_path / f"{i}.png")
    for i in (2, 3, 4):
        (tmp_path / f"{i}.png").write_text("no image")
    assert len(list(read_video(tmp_path))) == 3
    assert "its header" not in caplog.text
    assert caplog.text.count("not a readable image") == 3


NAMES = [
    "2026-11-28T10:15:46.mp4",
    "10:30.mp4",
    "a:b.mp4",
    "100%.mp4",
    "img%03d.mp4",
    "file:x.mp4",
    "http:y.mp4",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", ["", "./"])
def test_any_name_is_that_of_a_file(
    make_clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: str
) -> None:
    clip = make_clip("a.mp4", [numbered(i) for i in range(3)], audio_tracks=1)
    monkeypatch.chdir(tmp_path)
    os.rename(clip, name)
    with (
        read_video(before + name) as reader,
        VideoWriter(f"{before}out-{name}", like=reader.info, keep_from=before + name) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.time)
    assert probe(f"out-{name}").frame_count == 3
    assert probe(f"out-{name}").audio
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"out-{name}"])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{clip}\n#EXT-X-ENDLIST\n", "HLS playlist"),
        ("ffconcat version 1.0\nfile {name}\n", "list of files"),
        ("v=0\nm=video 5004 RTP/AVP 96\n", "session description"),
    ],
)
@pytest.mark.parametrize("suffix", ["m3u8", "mp4", "txt"])
def test_what_names_other_files_is_refused(
    make_clip: ClipMaker, tmp_path: Path, content: str, kind: str, suffix: str
) -> None:
    clip = make_clip("a.mp4", [numbered(0)])
    path = tmp_path / f"list.{suffix}"
    path.write_text(content.format(clip=clip, name=clip.name))
    with pytest.raises(InputError, match=f"is a {kind}, which names other files; give the video itself"):
        probe(path)
    with (
        pytest.raises(InputError, match="names other files"),
        VideoWriter(tmp_path / "o.mp4", keep_from=path) as writer,
    ):
        writer.write(numbered(0))


def test_pipes_long_names_and_missing_files_are_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe or device"):
        read_video(tmp_path / "pipe")
    for name in ("x" * 300, "no\0name", "none.mp4"):
        with pytest.raises(InputError, match="no such file or folder") as error:
            read_video(tmp_path / name)
        assert "\n" not in str(error.value)


def test_the_whole_disk_is_not_searched_for_images(tmp_path: Path) -> None:
    folder = tmp_path
    for i in range(8):
        folder = folder / f"{i}"
    folder.mkdir(parents=True)
    Image.fromarray(numbered(0)).save(folder / "0.png")
    with pytest.raises(InputError, match="no images in this folder"):
        read_video(tmp_path)
    with pytest.raises(InputError, match="name one sequence"):
        read_video(folder.parent.parent)


@pytest.mark.parametrize("given", [0, None, ["a.mp4"], b"a.mp4"])
def test_what_is_no_name_is_one_line(given: Any) -> None:
    for read in (read_video, read_reversed, probe):
        with pytest.raises(InputError, match="give a video or a folder of images as text or a Path"):
            read(given)
    with pytest.raises(InputError, match="give a video file as text or a Path"):
        VideoWriter(given)


@pytest.mark.parametrize("options", [{"start": 1.5}, {"end": "9"}, {"every": 2.0}, {"start": True}])
def test_what_is_no_number_of_frames_is_one_line(make_clip: ClipMaker, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is no number of frames; give a whole number"):
        read_video(make_clip("a.mp4", [numbered(0)]), **options)


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_animated_pictures_play(tmp_path: Path, suffix: str) -> None:
    images = [Image.fromarray(numbered(3 * i)) for i in range(6)]
    lengths = [100, 200, 100, 300, 100, 50]
    path = tmp_path / f"a.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=lengths, loop=0, **lossless)
    info, frames = probe(path), list(read_video(path))
    assert info.frame_count in (6, None)
    assert len(frames) == 6
    starts = [Fraction(sum(lengths[:i]), 1000) for i in range(6)]
    assert [frame.time for frame in frames] == starts
    assert [number_of(frame.image) for frame in frames] == [3 * i for i in range(6)]
    backward = list(read_reversed(path, 1, 5, chunk=2))
    assert [frame.index for frame in backward] == [4, 3, 2, 1]
    assert np.array_equal(backward[0].image, frames[4].image)
    output = tmp_path / "o.mp4"
    with read_video(path) as reader, VideoWriter(output, like=reader.info, keep_from=path) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
    assert [time for time, _ in packets(output, "video")] == starts
    assert report(path).times is not None


def transparent(level: int) -> Array:
    rgba = np.dstack([numbered(2), np.full((48, 64), 255, np.uint8)])
    rgba[:, :20, :3], rgba[:, :20, 3] = (0, 255, 0), level
    return rgba


def alpha_video(folder: Path, level: int = 0) -> Path:
    path = folder / "a.mov"
    with VideoWriter(path, fps=24, alpha=True) as writer:
        for _ in range(3):
            rgba = transparent(level)
            writer.write(np.ascontiguousarray(rgba[..., :3]), alpha=np.ascontiguousarray(rgba[..., 3]))
    return path


@pytest.mark.parametrize("kind", ["video", "webp", "png", "folder"])
def test_transparency_of_an_input_is_told_of_or_filled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    for level in (255, 0):
        caplog.clear()
        path = tmp_path / f"a{level}.{kind}"
        image = Image.fromarray(transparent(level))
        if kind == "video":
            path = alpha_video(tmp_path, level)
        elif kind == "folder":
            path.mkdir()
            image.save(path / "0.png")
        else:
            other = Image.fromarray(np.ascontiguousarray(transparent(level)[::-1]))
            more = {"lossless": True, "exact": True} if kind == "webp" else {}
            image.save(path, save_all=True, append_images=[other], duration=100, **more)
        images = [frame.image for frame in read_video(path)]
        assert probe(path).alpha == (level == 0)
        assert ("its transparency is not used" in caplog.text) == (level == 0)
        assert images[0].shape == (48, 64, 3)
    if kind != "folder":
        caplog.clear()
        filled = next(iter(read_video(path, fill=(200, 10, 90)))).image
        assert np.abs(filled[24, 5].astype(int) - (200, 10, 90)).max() < 4
        assert np.abs(filled[24, 40].astype(int) - numbered(2)[24, 40]).max() < 6
        assert "its transparency" not in caplog.text


def test_large_pictures_are_refused_before_they_are_decoded(
    make_clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip("a.mp4", [numbered(0)])
    for name in ("a.gif", "a.png", "b.webp"):
        frames = [Image.fromarray(numbered(i)) for i in (0, 9)]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    (tmp_path / "folder").mkdir()
    frames[0].save(tmp_path / "folder" / "0.png")
    monkeypatch.setenv(LIMIT_VARIABLE, "0.003")
    for path in (clip, tmp_path / "a.gif", tmp_path / "a.png", tmp_path / "b.webp", tmp_path / "folder"):
        with pytest.raises(InputError, match=r"64x48 pixels are more than 0\.003 million"):
            list(read_video(path))
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0031")
    assert len(list(read_video(clip))) == 1


def test_the_default_video_stream_is_worked_on(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for number in range(2):
            stream = container.add_stream("libx264", rate=24, options={"qp": "4", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number else av.stream.Disposition(0)
            streams.append(stream)
        for number, stream in enumerate(streams):
            for i in range(3):
                image = numbered(20 * number + i)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    assert [number_of(frame.image) for frame in read_video(path)] == [20, 21, 22]
    fates = [plan.fate.value for plan in report(path).plans]
    assert fates == ["left out", "encoded anew"]


def test_interlaced_video_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme", "b": "4M"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(numbered(i), format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    list(read_video(path))
    assert info.interlaced
    assert "is interlaced" in caplog.text
    assert (
        "its half-pictures become one frame" in report(path, tmp_path / "o.mp4").changes
    ) == info.interlaced
    assert info.interlaced


def test_a_title_in_latin_1_is_kept(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip = make_clip("a.mkv", [numbered(i) for i in range(3)])
    path = tmp_path / "titled.mkv"
    with (
        read_video(clip) as reader,
        av.open(str(path), "w", metadata_encoding="latin-1") as output,
        av.open(str(clip)) as source,
    ):
        assert reader.info.frame_count == 3
        output.metadata["title"] = "Fr\u00e9d\u00e9ric"
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    assert "Fr\u00e9".encode("latin-1") in path.read_bytes()
    with read_video(path) as reader, VideoWriter(tmp_path / "o.mkv", like=reader.info, keep_from=path) as w:
        for frame in reader:
            w.write(frame.image, frame.time)
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.metadata["title"] == "Fr\u00e9d\u00e9ric"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_single_photo_comes_upright_by_its_exif(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(numbered(4)).save(path, exif=exif, quality=95)
    (frame,) = read_video(path)
    (tmp_path / "folder").mkdir()
    os.rename(path, tmp_path / "folder" / path.name)
    (same,) = read_video(tmp_path / "folder")
    assert frame.image.shape == same.image.shape
    assert np.abs(frame.image.astype(int) - same.image).mean() < 6
