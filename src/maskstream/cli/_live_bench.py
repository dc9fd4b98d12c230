"""The measurements of ``maskstream bench``, each in processes of their own, as a user's would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Timer
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, Protocol

from maskstream.errors import InputError
from maskstream.live.session import LiveOptions, LiveSession

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap
    from maskstream.live.guard import Sealed
    from maskstream.live.status import Status

_BEGAN = "MASKSTREAM_BENCH_BEGAN"  # monotonic seconds at which a child was started
_WARM_UP = 3.0  # seconds of a stream that don't count
_BACKGROUNDS = ("#204060", "#402060")
_LIMIT = 120.0  # seconds for a child


def first_frame(repeats: int, threads: int, as_json: bool) -> None:
    """Print the milestones of cold starts, and how long changes take when warm; medians.

    Raises:
        InputError: a start failed.
    """
    if repeats < 1:
        raise InputError(f"--repeats is {repeats}; give 1 or more")
    runs = [_child("_start", threads) for _ in range(repeats)]
    result = {name: median(run[name] for run in runs) for name in runs[0]}
    if as_json:
        print(json.dumps({"runs": runs, "medians": result}))
        return
    print(f"medians of {repeats} starts, synthetic source of 1280x720, {threads} threads\n")
    print("| part | ms | since the start |\n| --- | --: | --: |")
    before = 0.0
    for name, seconds in result.items():
        if name.startswith("warm"):
            continue
        print(f"| {name} | {1000 * (seconds - before):.0f} | {1000 * seconds:.0f} |")
        before = seconds
    for name, seconds in result.items():
        if name.startswith("warm"):
            print(f"| {name} | {1000 * seconds:.0f} | |")


def live(sizes: list[int], seconds: float, threads: int, as_json: bool) -> None:
    """Print rates and latencies of streams that last.

    Raises:
        InputError: a stream failed.
    """
    if seconds < 1:
        raise InputError(f"--seconds is {seconds:g}; give 1 or more")
    rows = []
    for lines in sizes:
        rows.append({"lines": lines, "stream": "moving, 30/s", **_child("_stream", lines, seconds, threads)})
    rows.append({"lines": 720, "stream": "nothing moves, 15/s", **_child("_idle", seconds, threads)})
    if as_json:
        print(json.dumps(rows))
        return
    print(f"{seconds:g} s each, {threads} threads of {os.cpu_count()} cores\n")
    print("| lines | stream | frames/s | latency, ms | 95 in 100, ms | of a core | rung at the end |")
    print("| --: | --- | --: | --: | --: | --: | --- |")
    for row in rows:
        late = [f"{1000 * row[name]:.0f}" if row[name] is not None else "" for name in ("latency", "late")]
        print(
            f"| {row['lines']} | {row['stream']} | {row['rate']:.1f} | {late[0]} | {late[1]} | "
            f"{100 * row['share']:.0f} % | {row['rung']} |"
        )


def _child(function: str, *arguments: Any) -> dict[str, Any]:
    """What a function of this file says in a process of its own."""
    code = (
        "import json, sys; from maskstream.cli import _live_bench as bench; "
        f"print(json.dumps(bench.{function}(*json.loads(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        env={**os.environ, _BEGAN: str(monotonic())},
        capture_output=True,
        text=True,
        timeout=_LIMIT + max([0.0, *(a for a in arguments if isinstance(a, float))]),
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise InputError(f"the measurement failed: {last}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


class Watcher:
    """A sink that shows pictures to nobody, and tells when they came.

    Args:
        see: called with each new composite.
    """

    def __init__(self, see: Callable[[Sealed], None]) -> None:
        self.name = "bench"
        self.see = see
        self._last: Sealed | None = None

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Nothing to open."""

    def show(self, sealed: Sealed, time: float) -> None:
        """See it, if it is a new composite."""
        is_new, self._last = sealed is not self._last, sealed
        if is_new and sealed.slate is None:
            self.see(sealed)

    def close(self) -> None:
        """Nothing to close."""


def _start(threads: int) -> dict[str, float]:
    """Seconds from the start of this process to each milestone; then how long changes take."""
    began, python = float(os.environ[_BEGAN]), monotonic()
    milestones = {"Python and the command line": python}
    changes = _Changes(milestones)
    options = LiveOptions(
        source="test:1280x720@30", background=_BACKGROUNDS[0], threads=threads, outputs=[Watcher(changes.see)]
    )
    with LiveSession(options, on_stage=lambda name: milestones.update({name: monotonic()})) as session:
        changes.session = session
        session.run()
    return {**{name: at - began for name, at in milestones.items()}, **changes.took}


