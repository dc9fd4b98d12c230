"""Even sizes, which 4:2:0 and 4:2:2 pictures need."""

from __future__ import annotations

import cv2

from maskstream.arrays import Frame


def made_even(image: Frame) -> Frame:
    """The same picture, or one with its last column or row repeated where their number is odd."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[return-value]
    return image
