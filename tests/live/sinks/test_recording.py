"""Recordings and playlists, read back: pictures, times, sound beside its picture, what a crash leaves."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.audio import AudioTap
from maskstream.live.guard import Reason
from maskstream.live.sinks import SinkRunner, open_sink
from maskstream.live.sinks.sound import RATE, Latency
from tests.helpers.sink_tools import (
    BEEP,
    BLACK,
    FLASHES,
    SIZE,
    SLATE,
    WHITE,
    beginnings,
    eventually,
    guard,
    piece,
    sealed,
)

ROOT = str(Path(__file__).parents[3])

FPS = 25


def pictures(path):
    """(time, mean level) of each picture."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (float(frame.pts * stream.time_base), frame.to_ndarray(format="rgb24").mean())
            for frame in container.decode(stream)
        ]


def sound(path):
    """Times of samples, and their levels."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        times, levels = [], []
        for frame in container.decode(stream):
            samples = frame.to_ndarray()[0]
            times.append(float(frame.pts * stream.time_base) + np.arange(len(samples)) / frame.sample_rate)
            levels.append(samples)
        return np.concatenate(times), np.concatenate(levels)


def boxes(data):
    """Names of the outermost boxes of an mp4."""
    names, place = [], 0
    while place < len(data):
        names.append(data[place + 4 : place + 8].decode())
        place += int.from_bytes(data[place : place + 4], "big")
    return names


def record(sink, latency=lambda captured: 0.2, seconds=4.0, heard=None, jitter=0.0, by=None):
    """Give a sink a stream that flashes and beeps, at the times of a clock of its own."""
    heard = heard or (lambda start: piece(start, 0.02))
    tap, random = AudioTap(), np.random.default_rng(3)
    started, by = 100.0, by or guard()
    sink.open(SIZE, FPS, tap)
    put = 0
    for number in range(round(seconds * FPS)):
        captured = number / FPS
        now = captured + latency(captured)
        while put * 0.02 < now:
            frame = heard(put * 0.02)
            if frame is not None:
                tap.put(started + put * 0.02 + jitter * random.uniform(-1, 1), frame)
            put += 1
        flash = any(at <= captured < at + BEEP for at in FLASHES)
        sink.show(sealed(WHITE if flash else BLACK, started + captured, by=by), started + now)
    sink.close()


def offsets(path):
    """Seconds that beeps come after flashes."""
    flashes = beginnings(*np.array([(at, level > 128) for at, level in pictures(path)]).T)
    times, levels = sound(path)
    beeps = beginnings(times, np.abs(levels) > 0.2)
    assert len(flashes) == len(beeps) == len(FLASHES)
    return np.subtract(beeps, flashes)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_recording_holds_pictures_at_their_times_and_sound_beside_them(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    record(open_sink(str(path)))
    shown = pictures(path)
    assert [at for at, _ in shown] == pytest.approx(list(np.arange(4 * FPS) / FPS), abs=0.0011)
    assert np.abs(offsets(path)).max() < 0.5 / FPS
    assert list(tmp_path.iterdir()) == [path]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"


@pytest.mark.parametrize(
    "latency",
    [
        lambda captured: 0.05,
        lambda captured: 0.8,
        lambda captured: 0.1 + 0.015 * captured,
        lambda captured: 0.4 - 0.015 * captured,
    ],
    ids=["little", "much", "growing", "shrinking"],
)
def test_sound_is_as_late_as_the_picture(tmp_path: Path, latency) -> None:
    path = tmp_path / "out.mkv"
    record(open_sink(str(path)), latency)
    assert np.abs(offsets(path)).max() < 1.5 / FPS
    times, _ = sound(path)
    assert (np.diff(times) > -0.0011).all()  # Matroska counts milliseconds


@pytest.mark.parametrize(("rate", "kind", "layout"), [(48_000, "s16", "stereo"), (16_000, "flt", "mono")])
def test_sound_of_any_kind_and_with_jitter_is_taken(tmp_path: Path, rate, kind, layout) -> None:
    path = tmp_path / "out.mp4"
    record(open_sink(str(path)), heard=lambda start: piece(start, 0.02, rate, kind, layout), jitter=0.015)
    assert np.abs(offsets(path)).max() < 1 / FPS


def test_sound_that_changes_its_kind_or_stays_away_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"

    def heard(start):
        if 1.3 < start < 1.8:
            return None
        return piece(start, 0.02) if start < 1.5 else piece(start, 0.02, 16_000, "s16")

    record(open_sink(str(path)), heard=heard)
    assert np.abs(offsets(path)).max() < 1.5 / FPS


def test_sound_that_never_comes_does_not_hold_up_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    record(open_sink(str(path)), heard=lambda start: None)
    assert len(pictures(path)) == 4 * FPS
    times, levels = sound(path)
    assert times[-1] > 3
    assert np.abs(levels).max() < 1e-3


def test_sound_is_silent_while_the_user_wants_the_slate(tmp_path: Path) -> None:
    path, by = tmp_path / "out.mkv", guard()
    sink, tap = open_sink(str(path)), AudioTap()
    sink.open(SIZE, FPS, tap)
    tone = np.sin(2 * np.pi * 1000 * np.arange(960) / RATE).astype(np.float32)[None]
    for number in range(3 * FPS):
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2, 1), format="fltp", layout="mono")
        frame.sample_rate = RATE
        tap.put(number / FPS, frame)
        panic = FPS <= number < 2 * FPS
        sink.show(by.slate(Reason.PANIC) if panic else sealed(captured=number / FPS, by=by), number / FPS)
    sink.close()
    times, levels = sound(path)
    assert np.abs(levels[(times > 1.1) & (times < 1.9)]).max() < 0.01
    assert np.abs(levels[(times > 0.2) & (times < 0.8)]).max() > 0.5
    assert np.abs(levels[(times > 2.2) & (times < 2.8)]).max() > 0.5


def test_latency_is_smoothed_and_told_by_new_composites_only() -> None:
    latency, by = Latency(), guard()
    latency.show(by.slate(Reason.STARTING), 5.0)
    assert latency.seconds == 0
    latency.show(sealed(captured=1.0), 1.2)
    assert latency.seconds == pytest.approx(0.2)
    latency.show(sealed(captured=1.0), 1.9)  # the same again
    assert latency.seconds == pytest.approx(0.2)
    latency.show(sealed(captured=2.0), 2.4)
    assert 0.2 < latency.seconds < 0.3


def test_frames_without_an_even_rhythm_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(str(path))
    sink.open((33, 27), 30.0, None)
    times = [50.0, 50.03, 50.2, 50.21, 51.0, 51.0, 54.0]
    for at in times:
        sink.show(sealed(size=(33, 27)), at)
    sink.close()
    assert [at for at, _ in pictures(path)] == pytest.approx([at - 50 for at in times], abs=0.001)
    with av.open(str(path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (34, 28)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_was_recorded_before_a_crash_can_be_played(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[2]); from tests.helpers.sink_tools import *\n"
        "from maskstream.live.sinks import open_sink\n"
        "sink = open_sink(sys.argv[1]); sink.open(SIZE, 25, None)\n"
        "for number in range(250): sink.show(sealed(), number / 25)\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path), ROOT], timeout=120).returncode == 9
    left = tmp_path / f"out.part{suffix}"
    assert list(tmp_path.iterdir()) == [left]
    shutil.copy(left, tmp_path / f"copy{suffix}")
    assert len(pictures(tmp_path / f"copy{suffix}")) >= 8 * 25
    record(open_sink(str(path)), seconds=0.5)  # a new one leaves it alone
    assert left.exists()
    assert path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_ends_the_recording_and_leaves_what_can_be_played(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    code = (
        "import sys, resource, signal; sys.path.insert(0, sys.argv[2])\n"
        "from tests.helpers.sink_tools import *\n"
        "from maskstream.live.sinks import SinkRunner, open_sink\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "random, by, number = np.random.default_rng(1), guard((160, 120)), 0\n"
        "runner = SinkRunner([open_sink(sys.argv[1])]); runner.open((160, 120), 30, None)\n"
        "def failed():\n"
        "    global number; number += 1\n"
        "    picture = random.integers(0, 255, (120, 160, 3), np.uint8)\n"
        "    runner.show(sealed(picture, size=(160, 120), by=by), number / 30)\n"
        "    return runner.given_up\n"
        "eventually(failed, 60); runner.close(); print(*runner.given_up.values())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), ROOT], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    left = tmp_path / f"out.part{suffix}"
    assert done.stdout.strip() == f"File too large; what was recorded until then is {left}"
    assert list(tmp_path.iterdir()) == [left]
    with av.open(str(left)) as container:
        assert next(container.decode(video=0)).width == 160


def test_a_finished_mp4_is_an_ordinary_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    record(open_sink(str(path)))
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(4_000_000, abs=150_000)
    assert boxes(path.read_bytes()) == ["ftyp", "free", "mdat", "moov"]


def test_a_recording_without_a_frame_leaves_nothing(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "out.mp4"))
    sink.open(SIZE, 30.0, AudioTap())
    sink.close()
    assert not list(tmp_path.iterdir())


def test_a_recording_through_the_runner_is_whole_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    runner = SinkRunner([open_sink(str(path))])
    runner.open(SIZE, 30.0, None)
    for number in range(30):
        runner.show(sealed(SLATE), number / 30)
        time.sleep(0.01)
    eventually(lambda: runner.status[str(path)] == "ok")
    runner.close()
    assert pictures(path)


def test_a_playlist_holds_the_last_segments_and_deletes_older_ones(tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    for stale in ("index-000009.ts", "index.m3u8", "other-000001.ts", "index-notes.ts"):
        (folder / stale).write_text("old")
    sink = open_sink(f"hls:{folder}/index.m3u8", overwrite=True)
    sink.open(SIZE, 10, None)
    for number in range(300):
        sink.show(sealed(), number / 10)
    during = (folder / "index.m3u8").read_text()
    assert "#EXT-X-ENDLIST" not in during
    assert during.count(".ts") == 6
    sink.close()
    names = {path.name for path in folder.iterdir()}
    assert {"other-000001.ts", "index-notes.ts", "index.m3u8"} <= names
    segments = sorted(name for name in names if name.startswith("index-0"))
    assert len(segments) <= 8
    assert segments[-1] == "index-000014.ts"
    (folder / "other-000001.ts").unlink()
    times = [at for at, _ in pictures(folder / "index.m3u8")]
    assert len(times) == 120
    assert np.diff(times) == pytest.approx(0.1, abs=0.001)


def test_a_playlist_has_sound_beside_its_pictures(tmp_path: Path) -> None:
    record(open_sink(str(tmp_path / "new" / "live.m3u8")))
    assert np.abs(offsets(tmp_path / "new" / "live.m3u8")).max() < 0.5 / FPS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("out.gif", "can't record this kind"),
        ("missing/out.mp4", "folder does not exist"),
        ("hls:index.txt", "ends in .m3u8"),
        ("nothing", "no sink"),
        ("ftp://host/x", "no address to send to"),
        ("rtmp://", "no address to send to"),
        ("page:http", "no such port"),
        ("page:70000", "no such port"),
    ],
)
def test_what_is_no_sink_is_refused_in_one_line(
    text, why, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=why) as error:
        open_sink(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["out.mp4", "live.m3u8"])
def test_only_sealed_frames_are_recorded(text, tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / text))
    sink.open(SIZE, 30.0, None)
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(sealed().image, 0.0)
    sink.close()


@pytest.mark.parametrize("name", ["there.mp4", "there.mkv", "there.m3u8", "hls:there.m3u8"])
def test_what_exists_is_not_replaced_unless_that_is_said(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name.removeprefix("hls:")
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists; give --overwrite"):
        open_sink(name)
    assert path.read_bytes() == b"precious"
    open_sink(name, overwrite=True)


@pytest.mark.parametrize("name", ["2026-11-28T10:15:46.mp4", "100 %d.mkv"])
def test_names_with_colons_and_percents_are_recorded_into(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    sink = open_sink(name)
    sink.open(SIZE, 30.0, None)
    for number in range(10):
        sink.show(sealed(), number / 30)
    sink.close()
    with av.open(f"file:{name}") as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_playlist_in_a_folder_with_a_percent_names_its_segments(tmp_path):
    sink = open_sink(f"{tmp_path}/50% of it/a%b.m3u8")
    sink.open(SIZE, 30.0, None)
    for number in range(90):
        sink.show(sealed(), number / 30)
    sink.close()
    names = sorted(path.name for path in (tmp_path / "50% of it").iterdir())
    assert names == ["a%b-000000.ts", "a%b-000001.ts", "a%b.m3u8"]
    with pytest.raises(InputError, match="%d can't be"):
        open_sink(f"{tmp_path}/50%d/a.m3u8")
