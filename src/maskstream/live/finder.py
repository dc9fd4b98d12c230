"""The network's side of a live stream: from each frame to what there is to say of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from threading import Lock
from time import monotonic
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from maskstream.arrays import Frame, LabelMap
from maskstream.errors import InputError
from maskstream.live.absence import Absence
from maskstream.live.capture import Captured
from maskstream.live.complaints import Complaints
from maskstream.live.ladder import Ladder
from maskstream.live.motion import MotionGate
from maskstream.live.presence import Certainty, Doubt, Judged, Presence, Small
from maskstream.live.scene import Light, is_blank, small_of
from maskstream.replacement.replacer import BackgroundReplacer, Found

logger = logging.getLogger(__name__)

_RETRY = 0.25  # seconds between two searches for a subject that is away or in doubt
_BACK = 1.0  # seconds after which a subject that came is no flicker of the network
_LOOKS_ELSEWHERE = 3.0  # seconds of doubt after which the subject may be somewhere else
_OVERLAPS = 0.5  # of where it was, until then (IoU)
_REFERENCES = 4  # that the network is shown; before another one it forgets them all


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
        frame: of the camera; while nothing moves the one that ``found`` is of, with the time of the newest.
        found: where the subject is in it; None: not known.
        certainty: of that.
        still: nothing has moved since the last one that was composited.
        failed: the network has.
    """

    frame: Captured
    found: Found | None
    certainty: Certainty = Certainty.SEARCHED
    still: bool = False
    failed: bool = False


class _Subject:
    """What is known of the subject that is followed now.

    Attributes:
        presence: judges what the network says.
        seen: the last result; None: it has not been found yet.
        absence: what the room has looked like since it went; None: it has been there for a while.
        since: captured time from which on it has been there.
        asked_at: captured time at which the first mask was last asked for.
        before: what the first mask said then, in doubt.
        references: how many were shown to the network.
    """

    def __init__(self, shape: tuple[int, int], has_second_look: bool) -> None:
        self.presence = Presence(shape, has_second_look)
        self.seen: Seen | None = None
        self.absence: Absence | None = None
        self.since = 0.0
        self.asked_at = -_RETRY
        self.before: Small | None = None
        self.references = 0


