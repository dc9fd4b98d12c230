"""Sound that stays with its picture: placed as late as the picture is, without a seam.

A picture that is shown at ``t`` was captured at ``t - latency``. So sound captured at ``c`` belongs to
``c + latency``. The latency is measured on the pictures and smoothed; what it, a drifting clock or lost
pieces move is made up for by FFmpeg's ``aresample``: a little by stretching, more than a tenth of a second by
silence or by leaving out.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.filter import Graph

from maskstream.live.audio import AudioTap, Heard
from maskstream.live.guard import Sealed

RATE = 48_000  #: samples a second of what leaves, in stereo
LAYOUT = "stereo"

_RISE, _FALL = 0.1, 0.02  # of a new latency in the smoothed one: sound late is less odd than sound early
_STEADY = 0.02  # of a piece's own time in the smoothed clock of the pieces
_JUMP = 0.1  # seconds from which on a difference is no jitter
_MISSING = 0.4  # seconds without sound after which silence takes its place; pictures would wait for it
_FIRST = 1024  # sample that is the first: AAC begins that much earlier, and no time may be negative


class Latency:
    """How late pictures are shown, in seconds, smoothed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._captured: float | None = None

    def show(self, sealed: Sealed, time: float) -> None:
        """A picture is shown; the slate and one that is shown again tell nothing."""
        captured = sealed.captured
        if captured is None or captured == self._captured:
            return
        late = max(0.0, time - captured)
        if self._captured is None:
            self.seconds = late
        else:
            self.seconds += (_RISE if late > self.seconds else _FALL) * (late - self.seconds)
        self._captured = captured


class Sound:
    """The sound of a stream that began at a time, as frames without a gap from its beginning on.

    Args:
        tap: where it comes from.
        start: monotonic seconds at which the first picture was shown.
        sample_format: FFmpeg's name of what the encoder takes.
    """

    def __init__(self, tap: AudioTap, start: float, sample_format: str) -> None:
        self._reader = tap.reader()
        self._start = start
        self._sample_format = sample_format
        self._placer: _Placer | None = None
        self._expected: float | None = None  # captured time that the next piece should have

    def until(self, time: float, latency: float, muted: bool) -> Iterator[av.AudioFrame]:
        """What belongs to pictures up to a time, and was not given yet.

        Args:
            time: monotonic seconds at which the newest picture is shown.
            latency: seconds that it is late.
            muted: give silence instead.
        """
        for heard in self._reader.take(time - latency):
            place = self._steady(heard) + latency - self._start
            if place + heard.frame.samples / heard.frame.sample_rate > self._position:
                yield from self._placed(heard.frame, place, muted)
        missing = time - self._start - self._position
        if missing > _MISSING:
            rate, sample_format, layout = self._placer.kind if self._placer else (RATE, "fltp", "mono")
            silence = av.AudioFrame(sample_format, layout, round(missing / 2 * rate))
            silence.sample_rate = rate
            yield from self._placed(silence, self._position, muted=True)

    @property
    def _position(self) -> float:
        """Seconds of sound that were placed."""
        return self._placer.position if self._placer is not None else _FIRST / RATE

    def _steady(self, heard: Heard) -> float:
        """When a piece was captured, without the jitter of its arrival."""
        captured = heard.captured
        if self._expected is not None and abs(captured - self._expected) < _JUMP:
            captured = self._expected + _STEADY * (captured - self._expected)
        self._expected = captured + heard.frame.samples / heard.frame.sample_rate
        return captured

    def _placed(self, frame: av.AudioFrame, place: float, muted: bool) -> Iterator[av.AudioFrame]:
        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._placer is None or self._placer.kind != kind:
            if self._placer is not None:
                yield from self._placer.rest()
            first = round(self._position * RATE)
            self._placer = _Placer(kind, self._sample_format, first)
        yield from self._placer.put(frame, place, muted)


class _Placer:
    """Makes one kind of sound a seamless one, sample by sample where it belongs."""

    def __init__(self, kind: tuple[int, str, str], sample_format: str, first: int) -> None:
        self.kind = kind
        rate, source_format, layout = kind
        self._given = self._end = first  # samples out, and where the newest piece ends
        first_in = round(first * rate / RATE)  # aresample counts it in samples of what it is given
        self._graph = Graph()
        chain = (
            (
                "abuffer",
                f"sample_rate={rate}:sample_fmt={source_format}:channel_layout={layout}:time_base=1/{rate}",
            ),
            ("aresample", f"{RATE}:async=1000:min_hard_comp={_JUMP}:first_pts={first_in}"),
            ("aformat", f"sample_fmts={sample_format}:channel_layouts={LAYOUT}"),
            ("abuffersink", None),
        )
        nodes = [self._graph.add(name, arguments) for name, arguments in chain]
        for one, other in pairwise(nodes):
            one.link_to(other)
        self._graph.configure()
        self._into, self._out = nodes[0], nodes[-1]

    @property
    def position(self) -> float:
        """Seconds up to which sound was placed."""
        return max(self._given, self._end) / RATE

    def put(self, frame: av.AudioFrame, place: float, muted: bool) -> Iterator[av.AudioFrame]:
        """Place a piece at some seconds; the piece itself is left as it is."""
        samples: np.ndarray[Any, Any] = frame.to_ndarray()
        if muted:
            samples = np.full_like(samples, 128 if samples.dtype == np.uint8 else 0)
        rate, sample_format, layout = self.kind
        piece = av.AudioFrame.from_ndarray(samples, format=sample_format, layout=layout)
        piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
        piece.pts = round(place * rate)
        self._end = max(self._end, round((place + frame.samples / rate) * RATE))
        self._into.push(piece)
        yield from self._pulled()

    def rest(self) -> Iterator[av.AudioFrame]:
        """What was held back; nothing more can be placed."""
        self._into.push(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                frame = self._out.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.AudioFrame)
            self._given = (frame.pts or 0) + frame.samples
            yield frame
