"""From a camera's frames to sealed pictures: three threads, no queue, and the guard at the end.

The capture's thread leaves the newest frame in a mailbox. The network's thread takes it, finds the subject
(``finder.py``), and hands on frame and mask as one object, so that mask N is on frame N however slow it was.
The output's thread (``output.py``) composites by way of the guard and gives to the sinks.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

from maskstream.arrays import Frame
from maskstream.background.sources import Background
from maskstream.live.capture import Capture, Health
from maskstream.live.finder import Finder, FirstMask, ReferenceFrame, Seen
from maskstream.live.guard import GuardConfig
from maskstream.live.ladder import RUNGS, Ladder, Rung
from maskstream.live.mailbox import Mailbox
from maskstream.live.output import Output
from maskstream.live.sinks.runner import SinkRunner
from maskstream.live.status import Status
from maskstream.replacement.replacer import BackgroundReplacer

_POLL = 0.1  # seconds between two looks at whether to stop


@dataclass(frozen=True)
class LiveConfig:
    """How a live stream is worked on.

    Attributes:
        fps: pictures a second that are aimed at; None: the source's, at most 30.
        rungs: of the ladder; one alone never changes.
        rest: whether the network rests while nothing moves.
        search_again: ask the first mask again when the subject has gone: for those that need no marking.
            It is believed only where the room has changed since, see ``Absence``.
        guard: when the slate is shown.
    """

    fps: float | None = None
    rungs: tuple[Rung, ...] = RUNGS
    rest: bool = True
    search_again: bool = False
    guard: GuardConfig = GuardConfig()  # noqa: RUF009 - frozen


class LivePipeline:
    """Runs until the source ends or ``stop`` is called.

    Args:
        capture: opened; closed at the end.
        replacer: finds the subject and makes composites; its segmenter's size is set by the ladder.
        first_mask: finds the subject at first; None: a chroma key needs none.
        slate: ``(H, W, 3)`` of the capture's size.
        sinks: opened; closed at the end.
        config: how.

    Attributes:
        config: as given.
        fps: pictures a second that are aimed at.
    """

    def __init__(
        self,
        capture: Capture,
        replacer: BackgroundReplacer,
        first_mask: FirstMask | None,
        slate: Frame,
        sinks: SinkRunner,
        config: LiveConfig | None = None,
    ) -> None:
        self.config = config or LiveConfig()
        self.fps = self.config.fps or min(30.0, capture.frame_rate or 30.0)
        self._capture = capture
        self._sinks = sinks
        self._ladder = Ladder(0.7 / self.fps, self.config.rungs)
        self._finder = Finder(
            replacer,
            first_mask,
            self._ladder,
            rest=self.config.rest,
            search_again=self.config.search_again,
        )
        self._output = Output(replacer, slate, sinks, self.fps, lambda: capture.health, self.config.guard)
        self._results: Mailbox[Seen] = Mailbox()
        self._stop = Event()

    # Control, from any thread

    @property
    def panic(self) -> bool:
        """Whether the slate is asked for."""
        return self._output.guard.panic

    @panic.setter
    def panic(self, wanted: bool) -> None:
        self._output.guard.panic = wanted

    def set_background(self, background: Background) -> None:
        """Put another background behind, from the next picture on; the old one is closed."""
        self._output.set_background(background)

    def set_subject(self, first_mask: FirstMask) -> None:
        """Follow another subject, from the next frame on; the slate is shown until it is found."""
        self._finder.follow(first_mask)

    def stop(self) -> None:
        """End soon."""
        self._stop.set()

    @property
    def reference(self) -> ReferenceFrame | None:
        """The last frame in which the subject was seen, with its mask, for another day."""
        return self._finder.reference

    @property
    def status(self) -> Status:
        """How it goes."""
        output, finder = self._output, self._finder
        median, late = output.meter.latencies()
        health = self._capture.health
        return Status(
            frames_a_second=output.meter.rate(monotonic()),
            latency=median,
            latency_95=late,
            dropped=self._capture.frames.dropped + self._results.dropped,
            rung=str(self._ladder.rung),
            source="live" if health is Health.LIVE else f"{health} ({self._capture.why})",
            slate=output.last.slate,
            subject=finder.certainty,
            resting=finder.resting,
            subjects=finder.subjects_found,
            sinks=dict(self._sinks.status),
            errors=finder.errors + output.guard.errors,
        )

    def run(self) -> None:
        """Work until the end; everything is closed then.

        Raises:
            InputError: the first mask can't be used.
        """
        network = Thread(target=self._find_all, name="network", daemon=True)
        network.start()
        try:
            self._output.show_all(self._results, self._stop)
        finally:
            self._stop.set()
            self._capture.close()
            self._results.close()
            network.join(1.0)
            self._sinks.close()
        if self._finder.fatal is not None:
            raise self._finder.fatal

    def _find_all(self) -> None:
        """The network's thread."""
        number = 0
        while not self._stop.is_set():
            frame = self._capture.frames.get(_POLL)
            if frame is None:
                if self._capture.frames.closed or self._capture.health is Health.ENDED:
                    break
                continue
            number += 1
            if number % self._ladder.rung.every:
                continue
            start = monotonic()
            seen = self._finder.look(frame)
            if seen is None:
                break
            self._results.put(seen)
            self._finder.settle(seen, start)
        self._results.close()
