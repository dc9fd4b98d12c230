"""Follow objects along real frames and back again: how much of the first mask returns needs no truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskstream.adaptation.dreams import Marked
from maskstream.network.config import STRIDE
from maskstream.network.model import Memorized, SegmentationNetwork, join
from maskstream.network.soft_aggregation import soft_aggregate

LINES = 192  #: short side that frames are followed at
MOST_OBJECTS = 8  #: that are followed, the largest ones
_KEPT = 3  # memory frames beside the first


def returned(network: SegmentationNetwork, marked: Marked, way: Sequence[NDArray[np.uint8]]) -> float:
    """Mean IoU of first masks with what comes back, followed along frames and back from where that ended.

    Args:
        network: in evaluation mode.
        marked: the first frame with its label map.
        way: two frames or more ``(H, W, 3)`` in order; the first is ``marked.frame``.

    Returns:
        0..1; 0 for an object that was lost.
    """
    frames = [_tensor(frame, network) for frame in way]
    first = _masks(marked.label_map, frames[0])
    ahead = follow(network, frames, first)
    back = follow(network, frames[::-1], (ahead > 0.5).float())
    seen, true = back > 0.5, first > 0.5
    both = (seen & true).sum((1, 2)).float()
    return float((both / (seen | true).sum((1, 2)).clamp(min=1)).mean())


@torch.no_grad()
def follow(network: SegmentationNetwork, frames: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Masks in the last frame, from those in the first.

    Args:
        network: in evaluation mode.
        frames: ``(1, 3, h, w)`` each, RGB 0..1, multiples of the stride.
        masks: ``(N, h, w)`` 0..1.

    Returns:
        ``(N, h, w)`` probabilities.
    """
    entries: list[Memorized] = []
    features = network.encode(frames[0])
    for before, after in pairwise(frames):
        others = (masks.sum(0, keepdim=True) - masks).clamp(0, 1)
        entries.append(network.memorize(before, features, masks[:, None], others[:, None]))
        entries = [entries[0], *entries[1:][-_KEPT:]]
        features = network.encode(after)
        logits = network.segment(features, join(entries), masks[:, None])
        masks = soft_aggregate(logits.float(), 0)[1:]
    return masks


def _tensor(frame: NDArray[np.uint8], network: SegmentationNetwork) -> Tensor:
    height, width = frame.shape[:2]
    scale = min(1.0, LINES / min(height, width))
    size = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (width, height)]
    small = cv2.resize(frame, (size[0], size[1]), interpolation=cv2.INTER_AREA)
    device = next(network.parameters()).device
    return torch.from_numpy(small).to(device).permute(2, 0, 1)[None].float() / 255


def _masks(label_map: NDArray[np.integer], frame: Tensor) -> Tensor:
    """``(N, h, w)`` of the largest objects."""
    ids, counts = np.unique(label_map[label_map > 0], return_counts=True)
    height, width = frame.shape[-2:]
    planes = [
        cv2.resize((label_map == each).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        for each in ids[np.argsort(-counts)][:MOST_OBJECTS]
    ]
    return torch.from_numpy(np.stack(planes)).to(frame.device)
