"""The edge moved and softened, as a user asks."""

from __future__ import annotations

import math

import numpy as np

from maskstream.arrays import Bytes
from maskstream.matte.opencv import cv

_CROSS = cv.getStructuringElement(cv.MORPH_CROSS, (3, 3))
_SQUARE = cv.getStructuringElement(cv.MORPH_RECT, (3, 3))


def shifted(alpha: Bytes, pixels: float) -> Bytes:
    """Alpha with its edge moved, outwards if ``pixels`` > 0; fractions of a pixel are blended."""
    move = cv.dilate if pixels > 0 else cv.erode
    whole = math.floor(abs(pixels))
    for step in range(whole):
        alpha = np.asarray(move(alpha, _element(step)), dtype=np.uint8)
    if rest := abs(pixels) - whole:
        farther = move(alpha, _element(whole))
        alpha = np.asarray(cv.addWeighted(farther, rest, alpha, 1 - rest, 0), dtype=np.uint8)
    return alpha


def _element(step: int) -> Bytes:
    """Cross and square by turns: nearly a disc, and each a pixel along rows and columns."""
    return np.asarray(_SQUARE if step % 2 else _CROSS, dtype=np.uint8)


def softened(alpha: Bytes, pixels: float) -> Bytes:
    """Alpha blurred with that standard deviation."""
    return np.asarray(cv.GaussianBlur(alpha, (0, 0), pixels), dtype=np.uint8)