class _Changes:
    """Changes background and subject of a running stream, and times when they are seen.

    Args:
        milestones: takes the time of the first composite.
    """

    session: LiveSession

    def __init__(self, milestones: dict[str, float]) -> None:
        self._milestones = milestones
        self._seen = 0
        self._asked = 0.0
        self.took: dict[str, float] = {}

    def see(self, sealed: Sealed) -> None:
        """A composite leaves."""
        self._milestones.setdefault("first composite", monotonic())
        session, status = self.session, self.session.status
        self._seen += 1
        if self._seen == 20:
            self._asked = monotonic()
            Timer(0, session.set_background, [_BACKGROUNDS[1]]).start()
        elif self._seen > 20 and "warm: another background" not in self.took:
            if tuple(sealed.image[5, 5]) == (0x40, 0x20, 0x60):
                self.took["warm: another background"] = monotonic() - self._asked
                self._asked = monotonic()
                Timer(0, session.set_subject, ["auto"]).start()
        elif "warm: another background" in self.took and status is not None and status.subjects > 1:
            self.took["warm: another subject"] = monotonic() - self._asked
            session.stop()


def _stream(lines: int, seconds: float, threads: int) -> dict[str, Any]:
    """A moving stream at 30 frames a second."""
    measurement = Measurement(seconds)
    options = LiveOptions(
        source=f"test:{lines * 16 // 9 // 2 * 2}x{lines}@30",
        background=_BACKGROUNDS[0],
        threads=threads,
        rest=False,
        outputs=[measurement.sink],
    )
    return measurement.of(LiveSession(options))


def _idle(seconds: float, threads: int) -> dict[str, Any]:
    """A call in which nobody moves, at 15 frames a second, with a sensor's noise."""
    import numpy as np

    from maskstream.live.sources.drawn_room import draw_frame, draw_room
    from maskstream.video.write import VideoWriter

    with tempfile.TemporaryDirectory() as folder:
        path, random = Path(folder) / "still.mp4", np.random.default_rng(0)
        frame = draw_frame(draw_room(1280, 720), 0).astype(np.int16)
        with VideoWriter(path, fps=15) as writer:
            for _ in range(30):
                noisy = frame + random.integers(-3, 4, frame.shape, np.int16)
                writer.write(np.clip(noisy, 0, 255).astype(np.uint8))
        measurement = Measurement(seconds)
        options = LiveOptions(
            source=path,
            background=_BACKGROUNDS[0],
            threads=threads,
            loop=True,
            fps=15,
            outputs=[measurement.sink],
        )
        return measurement.of(LiveSession(options))


class Stream(Protocol):
    """What is measured: a ``LiveSession``, or a pipeline."""

    @property
    def status(self) -> Status | None:
        """How it goes."""

    def run(self) -> None:
        """Work until it is stopped."""

    def stop(self) -> None:
        """End soon."""


class Measurement:
    """Rates, latencies and processor time of a stream, after a warm-up that begins with its first composite.

    Args:
        seconds: that are measured.

    Attributes:
        sink: to be one of the stream's.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latencies: list[float] = []
        self._begun, self._over = Event(), Event()
        self._stream: Stream
        self._rung = ""
        self._cpu = self._wall = 0.0
        self.sink = Watcher(self._first)

    def of(self, stream: Stream) -> dict[str, Any]:
        """Run it; the figures."""
        self._stream = stream
        stream.run()
        latencies = self._latencies
        return {
            "rate": len(latencies) / self._wall,
            "latency": median(latencies) if latencies else None,
            "late": quantiles(latencies, n=20)[18] if len(latencies) > 1 else None,
            "share": self._cpu / self._wall,
            "rung": self._rung,
        }

    def _first(self, sealed: Sealed) -> None:
        self.sink.see = self._see
        Timer(_WARM_UP, self._begin).start()

    def _see(self, sealed: Sealed) -> None:
        if self._begun.is_set() and not self._over.is_set() and sealed.captured is not None:
            self._latencies.append(monotonic() - sealed.captured)

    def _begin(self) -> None:
        self._cpu, self._wall = process_time(), monotonic()
        self._begun.set()
        Timer(self._seconds, self._end).start()

    def _end(self) -> None:
        self._over.set()
        self._cpu, self._wall = process_time() - self._cpu, monotonic() - self._wall
        status = self._stream.status
        assert status is not None
        self._rung = status.rung
        self._stream.stop()
