"""The network's side of a live stream: from each frame to what there is to say of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from maskstream.arrays import Frame, LabelMap
from maskstream.errors import InputError
from maskstream.live.absence import Absence
from maskstream.live.capture import Captured
from maskstream.live.ladder import Ladder
from maskstream.live.motion import MotionGate
from maskstream.replacement.replacer import BackgroundReplacer, Found

logger = logging.getLogger(__name__)

_BACK = 1.0  # seconds after which a subject that came is no flicker of the network
_RETRY = 0.25  # seconds between two searches for a subject that is away


class ReferenceFrame(NamedTuple):
    """A mask of another frame than the one at hand.

    Attributes:
        frame: ``(H, W, 3)`` uint8 RGB.
        label_map: ``(H, W)`` of it.
    """

    frame: Frame
    label_map: LabelMap


class FirstMask(Protocol):
    """Finds the subject in a frame; asked until it has."""

    def __call__(self, frame: Frame) -> LabelMap | ReferenceFrame | None:
        """``(H, W)`` label map, or a mask of a frame from before, or None: not yet."""


class Seen(NamedTuple):
    """A frame with what the finder has to say of it.

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
    """What is known of the subject.

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


class Finder:
    """Finds the subject at first, follows it, and looks for it again. Used by one thread, unless said.

    Args:
        replacer: its first half is used, and its segmenter's size is set by the ladder.
        first_mask: finds the subject at first; None: a chroma key needs none.
        ladder: told how long frames take.
        rest: whether the network rests while nothing moves.
        search_again: whether the first mask is asked again when the subject has gone.

    Attributes:
        subjects_found: how often a first mask has found somebody.
        errors: exceptions that were caught.
        resting: whether the network rests as nothing moves.
        fatal: a first mask can't be used; nothing more can be found.
    """

    def __init__(
        self,
        replacer: BackgroundReplacer,
        first_mask: FirstMask | None,
        ladder: Ladder,
        *,
        rest: bool = True,
        search_again: bool = False,
    ) -> None:
        self._replacer = replacer
        self._first_mask = first_mask
        self._ladder = ladder
        self._rest = rest
        self._searches_again = search_again
        self._gate = MotionGate()
        self._lock = Lock()
        self._is_new = first_mask is not None
        self._search = _Search()
        self._latest: Seen | None = None
        self.subjects_found = 0
        self.errors = 0
        self.resting = False
        self.fatal: InputError | None = None

    def follow(self, first_mask: FirstMask) -> None:
        """Follow another subject, from the next frame on. May be called from any thread."""
        with self._lock:
            self._first_mask, self._is_new = first_mask, True

    @property
    def reference(self) -> ReferenceFrame | None:
        """The last frame in which the subject was seen, with its mask; may be asked from any thread."""
        seen = self._latest
        if seen is None or seen.found is None or seen.found.probability is None:
            return None
        height, width = seen.frame.image.shape[:2]
        rows, columns = seen.found.seen or (slice(0, height), slice(0, width))
        size = columns.stop - columns.start, rows.stop - rows.start
        label_map = np.zeros((height, width), np.uint8)
        label_map[rows, columns] = cv2.resize(seen.found.probability, size) > 0.5
        return ReferenceFrame(seen.frame.image, label_map)

    def look(self, frame: Captured) -> Seen | None:
        """What there is to say of a frame. Never raises.

        Returns:
            None: nothing, now and ever; ``fatal`` says why.
        """
        try:
            return self._look(frame)
        except InputError as error:
            if self._search.last is None:
                self.fatal = error
                return None
            return self._failed(frame)
        except Exception:
            return self._failed(frame)

    def settle(self, seen: Seen, start: float) -> None:
        """What can wait until a result is on its way and the next frame not here yet. Never raises.

        Args:
            seen: the result.
            start: monotonic seconds at which the work on it began.
        """
        segmenter = self._replacer.segmenter
        if seen.still or segmenter is None:
            return
        try:
            segmenter.settle()
            now = monotonic()
            if self._ladder.took(now - start, now):
                segmenter.size = self._ladder.rung.size
            if not seen.failed:
                self._search_again(seen.frame, self._search)
        except Exception:
            logger.exception("memorising or looking for the subject failed")
            self.errors += 1

    def _failed(self, frame: Captured) -> Seen:
        logger.exception("the network failed; the slate is shown")
        self.errors += 1
        return Seen(frame, None, failed=True)

    def _look(self, frame: Captured) -> Seen:
        if self._take_subject():
            self._search = _Search()
            self._gate.reset()
            if self._replacer.segmenter is not None:
                self._replacer.segmenter.reset()
        moves = not self._rest or self._gate.moves(frame.image, frame.captured)
        self.resting = not moves
        search = self._search
        if not moves and search.last is not None:
            return Seen(frame, search.last, still=True)
        search.saw(frame, self._find(frame, search))
        seen = Seen(frame, search.last)
        if _is_there(search.last):
            self._latest = seen
        return seen

    def _take_subject(self) -> bool:
        """Whether another subject has been asked for."""
        with self._lock:
            is_new, self._is_new = self._is_new, False
            return is_new

    def _find(self, frame: Captured, search: _Search) -> Found | None:
        """Where the subject is: by the first mask at first; then it is followed."""
        if self._first_mask is None or search.last is not None:
            return self._replacer.find(frame.image)
        search.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        if isinstance(mask, ReferenceFrame):
            self.subjects_found += 1
            self._replacer.show(mask.frame, mask.label_map)
            return self._replacer.find(frame.image)
        if mask is not None and mask.any():
            self.subjects_found += 1
            return self._replacer.find(frame.image, mask)
        return None

    def _search_again(self, frame: Captured, search: _Search) -> None:
        """Ask the first mask about a subject that is away; the network finds by it who has come back."""
        if not (self._searches_again and search.is_away and self._first_mask):
            return
        absence = search.absence = search.absence or Absence(frame.image, frame.captured)
        if frame.captured - search.asked_at < _RETRY:
            return
        search.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        if mask is None:
            absence.learn(frame.image, frame.captured)
            return
        known = mask if isinstance(mask, ReferenceFrame) else ReferenceFrame(frame.image, mask)
        if known.label_map.any() and absence.is_over(frame.image, known.label_map):
            self.subjects_found += 1
            self._replacer.show(known.frame, known.label_map)


def _is_there(found: Found | None) -> bool:
    """Whether a subject is in the picture; a chroma key's always is."""
    if found is None:
        return False
    return found.probability is None or bool((found.probability > 0.5).any())
