"""The picture that is shown instead of a camera's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from maskstream.arrays import Frame
from maskstream.background.fit import Fit
from maskstream.errors import InputError
from maskstream.video.images import read_image

_GROUND, _INK = (24, 28, 36), (196, 204, 216)
_TEXT = "one moment"


def draw_slate(width: int, height: int) -> Frame:
    """A dark picture with two words on it, ``(height, width, 3)`` uint8 RGB."""
    slate = np.full((height, width, 3), _GROUND, np.uint8)
    scale = min(height / 300, width / 340)
    thickness = max(1, round(1.5 * scale))
    (wide, tall), _ = cv2.getTextSize(_TEXT, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    place = (width - wide) // 2, (height + tall) // 2
    cv2.putText(slate, _TEXT, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, thickness, cv2.LINE_AA)
    return slate


def read_slate(path: Path, width: int, height: int) -> Frame:
    """A picture of the user's own as the slate.

    Raises:
        InputError: it is no picture.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such picture for the slate")
    image = read_image(path)
    if image is None:
        raise InputError(f"{path}: not a readable picture; give a JPEG or PNG for the slate")
    return Fit("cover")(image, height, width)
