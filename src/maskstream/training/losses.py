"""Losses on aggregated probabilities: bootstrapped cross-entropy and dice."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from maskstream.clips.tensors import VOID


def bootstrapped_cross_entropy(log_odds: Tensor, labels: Tensor, share: float) -> Tensor:
    """Cross-entropy over the hardest pixels of each clip.

    Args:
        log_odds: ``(B, K + 1, H, W)`` unnormalised, background first.
        labels: ``(B, H, W)`` uint8 ids 0..K; 255 is ignored.
        share: of each clip's pixels that count, 0..1; 1 counts all.

    Returns:
        Scalar.
    """
    target = labels.long().masked_fill(labels == VOID, -1)
    loss = F.cross_entropy(log_odds.float(), target, ignore_index=-1, reduction="none").flatten(1)
    if share < 1:
        loss = loss.topk(max(1, int(share * loss.shape[1])), dim=1).values
        return loss.mean()
    known = (target.flatten(1) >= 0).sum(1).clamp(min=1)
    return (loss.sum(1) / known).mean()


def dice(probabilities: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """One minus the soft Dice coefficient, averaged over objects.

    Args:
        probabilities: ``(M, H, W)``, 0..1.
        truth: ``(M, H, W)`` bool or 0..1.
        known: ``(M, H, W)`` 1 where the truth is known, 0 where void.

    Returns:
        Scalar.
    """
    probabilities, truth = probabilities * known, truth * known
    overlap = 2 * (probabilities * truth).sum((1, 2)) + 1
    return (1 - overlap / (probabilities.sum((1, 2)) + truth.sum((1, 2)) + 1)).mean()


def soft_iou(probabilities: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """IoU of the masks at 0.5, averaged over objects: a figure for the log, no loss."""
    predicted, actual = (probabilities > 0.5) & (known > 0), (truth > 0.5) & (known > 0)
    union = (predicted | actual).sum((1, 2))
    both = (predicted & actual).sum((1, 2))
    return torch.where(union > 0, both / union.clamp(min=1), torch.ones_like(union, dtype=torch.float)).mean()