class Finder:
    """Finds the subject at first, follows it, and looks for it again. Used by one thread, unless said.

    Args:
        replacer: its first half is used, and its segmenter's size is set by the ladder.
        first_mask: finds the subject at first; None: a chroma key needs none.
        ladder: told how long frames take.
        rest: whether the network rests while nothing moves.
        search_again: whether the first mask is asked again when the subject has gone, or is in doubt.

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
        self._fallback: FirstMask | None = None  # the one of the start, once another was asked for
        self._gate = MotionGate()
        self._light = Light()
        self._lock = Lock()
        self._is_new = first_mask is not None
        self._subject: _Subject | None = None
        self._latest: Seen | None = None
        self.subjects_found = 0
        self._complaints = Complaints(logger)
        self.errors = 0
        self.resting = False
        self.fatal: InputError | None = None

    def follow(self, first_mask: FirstMask) -> None:
        """Follow another subject, from the next frame on. May be called from any thread."""
        with self._lock:
            self._fallback = self._first_mask if self._fallback is None else self._fallback
            self._first_mask, self._is_new = first_mask, True

    @property
    def certainty(self) -> Certainty:
        """What is known of the subject; may be asked from any thread."""
        subject = self._subject
        return Certainty.SEARCHED if subject is None else subject.presence.certainty

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
            if self._fallback is None:
                self.fatal = error
                return None
            logger.warning("the new subject can't be followed: %s", error)
            self.follow(self._fallback)
            return self._failed(frame, error)
        except Exception as error:
            return self._failed(frame, error)

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
            if not seen.failed and seen.certainty in (Certainty.AWAY, Certainty.DOUBT):
                segmenter.disbelieve()
            segmenter.settle()
            now = monotonic()
            if self._ladder.took(now - start, now):
                segmenter.size = self._ladder.rung.size
            if not seen.failed and self._subject is not None:
                self._search_again(seen, self._subject)
        except Exception as error:
            self._complaints.tell("memorizing or looking for the subject failed", error)
            self.errors += 1

    def _failed(self, frame: Captured, error: Exception) -> Seen:
        self._complaints.tell("the network failed; the slate is shown", error)
        self.errors += 1
        return Seen(frame, None, failed=True)

    def _look(self, frame: Captured) -> Seen:
        subject = self._current(frame)
        small = small_of(frame.image)
        if is_blank(small):  # nothing is learnt from it
            subject.presence.doubt(Doubt.BLANK, frame.captured)
            return Seen(frame, None, Certainty.DOUBT)
        if self._light.jumps(small, frame.captured) and subject.presence.last is not None:
            subject.presence.doubt(Doubt.LIGHT, frame.captured)
        subject.presence.is_usual_light = not self._light.is_unlike
        moves = not self._rest or self._gate.moves(small, frame.captured)
        seen = subject.seen
        self.resting = not moves
        if seen is not None and not moves and seen.certainty is not Certainty.DOUBT:
            return seen._replace(frame=replace(seen.frame, captured=frame.captured), still=True)
        judged = self._find(frame, subject)
        seen = Seen(frame, judged.found, judged.certainty)
        subject.seen = None if judged.found is None and seen.certainty is Certainty.SEARCHED else seen
        if seen.certainty is Certainty.SURE:
            self._latest = seen
        return seen

    def _current(self, frame: Captured) -> _Subject:
        """Who is followed; somebody else from now on, if that was asked for."""
        with self._lock:
            is_new, self._is_new = self._is_new, False
        if is_new or self._subject is None:
            self._subject = _Subject(frame.image.shape[:2], self._searches_again)
            self._gate.reset()
            if self._replacer.segmenter is not None:
                self._replacer.segmenter.reset()
        return self._subject

    def _find(self, frame: Captured, subject: _Subject) -> Judged:
        """Where the subject is: by the first mask at first; then it is followed."""
        presence = subject.presence
        if self._first_mask is None:
            certainty = Certainty.DOUBT if self._light.is_unlike else Certainty.SURE
            return Judged(self._replacer.find(frame.image), certainty)
        if presence.last is not None:
            was = presence.certainty
            judged = presence.judge(
                self._replacer.find(frame.image), frame.captured, partial(_came, frame, subject)
            )
            self._note(frame, subject, was)
            return judged
        if subject.references:  # it is known, and wasn't in the picture yet
            return presence.begin(self._replacer.find(frame.image), frame.captured)
        subject.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        if isinstance(mask, ReferenceFrame):
            presence.usual = Small.of_label_map(mask.label_map).area
            self._show(mask, subject)
            return presence.begin(self._replacer.find(frame.image), frame.captured)
        if mask is None or not mask.any():
            return Judged(None, Certainty.SEARCHED)
        presence.usual = Small.of_label_map(mask).area
        self.subjects_found += 1
        subject.references += 1
        return presence.begin(self._replacer.find(frame.image, mask), frame.captured)

    def _note(self, frame: Captured, subject: _Subject, was: Certainty) -> None:
        """Keep in mind what a change of certainty means."""
        now = subject.presence.certainty
        if now is Certainty.AWAY and was is not now and subject.absence is None:
            subject.absence = Absence(frame.image, frame.captured)
        elif now is Certainty.SURE:
            if was is not now:
                subject.since, subject.before = frame.captured, None
            if frame.captured - subject.since >= _BACK:
                subject.absence = None

    def _search_again(self, seen: Seen, subject: _Subject) -> None:
        """Ask the first mask about a subject that is away or in doubt; the next results have to agree."""
        frame, presence = seen.frame, subject.presence
        if not self._searches_again or presence.certainty is Certainty.SURE or not self._first_mask:
            return
        if presence.last is None or frame.captured - subject.asked_at < _RETRY:
            return
        subject.asked_at = frame.captured
        mask = self._first_mask(frame.image)
        known = (
            mask if mask is None or isinstance(mask, ReferenceFrame) else ReferenceFrame(frame.image, mask)
        )
        if known is None or not known.label_map.any():
            subject.before = None
            if presence.certainty is Certainty.AWAY and subject.absence is not None:
                subject.absence.learn(frame.image, frame.captured)
        elif self._is_subject(frame, known, subject):
            self._show(known, subject)
            if presence.certainty is Certainty.DOUBT:
                presence.expect(Small.of_label_map(known.label_map))

    def _is_subject(self, frame: Captured, known: ReferenceFrame, subject: _Subject) -> bool:
        """Whether what a first mask has found may be believed to be the subject."""
        presence, small = subject.presence, Small.of_label_map(known.label_map)
        if not presence.could_be(small) or presence.last is None:
            return False
        if presence.certainty is Certainty.AWAY:
            return _came(frame, subject, Small(known.label_map, small.area))
        before, subject.before = subject.before, small
        if small.overlap(presence.last) >= _OVERLAPS:
            return True  # nobody has gone far yet
        is_long = frame.captured - presence.doubted_at > _LOOKS_ELSEWHERE
        return is_long and before is not None and small.overlap(before) >= _OVERLAPS

    def _show(self, known: ReferenceFrame, subject: _Subject) -> None:
        """Show the network what the subject looks like."""
        segmenter = self._replacer.segmenter
        if segmenter is not None and subject.references >= _REFERENCES:
            segmenter.reset()
            subject.references = 0
        subject.references += 1
        self.subjects_found += 1
        self._replacer.show(known.frame, known.label_map)


def _came(frame: Captured, subject: _Subject, marked: Small) -> bool:
    """Whether what is marked was not in the room when it was empty."""
    return subject.absence is None or subject.absence.is_over(frame.image, marked.inside)
