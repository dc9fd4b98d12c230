"""First masks for live streams: each is called with frames until it has found the subject in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import numpy as np

from maskstream.arrays import AnyLabelMap, Frame, LabelMap
from maskstream.errors import InputError
from maskstream.first_mask.box import Box, from_box
from maskstream.first_mask.clean_plate import CleanPlate
from maskstream.first_mask.subject import RULES, SubjectFinder
from maskstream.live.finder import ReferenceFrame

#: Surer than for a file: a chair that is taken for somebody is a piece of the room.
SURE = replace(RULES, least_score=0.85)
_STEADY = 0.8  # IoU of two looks from which somebody stands still enough


class MarkedFrame:
    """A mask that the user has made of the first frame.

    Args:
        frame: the first one, ``(H, W, 3)`` uint8 RGB.
        label_map: ``(H, W)``.
        name: of its file, for messages.

    Raises:
        InputError: they are of different sizes.
    """

    def __init__(self, frame: Frame, label_map: AnyLabelMap, name: str) -> None:
        if label_map.shape != frame.shape[:2]:
            (height, width), (rows, columns) = label_map.shape, frame.shape[:2]
            raise InputError(
                f"{name}: is {width}x{height}, the stream {columns}x{rows}; give a mask of that size"
            )
        self._reference = ReferenceFrame(frame, label_map.astype(np.uint8))

    def __call__(self, frame: Frame) -> ReferenceFrame:
        """The first frame with its mask, whichever frame is at hand."""
        return self._reference


class DetectedSubject:
    """The subject that a small network detects, if it is sure: people first; nothing has to be marked.

    Args:
        largest: only the largest part; otherwise several people are one subject.
        threads: for the network.
    """

    def __init__(self, largest: bool = False, threads: int = 1) -> None:
        self._find = SubjectFinder(threads=threads, rules=SURE)
        self._largest = largest

    def __call__(self, frame: Frame) -> LabelMap | None:
        """Label map with object 1, or None: there is no subject."""
        subject = self._find(frame, largest=self._largest)
        return None if subject is None else subject.mask


class BoxedObject:
    """What is inside a box of the frame at hand.

    Args:
        box: (x, y, width, height) in pixels of the frame.
    """

    def __init__(self, box: Box) -> None:
        self._box = box

    def __call__(self, frame: Frame) -> LabelMap:
        """The mask.

        Raises:
            InputError: the box is not in the frame.
        """
        return from_box(frame, self._box)


class CleanPlateSubject:
    """Who comes into a room that was seen empty.

    Args:
        say: tells the user what to do.
        seconds: to step out, and then of the empty room that are learnt.
    """

    def __init__(self, say: Callable[[str], None], seconds: tuple[float, float] = (4.0, 1.0)) -> None:
        self._say = say
        self._leave, self._learn = seconds
        self._plate = CleanPlate()
        self._began: float | None = None
        self._is_learnt = False
        self._before: LabelMap | None = None

    def __call__(self, frame: Frame) -> LabelMap | None:
        """Whoever has come in and stands still enough for two looks to agree."""
        now = monotonic()
        if self._began is None:
            self._began = now
            self._say(f"step out of the picture within {self._leave:g} seconds")
        if now - self._began < self._leave:
            return None
        if now - self._began < self._leave + self._learn or not self._plate.frames:
            self._plate.learn(frame)
            return None
        if not self._is_learnt:
            self._is_learnt = True
            self._say("come back")
        found = self._plate.find(frame)
        before, self._before = self._before, found
        agree = found is not None and before is not None and _overlap(before, found) > _STEADY
        return found if agree else None


def parse_box(text: str) -> Box:
    """``x,y,w,h`` in pixels, from the upper left.

    Raises:
        InputError: it isn't.
    """
    try:
        x, y, width, height = (round(float(part)) for part in text.split(","))
    except (ValueError, OverflowError):
        width = height = x = y = 0
    if width <= 0 or height <= 0:
        raise InputError(f"box {text!r}: give x,y,width,height in pixels, as 320,80,400,600")
    return x, y, width, height


def _overlap(a: LabelMap, b: LabelMap) -> float:
    """The IoU of two masks."""
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a | b)))
