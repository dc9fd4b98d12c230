"""Whether who is found again has come back, or is a piece of the room that was there all the time."""

from __future__ import annotations

import cv2
import numpy as np

from maskstream.arrays import Frame, LabelMap
from maskstream.first_mask.clean_plate import CleanPlate

_LEARNS = 1.0  #: seconds in which the room is learnt: the camera gets used to being without the subject
_CHANGED = 0.25  #: part of a mask that must not look like the empty room


class Absence:
    """The room while its subject is away.

    A first mask is a guess, and in most rooms something stands out once the subject has left: taken for the
    subject it would be shown. But whoever comes back changes what is to be seen there; furniture doesn't.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB, the first one without the subject.
        captured: its monotonic seconds.
    """

    def __init__(self, frame: Frame, captured: float) -> None:
        self._room = CleanPlate()
        self._room.learn(frame)
        self._until = captured + _LEARNS

    def learn(self, frame: Frame, captured: float) -> None:
        """A later frame in which no subject was found."""
        if captured <= self._until:
            self._room.learn(frame)

    def is_over(self, frame: Frame, label_map: LabelMap) -> bool:
        """Whether what a first mask marks in a frame, ``(H, W)``, has come since."""
        changed = self._room.changed(frame)
        marked = cv2.resize(
            (label_map > 0).astype(np.float32), changed.shape[1::-1], interpolation=cv2.INTER_AREA
        )
        inside = marked > 0.5
        return bool(inside.any()) and float((changed[inside] > 0.5).mean()) >= _CHANGED
