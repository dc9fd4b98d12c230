"""The parts of a mask that count."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def largest_parts(mask: NDArray[Any], share: float) -> NDArray[np.uint8]:
    """Drop the parts that are smaller than a share of the largest one.

    Args:
        mask: ``(H, W)``, not 0 inside.
        share: 0..1; 1 keeps only the largest.

    Returns:
        ``(H, W)`` uint8, 0 or 1.
    """
    inside = (mask > 0).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    if count == 1:
        return inside
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = (areas >= share * areas.max()) & (areas > 0)
    return np.asarray(keep[parts], np.uint8)


def without_holes(mask: NDArray[Any], share: float) -> NDArray[np.uint8]:
    """Fill the holes that are smaller than a share of the mask; what opens to the border is no hole.

    Args:
        mask: ``(H, W)``, not 0 inside.
        share: 0..1.

    Returns:
        ``(H, W)`` uint8, 0 or 1.
    """
    inside = (mask > 0).astype(np.uint8)
    outside = (inside == 0).astype(np.uint8)
    _, holes, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < share * max(1, int(inside.sum()))
    small[0] = False
    small[np.unique(np.concatenate((holes[0], holes[-1], holes[:, 0], holes[:, -1])))] = False
    return np.asarray(small[holes] | (inside > 0), np.uint8)
