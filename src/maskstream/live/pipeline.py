"""From a camera's frames to sealed pictures: three threads, no queue, and the guard at the end.

The capture's thread leaves the newest frame in a mailbox. The network's thread takes it, finds the subject,
and hands on frame and mask as one object, so that mask N is on frame N however slow it was. The output's
thread composites by way of the guard and gives to the sinks, at the pace of the source; when nothing new
comes it repeats the last picture, and after a second shows the slate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.background.sources import Background
from maskstream.errors import InputError
from maskstream.live.absence import Absence
from maskstream.live.capture import Capture, Captured, Health
from maskstream.live.guard import Composite, Frame, Guard, GuardConfig, Reason, Sealed
from maskstream.live.ladder import RUNGS, Ladder, Rung
from maskstream.live.mailbox import Mailbox
from maskstream.live.motion import MotionGate
from maskstream.live.sinks.runner import SinkRunner
from maskstream.live.status import Meter, Status
from maskstream.replacement.replacer import BackgroundReplacer, Found
from maskstream.streaming.segmenter import VideoSegmenter

logger = logging.getLogger(__name__)

_POLL = 0.1  # seconds between two looks at whether to stop
_STALE = 1.0  # seconds after which a picture is not repeated any more
_PATIENCE = 1.5  # frames that are waited for before the last picture is repeated
_BACK = 1.0  # seconds after which a subject that came is no flicker of the network
_RETRY = 0.25  # seconds between two searches for a subject that is away


class Reference(NamedTuple):
    """A mask of another frame than the one at hand.

    Attributes:
        frame: ``(H, W, 3)`` uint8 RGB.
        label_map: ``(H, W)`` of it.
    """

    frame: Frame
    label_map: NDArray[np.uint8]


class FirstMask(Protocol):
    """Finds the subject in a frame; asked until it has."""

    def __call__(self, frame: Frame) -> NDArray[np.uint8] | Reference | None:
        """``(H, W)`` label map, or a mask of a frame from before, or None: not yet."""


@dataclass(frozen=True)
class LiveConfig:
    """How a live stream is worked on.

    Attributes:
        fps: pictures a second that are aimed at; None: the source's, at most 30.
        rungs: of the ladder; one alone never changes.
        rest: whether the network rests while nothing moves.
        search_again: ask the first mask again when the subject has gone: for those that need nobody's hand.
            It is believed only where the room has changed since, see ``Absence``.
        guard: when the slate is shown.
    """

    fps: float | None = None
    rungs: tuple[Rung, ...] = RUNGS
    rest: bool = True
    search_again: bool = False
    guard: GuardConfig = GuardConfig()  # noqa: RUF009 - frozen


class _Seen(NamedTuple):
    """A frame with what the network's thread has to say of it.

    Attributes:
        frame: of the camera.
        found: where the subject is in it; None: not known.
        still: nothing has moved since the last one that was composited.
        failed: the network has.
    """

    frame: Captured
    found: Found | None
    still: bool = False
    failed: bool = False


@dataclass
class _Search:
    """What the network's thread knows of the subject.

    Attributes:
        last: where it was last; None: it has not been found yet.
        is_away: whether it is not in the picture.
        absence: what the room has looked like since it went; None: it has been there for a while.
        since: captured time of the first frame with it, after one without.
        asked_at: captured time at which the first mask was last asked for.
    """

    last: Found | None = None
    is_away: bool = False
    absence: Absence | None = None
    since: float = 0.0
    asked_at: float = -_RETRY

    def saw(self, frame: Captured, found: Found | None) -> None:
        """Take in what was found in a frame."""
        self.last = found
        if _is_there(found):
            if self.is_away:
                self.is_away, self.since = False, frame.captured
            if frame.captured - self.since >= _BACK:
                self.absence = None
        elif found is not None:
            self.is_away = True


class LivePipeline:
    """Runs until the source ends or ``stop`` is called.

    Args:
        capture: opened; closed at the end.
        replacer: makes composites; its segmenter is ``segmenter``.
        segmenter: follows the subject, at a size that the ladder sets; None: a chroma key finds it alone.
        first_mask: finds the subject at first; None: a chroma key needs none.
        slate: ``(H, W, 3)`` of the capture's size.
        sinks: opened; closed at the end.
        config: how.

    Attributes:
        config: as given.
        fps: pictures a second that are aimed at.
        subjects_found: how often a first mask has found somebody.
        on_picture: called by the output's thread with each new picture that leaves.
    """

    def __init__(
        self,
        capture: Capture,
        replacer: BackgroundReplacer,
        segmenter: VideoSegmenter | None,
        first_mask: FirstMask | None,
        slate: Frame,
        sinks: SinkRunner,
        config: LiveConfig | None = None,
    ) -> None:
        self.config = config or LiveConfig()
        self._capture = capture
        self._replacer = replacer
        self._segmenter = segmenter
        self._first_mask = first_mask
        self._sinks = sinks
        self.fps = self.config.fps or min(30.0, capture.frame_rate or 30.0)
        self._guard = Guard(self._composite, slate, self.config.guard)
        self._ladder = Ladder(0.7 / self.fps, self.config.rungs)
        self._gate = MotionGate()
        self._seen: Mailbox[_Seen] = Mailbox()
        self._stop = Event()
        self._lock = Lock()
        self._new_subject = first_mask is not None
        self._new_background: Background | None = None
        self._meter = Meter()
        self._last: Sealed = self._guard.slate(Reason.STARTING)
        self._resting = False
        self._search = _Search()
        self._errors = 0
        self._fatal: InputError | None = None
        self._current_at = 0.0  # when the frame was captured that the last picture still holds for
        self._first_time: float | None = None
        self.subjects_found = 0
        self._latest: _Seen | None = None
        self.on_picture: Callable[[Sealed], None] = lambda sealed: None

    # Control, from any thread

    @property
    def panic(self) -> bool:
        """Whether the slate is asked for."""
        return self._guard.panic

    @panic.setter
    def panic(self, wanted: bool) -> None:
        self._guard.panic = wanted

    def set_background(self, background: Background) -> None:
        """Put another background behind, from the next picture on; the old one is closed."""
        with self._lock:
            skipped, self._new_background = self._new_background, background
        if skipped is not None:
            skipped.close()

    def set_subject(self, first_mask: FirstMask) -> None:
        """Follow another subject, from the next frame on; the slate is shown until it is found."""
        with self._lock:
            self._first_mask, self._new_subject = first_mask, True

    def stop(self) -> None:
        """End soon."""
        self._stop.set()

    @property
    def reference(self) -> Reference | None:
        """The last frame in which the subject was seen, with its mask, for another day."""
        seen = self._latest
        if seen is None or seen.found is None or seen.found.probability is None:
            return None
        height, width = seen.frame.image.shape[:2]
        rows, columns = seen.found.seen or (slice(0, height), slice(0, width))
        size = columns.stop - columns.start, rows.stop - rows.start
        label_map = np.zeros((height, width), np.uint8)
        label_map[rows, columns] = cv2.resize(seen.found.probability, size) > 0.5
        return Reference(seen.frame.image, label_map)

    def status(self) -> Status:
        """How it goes."""
        median, late = self._meter.latencies()
        health = self._capture.health
        return Status(
            frames_a_second=self._meter.rate(monotonic()),
            latency=median,
            latency_95=late,
            dropped=self._capture.frames.dropped + self._seen.dropped,
            rung=str(self._ladder.rung),
            source="live" if health is Health.LIVE else f"{health} ({self._capture.why})",
            slate=self._last.slate,
            resting=self._resting,
            sinks=dict(self._sinks.status),
            errors=self._errors + self._guard.errors,
        )

    def run(self) -> None:
        """Work until the end; everything is closed then.

        Raises:
            InputError: the first mask can't be used.
        """
        network = Thread(target=self._find_all, name="network", daemon=True)
        network.start()
        try:
            self._show_all()
        finally:
            self._stop.set()
            self._capture.close()
            self._seen.close()
            network.join(1.0)
            self._sinks.close()
        if self._fatal is not None:
            raise self._fatal

    # The network's thread

    def _find_all(self) -> None:
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
            try:
                seen = self._look(frame)
            except InputError as error:
                if self._search.last is None:
                    self._fatal = error
                    break
                seen = self._failed(frame)
            except Exception:
                seen = self._failed(frame)
            self._seen.put(seen)
            if not seen.still and self._segmenter is not None:
                self._use_the_gap(seen, self._segmenter, start)
        self._seen.close()

    def _use_the_gap(self, seen: _Seen, segmenter: VideoSegmenter, start: float) -> None:
        """What can wait until a result is on its way and the next frame not here yet."""
        try:
            segmenter.settle()
            now = monotonic()
            if self._ladder.took(now - start, now):
                segmenter.size = self._ladder.rung.size
            if not seen.failed:
                self._search_again(seen.frame, self._search)
        except Exception:
            logger.exception("memorising or looking for the subject failed")
            self._errors += 1

    def _failed(self, frame: Captured) -> _Seen:
        logger.exception("the network failed; the slate is shown")
        self._errors += 1
        return _Seen(frame, None, failed=True)

    def _look(self, frame: Captured) -> _Seen:
        """What there is to say of a frame."""
        if self._take_subject():
            self._search = _Search()
            self._gate.reset()
            if self._segmenter is not None:
                self._segmenter.reset()
        moves = not self.config.rest or self._gate.moves(frame.image, frame.captured)
        self._resting = not moves
        search = self._search
        if not moves and search.last is not None:
            return _Seen(frame, search.last, still=True)
        search.saw(frame, self._find(frame, search))
        seen = _Seen(frame, search.last)
        if _is_there(search.last):
            self._latest = seen
        return seen

    def _take_subject(self) -> bool:
        """Whether another subject has been asked for."""
        with self._lock:
            is_new, self._new_subject = self._new_subject, False
            return is_new

    def _find(self, frame: Captured, search: _Search) -> Found | None:
        """Where the subject is: by the first mask at first; then it is followed."""
        if self._first_mask is None or search.last is not None:
            return self._replacer.find(frame.image)
        search.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        if isinstance(mask, Reference):
            self.subjects_found += 1
            self._replacer.show(mask.frame, mask.label_map)
            return self._replacer.find(frame.image)
        if mask is not None and mask.any():
            self.subjects_found += 1
            return self._replacer.find(frame.image, mask)
        return None

    def _search_again(self, frame: Captured, search: _Search) -> None:
        """Ask the first mask about a subject that is away; the network finds by it who has come back."""
        if not (self.config.search_again and search.is_away and self._first_mask):
            return
        absence = search.absence = search.absence or Absence(frame.image, frame.captured)
        if frame.captured - search.asked_at < _RETRY:
            return
        search.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        if mask is None:
            absence.learn(frame.image, frame.captured)
            return
        known = mask if isinstance(mask, Reference) else Reference(frame.image, mask)
        if known.label_map.any() and absence.is_over(frame.image, known.label_map):
            self.subjects_found += 1
            self._replacer.show(known.frame, known.label_map)

    # The output's thread

    def _show_all(self) -> None:
        while not self._stop.is_set():
            seen = self._seen.get(_PATIENCE / self.fps)
            now = monotonic()
            if seen is not None:
                self._show(self._sealed(seen), now)
            elif self._seen.closed:
                return
            elif (reason := self._staleness(now)) is not None:
                self._show(self._guard.slate(reason), now)
            else:
                self._sinks.show(self._last, now)

    def _sealed(self, seen: _Seen) -> Sealed:
        if seen.failed:
            return self._guard.slate(Reason.ERROR)
        self._current_at = seen.frame.captured
        changed = self._change_background()
        is_shown = self._last.slate is None and not self._guard.panic
        if seen.still and is_shown and not changed and not self._moves():
            return self._last
        return self._guard.seal(seen.frame, seen.found)

    def _show(self, sealed: Sealed, now: float) -> None:
        is_new = sealed is not self._last
        self._meter.show(sealed if is_new else None, now)
        self._last = sealed
        self._sinks.show(sealed, now)
        if is_new:
            self.on_picture(sealed)

    def _staleness(self, now: float) -> Reason | None:
        """Why the last picture must not be repeated; None: it may."""
        if self._guard.panic:
            reason = Reason.PANIC
        elif now - self._current_at <= _STALE:
            return None
        else:
            reason = {Health.OPENING: Reason.STARTING, Health.LIVE: Reason.ERROR}.get(
                self._capture.health, Reason.SOURCE
            )
        return None if self._last.slate is reason else reason

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
        replaced: Any = self._replacer.compose(frame.image, found, frame.captured - self._first_time)
        behind = self._replacer.background
        from_frame = behind is not None and behind.from_frame
        return Composite(replaced.image, replaced.alpha, replaced.background, from_frame)


def _is_there(found: Found | None) -> bool:
    """Whether a subject is in the picture; a chroma key's always is."""
    if found is None:
        return False
    return found.probability is None or bool((found.probability > 0.5).any())
