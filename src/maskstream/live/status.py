"""What a live stream is doing, in numbers and in one line."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import quantiles

from maskstream.live.guard import Reason, Sealed
from maskstream.live.presence import Certainty

_WINDOW = 3.0  #: seconds that rates and latencies are of


@dataclass(frozen=True)
class Status:
    """A moment of a live stream.

    Attributes:
        frames_a_second: new pictures that left.
        latency: median seconds from a frame's arrival to its composite's leaving; None: no composite lately.
        latency_95: of 95 in 100 frames at most.
        dropped: frames that came while older ones were worked on.
        rung: how much the network does.
        source: how the capture is.
        slate: why the slate is shown; None: it isn't.
        subject: what is known of the subject.
        resting: whether the network rests as nothing moves.
        subjects: how often a first mask has found somebody.
        sinks: by name, ``ok`` or what is wrong.
        errors: exceptions that were caught.
    """

    frames_a_second: float
    latency: float | None
    latency_95: float | None
    dropped: int
    rung: str
    source: str
    slate: Reason | None
    subject: Certainty
    resting: bool
    subjects: int = 0
    sinks: dict[str, str] = field(default_factory=dict)
    errors: int = 0

    @property
    def line(self) -> str:
        """What is known, in a user's words."""
        shown = f"slate shown: {self.slate}" if self.slate else "you are shown"
        if self.slate is None and self.subject is Certainty.AWAY:
            shown = "the background is shown, the subject is away"
        elif self.slate is None and self.subject is not Certainty.SURE:
            shown = f"you are shown, the mask is {self.subject}"
        parts = [shown, f"{self.frames_a_second:.0f} pictures a second"]
        if self.latency is not None:
            parts[-1] += f", {1000 * self.latency:.0f} ms late"
        if self.source != "live":
            parts.append(f"source: {self.source}")
        parts += [f"{name}: {what}" for name, what in self.sinks.items() if what != "ok"]
        if self.errors:
            parts.append(f"{self.errors} errors")
        return " | ".join(parts)

    @property
    def details(self) -> str:
        """The same, with figures for whoever looks for the cause of something."""
        resting = ", resting" if self.resting else ""
        return f"{self.line} | network: {self.rung}{resting} | {self.dropped} frames left out"


class Meter:
    """Rates and latencies of the last seconds; used by one thread."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, float | None]] = deque()

    def show(self, sealed: Sealed | None, now: float) -> None:
        """A picture leaves; None: the last one, for a frame in which nothing has moved."""
        captured = None if sealed is None else sealed.captured
        self._shown.append((now, None if captured is None else now - captured))
        while self._shown and self._shown[0][0] < now - _WINDOW:
            self._shown.popleft()

    def rate(self, now: float) -> float:
        """Pictures a second."""
        times = [time for time, _ in self._shown if time >= now - _WINDOW]
        return len(times) / max(1e-3, min(_WINDOW, now - times[0])) if len(times) > 1 else 0.0

    def latencies(self) -> tuple[float | None, float | None]:
        """Median and 95th percentile in seconds."""
        known = [latency for _, latency in self._shown if latency is not None]
        if len(known) < 2:
            return (known[0], known[0]) if known else (None, None)
        parts = quantiles(known, n=20)
        return parts[9], parts[18]
