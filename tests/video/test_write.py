from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.video.colour import ColourTags
from maskstream.video.probe import probe
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter
from tests.helpers.tiny_clips import TICK, ClipMaker, number_of, numbered


def audio_packets(path: Path, track: int = 0) -> list[tuple[Any, Any, int]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        return [(p.pts * p.time_base, p.size, hash(bytes(p))) for p in container.demux(stream) if p.size]


def copy(source: Path, target: Path, **options: Any) -> None:
    with read_video(source) as reader, VideoWriter(target, reader.info, **options) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_variable_frame_rate_is_kept_exactly(make_clip: ClipMaker, tmp_path: Path, suffix: str) -> None:
    pts = [0, 30, 90, 93, 150, 375, 378, 600]  # whole milliseconds would not do in Matroska
    pts = [p * 3 for p in pts] if suffix == "mkv" else pts
    source = make_clip("a.mp4", [numbered(i) for i in range(8)], pts=pts)
    target = tmp_path / f"out.{suffix}"
    copy(source, target)
    frames = list(read_video(target))
    assert [f.time for f in frames] == [p * TICK for p in pts]
    assert [number_of(f.image) for f in frames] == list(range(8))


def test_duration_is_kept(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("a.mp4", [numbered(i) for i in range(8)], pts=[0, 30, 90, 93, 150, 375, 378, 600])
    copy(source, tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").duration == probe(source).duration


def test_late_start_is_kept_or_moved_to_zero(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("a.mp4", [numbered(i) for i in range(4)], pts=[301, 325, 349, 373])
    times = [f.time for f in read_video(source)]
    copy(source, tmp_path / "kept.mp4")
    copy(source, tmp_path / "moved.mp4", start=times[0])
    assert [f.time for f in read_video(tmp_path / "kept.mp4")] == times
    assert [f.time for f in read_video(tmp_path / "moved.mp4")] == [p * TICK for p in (0, 24, 48, 72)]


def test_frames_without_times_follow_the_frame_rate(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", fps=Fraction(30000, 1001)) as writer:
        for i in range(5):
            writer.write(numbered(i))
    assert [f.time for f in read_video(tmp_path / "out.mp4")] == [i * Fraction(1001, 30000) for i in range(5)]
    assert probe(tmp_path / "out.mp4").frame_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_picture_and_colours_survive(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    with VideoWriter(target, crf=4) as writer:
        for i in range(3):
            writer.write(numbered(i))
    frames = list(read_video(target))
    assert len(frames) == 3
    assert np.abs(frames[0].image.astype(int) - numbered(0)).mean() < 4
    assert [f.name for f in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize(("height", "tags"), [(48, ColourTags(6, 1, 6, 6)), (720, ColourTags(1, 1, 1, 1))])
def test_colours_are_tagged_as_they_were_converted(tmp_path: Path, height: int, tags: ColourTags) -> None:
    image = numbered(0, 64, height)
    with VideoWriter(tmp_path / "out.mp4", crf=1) as writer:
        writer.write(image)
    assert probe(tmp_path / "out.mp4").colour == tags
    (frame,) = read_video(tmp_path / "out.mp4")
    assert np.abs(frame.image.astype(int) - image)[4:12, 4:12].max() <= 6


@pytest.mark.parametrize(
    "tags", [ColourTags(1, 1, 1, 1), ColourTags(6, 2, 6, 6), ColourTags(9, 1, 9, 14), ColourTags(5, 1, 5, 1)]
)
def test_tags_of_the_source_are_kept_and_true(make_clip: ClipMaker, tmp_path: Path, tags: ColourTags) -> None:
    source = make_clip("a.mp4", [numbered(0)], tags=tags)
    copy(source, tmp_path / "out.mp4", crf=1)
    assert probe(tmp_path / "out.mp4").colour == tags
    (frame,) = read_video(tmp_path / "out.mp4")
    assert np.abs(frame.image.astype(int) - numbered(0))[4:12, 4:12].max() <= 8


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (33, 21)])
def test_odd_size_is_made_even_by_repeating_the_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    with VideoWriter(tmp_path / "out.mp4", crf=1) as writer:
        writer.write(numbered(0, width, height))
    (frame,) = read_video(tmp_path / "out.mp4")
    assert frame.image.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(frame.image[:height, :width].astype(int) - numbered(0, width, height)).mean() < 4
    assert np.abs(frame.image[-1].astype(int) - frame.image[-2]).mean() < 4


def test_rotated_source_is_written_upright_without_a_rotation(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("a.mp4", [np.ascontiguousarray(np.rot90(numbered(0), -1))], rotation=90)
    copy(source, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert (info.size, info.rotation) == ((64, 48), 0)


def test_every_audio_track_is_copied_bit_by_bit(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("a.mp4", [numbered(i) for i in range(50)], audio_tracks=2)
    copy(source, tmp_path / "out.mp4", keep_from=source)
    assert len(probe(tmp_path / "out.mp4").audio) == 2
    for track in range(2):
        assert audio_packets(tmp_path / "out.mp4", track) == audio_packets(source, track)


def test_audio_is_cut_and_moved_with_the_picture(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("a.mp4", [numbered(i) for i in range(50)], audio_tracks=1)
    start, end = Fraction(1, 2), Fraction(1)
    with (
        read_video(source, start=13, end=25) as reader,
        VideoWriter(tmp_path / "out.mp4", reader.info, keep_from=source, start=start, end=end) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.time)
    wanted = [(t - start, size, h) for t, size, h in audio_packets(source) if start <= t < end]
    got = audio_packets(tmp_path / "out.mp4")
    assert [g[1:] for g in got] == [w[1:] for w in wanted]
    assert all(abs(g[0] - w[0]) <= Fraction(1, 9000) for g, w in zip(got, wanted, strict=True))


def test_audio_that_the_container_cannot_hold_is_encoded_anew_with_a_warning(
    make_clip: ClipMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("a.mp4", [numbered(0)], audio_tracks=1)
    copy(source, tmp_path / "out.webm", keep_from=source)
    assert "is re-encoded to opus: a WebM file can't hold aac" in caplog.text
    assert [a.codec for a in probe(tmp_path / "out.webm").audio] == ["opus"]


def test_sound_of_no_media_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no sound")
    with (
        pytest.raises(InputError, match="can't be opened to keep its sound"),
        VideoWriter(tmp_path / "out.mp4", keep_from=tmp_path / "text.mp4") as writer,
    ):
        writer.write(numbered(0))
    assert [f.name for f in tmp_path.iterdir()] == ["text.mp4"]


def test_folder_of_images_has_no_sound(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", keep_from=tmp_path) as writer:
        writer.write(numbered(0))
    assert probe(tmp_path / "out.mp4").audio == ()


def test_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with VideoWriter(target) as writer:
        writer.write(numbered(0))
        assert not target.exists()
    assert [f.name for f in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("written", [0, 3])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, written: int) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("old")

    def fail() -> None:
        with VideoWriter(target) as writer:
            for i in range(written):
                writer.write(numbered(i))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["out.mp4"]


def test_no_frame_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame to write"), VideoWriter(tmp_path / "out.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_frames_at_the_same_time_stay_in_order(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for i, time in enumerate([0, 1, 1, 2]):
            writer.write(numbered(i), Fraction(time))
    assert [number_of(f.image) for f in read_video(tmp_path / "out.mp4")] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "codec", "match"),
    [
        ("out.gif", None, r"can't write this kind of video; use a name ending in \.mp4"),
        ("out", None, "can't write this kind of video"),
        ("out.mp4", "divx", "unknown codec 'divx'; use h264"),
        ("out.webm", "h264", r"a \.webm file can't hold h264"),
        ("none/out.mp4", None, "its folder does not exist"),
    ],
)
def test_impossible_output_is_one_line(tmp_path: Path, name: str, codec: str | None, match: str) -> None:
    with pytest.raises(InputError, match=match):
        VideoWriter(tmp_path / name, codec=codec)


def test_images_of_changing_size_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4") as writer:
        writer.write(numbered(0))
        with pytest.raises(ValueError, match="expected an image of 64x48"):
            writer.write(numbered(0, 32, 24))
        with pytest.raises(ValueError, match="expected an H x W x 3 uint8 image"):
            writer.write(numbered(0)[..., 0])


@pytest.mark.parametrize("codec", ["hevc", "vp9"])
def test_other_codecs_are_written(tmp_path: Path, codec: str) -> None:
    with VideoWriter(tmp_path / "out.mp4", codec=codec) as writer:
        writer.write(numbered(7))
    assert probe(tmp_path / "out.mp4").codec == codec
    assert [number_of(f.image) for f in read_video(tmp_path / "out.mp4")] == [7]


@pytest.mark.data
def test_real_clip_keeps_times_duration_and_sound(data_folder: Path, tmp_path: Path) -> None:
    source = data_folder / "clips" / "person-yellow-screen.mp4"
    copy(source, tmp_path / "out.mp4", keep_from=source)
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert (after.duration, after.frame_count, after.frame_rate) == (
        before.duration,
        before.frame_count,
        before.frame_rate,
    )
    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)
