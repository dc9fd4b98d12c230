"""The measurements of ``maskstream bench``, each in processes of their own, as a user's would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Timer
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from maskstream.errors import InputError

if TYPE_CHECKING:
    from maskstream.cli._live_session import LiveSession
    from maskstream.live.guard import Sealed
    from maskstream.replacement.replacer import BackgroundReplacer

_BEGAN = "MASKSTREAM_BENCH_BEGAN"  # monotonic seconds at which a child was started
_WARM_UP = 3.0  # seconds of a stream that don't count
_BACKGROUNDS = ("#204060", "#402060")
_PEER_SIZE = (256, 144)  # (width, height) of the peer's network
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
        for name, what in (("maskstream", "ours"), ("person-only peer", "peer")):
            rows.append({"lines": lines, "stream": name, **_child("_stream", lines, seconds, threads, what)})
    rows.append({"lines": 720, "stream": "nothing moves, 15/s", **_child("_idle", seconds, threads)})
    if as_json:
        print(json.dumps(rows))
        return
    print(f"{seconds:g} s each, {threads} threads of {os.cpu_count()} cores\n")
    print("| lines | stream | frames/s | latency, ms | 95 in 100, ms | of a core | rung at the end |")
    print("| --: | --- | --: | --: | --: | --: | --- |")
    for row in rows:
        if row.get("absent"):
            print(f"| {row['lines']} | {row['stream']} | {row['absent']} | | | | |")
            continue
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


def _session(*options: str) -> LiveSession:
    """A quiet session of ``maskstream live``, with nobody at its page."""
    from maskstream.cli.__main__ import parser

    args = parser().parse_args(["live", *options, "-q", "-o", "page:0"])
    from maskstream.cli._live_session import LiveSession

    return LiveSession(args)


def _start(threads: int) -> dict[str, float]:
    """Seconds from the start of this process to each milestone; then how long changes take."""
    began, python = float(os.environ[_BEGAN]), monotonic()
    session = _session("test:1280x720@30", "--background", _BACKGROUNDS[0], "--threads", str(threads))
    changes = _Changes(session)
    session.on_composite = changes.see
    session.run()
    milestones = {"Python and the command line": python, **session.milestones}
    return {**{name: at - began for name, at in milestones.items()}, **changes.took}


class _Changes:
    """Changes background and subject of a running stream, and times when they are seen."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._seen = 0
        self._asked = 0.0
        self.took: dict[str, float] = {}

    def see(self, sealed: Sealed) -> None:
        """A composite leaves."""
        from maskstream.background.sources import open_background

        pipeline = self._session.pipeline
        assert pipeline is not None
        self._seen += 1
        if self._seen == 20:
            self._asked = monotonic()
            Timer(0, lambda: pipeline.set_background(open_background(_BACKGROUNDS[1]))).start()
        elif self._seen > 20 and "warm: another background" not in self.took:
            if tuple(sealed.image[5, 5]) == (0x40, 0x20, 0x60):
                self.took["warm: another background"] = monotonic() - self._asked
                self._asked = monotonic()
                Timer(0, lambda: pipeline.set_subject(self._session.subject("auto"))).start()
        elif "warm: another background" in self.took and pipeline.subjects_found > 1:
            self.took["warm: another subject"] = monotonic() - self._asked
            pipeline.stop()


def _stream(lines: int, seconds: float, threads: int, what: str) -> dict[str, Any]:
    """A moving stream at 30 frames a second."""
    peer = person_peer() if what == "peer" else None
    if what == "peer" and peer is None:
        return {"absent": "no mediapipe is installed"}
    session = _session(
        f"test:{lines * 16 // 9 // 2 * 2}x{lines}@30",
        "--background",
        _BACKGROUNDS[0],
        "--threads",
        str(threads),
        "--no-rest",
    )
    return _measured(session, seconds, peer)


def _idle(seconds: float, threads: int) -> dict[str, Any]:
    """A call in which nobody moves, at 15 frames a second, with a sensor's noise."""
    import numpy as np

    from maskstream.live.synthetic import draw_frame, draw_room
    from maskstream.video.write import VideoWriter

    with tempfile.TemporaryDirectory() as folder:
        path, random = Path(folder) / "still.mp4", np.random.default_rng(0)
        frame = draw_frame(draw_room(1280, 720), 0).astype(np.int16)
        with VideoWriter(path, fps=15) as writer:
            for _ in range(30):
                noisy = frame + random.integers(-3, 4, frame.shape, np.int16)
                writer.write(np.clip(noisy, 0, 255).astype(np.uint8))
        session = _session(
            str(path), "--loop", "--background", _BACKGROUNDS[0], "--threads", str(threads), "--fps", "15"
        )
        return _measured(session, seconds, None)


def _measured(session: LiveSession, seconds: float, peer: Callable[[Any], Any] | None) -> dict[str, Any]:
    """Run a session, and tell what left it after the warm-up."""
    latencies: list[float] = []
    begin, over = Event(), Event()
    marks: dict[str, float] = {}

    def see(sealed: Sealed) -> None:
        if begin.is_set() and not over.is_set() and sealed.captured is not None:
            latencies.append(monotonic() - sealed.captured)

    def mark_begin() -> None:
        marks.update(cpu=process_time(), wall=monotonic())
        begin.set()
        Timer(seconds, mark_end).start()

    def mark_end() -> None:
        over.set()
        marks.update(cpu=process_time() - marks["cpu"], wall=monotonic() - marks["wall"])
        assert session.pipeline is not None
        marks["rung"] = session.pipeline.status().rung  # type: ignore[assignment]
        session.stop()

    def first(sealed: Sealed) -> None:
        session.on_composite = see
        Timer(_WARM_UP, mark_begin).start()

    session.on_composite = first
    if peer is not None:
        session.replacer_type = _with_peer(peer)
    session.run()
    many = len(latencies) > 1
    return {
        "rate": len(latencies) / marks["wall"],
        "latency": median(latencies) if latencies else None,
        "late": quantiles(latencies, n=20)[18] if many else None,
        "share": marks["cpu"] / marks["wall"],
        "rung": marks["rung"],
    }


def _with_peer(peer: Callable[[Any], Any]) -> type[BackgroundReplacer]:
    """A replacer that asks another network, frame by frame."""
    import numpy as np

    from maskstream.replacement.replacer import BackgroundReplacer, Found

    class PeerReplacer(BackgroundReplacer):
        def find(self, frame: Any, masks: Any = None, ids: Any = None) -> Found:
            return Found(np.asarray(peer(frame), np.float32))

    return PeerReplacer


def person_peer() -> Callable[[Any], Any] | None:
    """MediaPipe's network for persons, of wheels that still hold it (0.10.21 and before); or None.

    Returns:
        What gives a probability ``(144, 256)``, the network's size, for a frame ``(H, W, 3)``.
    """
    try:
        module = import_module("mediapipe.python.solutions.selfie_segmentation")
    except ImportError:
        return None
    network = module.SelfieSegmentation(model_selection=1)
    cv2 = import_module("cv2")
    # It comes enlarged to the frame's size.
    return lambda image: cv2.resize(
        network.process(image).segmentation_mask, _PEER_SIZE, interpolation=cv2.INTER_AREA
    )
