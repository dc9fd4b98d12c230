"""Frames that show nothing: black, white, blue between two shots, or a lens that is covered."""

from __future__ import annotations

import cv2
import numpy as np

from maskstream.arrays import Frame

_LEVELS = 8  #: by which a picture may differ and still show nothing: noise of coding and of a dark sensor
_CELLS = 64  #: at the short side; each is a mean, in which noise vanishes and the smallest object doesn't
_SAMPLED = 16  #: at each side; enough to see that nearly any other frame shows something


def is_blank(frame: Frame) -> bool:
    """Whether nothing is to be seen in a frame: all of it has the same colour.

    Args:
        frame: ``(H, W, 3)`` RGB uint8.
    """
    height, width = frame.shape[:2]
    sample = frame[:: max(1, height // _SAMPLED), :: max(1, width // _SAMPLED)]
    if int(np.ptp(sample, axis=(0, 1)).max()) > 4 * _LEVELS:  # noise counts in full here
        return False
    scale = min(1.0, _CELLS / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    cells = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return int(np.ptp(cells.reshape(-1, 3), axis=0).max()) <= _LEVELS
