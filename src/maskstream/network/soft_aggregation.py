"""Soft aggregation: one probability map for each object, each ignorant of the others, to a distribution.

STM's rule (Oh et al., ICCV 2019): the background's probability is the product of (1 - p); all are clamped,
turned into odds and normalised.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CLAMP = 1e-7


def object_probability(logits: Tensor) -> Tensor:
    """Each object against its background: the softmax of (0, logit), rounded as STM's two channels are."""
    return torch.softmax(torch.stack([torch.zeros_like(logits), logits]), 0)[1]


def soft_aggregate(logits: Tensor, empty_slots: int = 0) -> Tensor:
    """Probabilities of background and objects, which sum to one.

    Args:
        logits: ``(..., N, H, W)``, one map for each object.
        empty_slots: objects that are never there but take part. The published STM has room for ten and lets
            the unused ones enter with odds of 1e-7 each; exact parity needs them, nothing else does.

    Returns:
        ``(..., N + 1, H, W)``, background first.
    """
    p = object_probability(logits)
    background = torch.prod(1 - p, -3, keepdim=True)
    empty = p.new_zeros(*p.shape[:-3], empty_slots, *p.shape[-2:])
    together = torch.cat([background, p, empty], -3).clamp(CLAMP, 1 - CLAMP)
    shares = torch.softmax(torch.log(together / (1 - together)), -3)
    return shares[..., : p.shape[-3] + 1, :, :]


def log_aggregate(logits: Tensor) -> Tensor:
    """The log-odds that ``soft_aggregate`` takes the softmax of, for losses.

    Stable in half-confident and saturated regions alike: the log-odds of an object are its logit, and a very
    low one keeps its gradient.

    Args:
        logits: ``(..., N, H, W)``, one map for each object; far below zero for one that a clip doesn't have.

    Returns:
        ``(..., N + 1, H, W)``, background first, not normalised.
    """
    limit = -math.log(CLAMP)
    # The background's probability b is a product, its logarithm a sum; its log-odds are log(b / (1 - b)).
    log_background = -F.softplus(logits).sum(-3, keepdim=True).clamp(CLAMP, limit)
    odds = log_background - torch.log(-torch.expm1(log_background))
    return torch.cat([odds, logits.clamp(max=limit)], -3)
