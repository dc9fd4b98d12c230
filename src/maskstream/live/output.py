"""The sinks' side of a live stream: sealed pictures at the pace of the source, whatever comes or doesn't."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from time import monotonic

from maskstream.arrays import Frame
from maskstream.background.sources import Background
from maskstream.live.capture import Captured, Health
from maskstream.live.finder import Seen
from maskstream.live.guard import Composite, Guard, GuardConfig, Reason, Sealed
from maskstream.live.mailbox import Mailbox
from maskstream.live.presence import Certainty
from maskstream.live.sinks.runner import SinkRunner
from maskstream.live.status import Meter
from maskstream.replacement.replacer import BackgroundReplacer, Found

_STALE = 1.0  # seconds after which a picture is no longer repeated
_PATIENCE = 1.5  # frames that are waited for before the last picture is repeated


class Output:
    """Composites what was found, by way of the guard, and gives it to the sinks.

    When nothing new comes it repeats the last picture, and after a second shows the slate.

    Args:
        replacer: its second half is used.
        slate: ``(H, W, 3)`` of the capture's size.
        sinks: opened.
        fps: pictures a second that are aimed at.
        health: tells how the source is.
        guard: when the slate is shown.

    Attributes:
        guard: it.
        meter: rates and latencies.
        last: the picture that left last.
    """

    def __init__(
        self,
        replacer: BackgroundReplacer,
        slate: Frame,
        sinks: SinkRunner,
        fps: float,
        health: Callable[[], Health],
        guard: GuardConfig,
    ) -> None:
        self._replacer = replacer
        self._sinks = sinks
        self._fps = fps
        self._health = health
        self.guard = Guard(self._composite, slate, guard)
        self.meter = Meter()
        self.last: Sealed = self.guard.slate(Reason.STARTING)
        self._lock = Lock()
        self._new_background: Background | None = None
        self._current_at = 0.0  # when the frame was captured that the last picture still holds for
        self._first_time: float | None = None

    def set_background(self, background: Background) -> None:
        """Put another one behind, from the next picture on; the old one is closed. From any thread."""
        with self._lock:
            skipped, self._new_background = self._new_background, background
        if skipped is not None:
            skipped.close()

    def show_all(self, results: Mailbox[Seen], stop: Event) -> None:
        """Until the mailbox is closed or the event is set."""
        while not stop.is_set():
            seen = results.get(_PATIENCE / self._fps)
            now = monotonic()
            if seen is not None:
                self._show(self.picture_of(seen), now)
            elif results.closed:
                return
            elif (reason := self._staleness(now)) is not None:
                self._show(self.guard.slate(reason), now)
            else:
                self._sinks.show(self.last, now)

    def picture_of(self, seen: Seen) -> Sealed:
        """What may be seen of a result."""
        if seen.failed:
            return self.guard.slate(Reason.ERROR)
        self._current_at = seen.frame.captured
        changed = self._change_background()
        if seen.certainty is Certainty.DOUBT:
            return self.guard.slate(Reason.CHANGED)
        is_shown = self.last.slate is None and not self.guard.panic
        is_settled = seen.still and seen.certainty is Certainty.SURE and not self.guard.fades
        if is_settled and is_shown and not changed and not self._moves():
            return self.last
        return self.guard.seal(seen.frame, seen.found)

    def _show(self, sealed: Sealed, now: float) -> None:
        self.meter.show(sealed if sealed is not self.last else None, now)
        self.last = sealed
        self._sinks.show(sealed, now)

    def _staleness(self, now: float) -> Reason | None:
        """Why the last picture must not be repeated; None: it may."""
        if self.guard.panic:
            reason = Reason.PANIC
        elif now - self._current_at <= _STALE:
            return None
        else:
            reason = {Health.OPENING: Reason.STARTING, Health.LIVE: Reason.ERROR}.get(
                self._health(), Reason.SOURCE
            )
        return None if self.last.slate is reason else reason

    def _moves(self) -> bool:
        background = self._replacer.background
        return background is not None and background.moves

    def _change_background(self) -> bool:
        """Whether another background stands behind from now on."""
        with self._lock:
            new, self._new_background = self._new_background, None
        if new is None:
            return False
        old, self._replacer.background = self._replacer.background, new
        if old is not None:
            old.close()
        return True

    def _composite(self, frame: Captured, found: Found) -> Composite:
        if self._first_time is None:
            self._first_time = frame.captured
        replaced = self._replacer.compose(frame.image, found, frame.captured - self._first_time)
        behind = self._replacer.background
        if behind is None or replaced.background is None:
            raise ValueError("there is no background")
        return Composite(replaced.image, replaced.alpha, replaced.background, behind.from_frame)
