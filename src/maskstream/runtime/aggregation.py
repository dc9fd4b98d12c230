"""Soft aggregation in numpy, for runtimes without torch."""

from __future__ import annotations

import numpy as np

from maskstream.arrays import Floats

LEAST_PROBABILITY = 1e-7


def soft_aggregate(logits: Floats) -> Floats:
    """Probabilities of objects that compete for pixels, from each one's own logit (STM, Oh et al. 2019).

    The background's own probability is that of no object being there; all are clamped to [1e-7, 1 - 1e-7],
    and their odds, normalised to sum 1, are the result.

    Args:
        logits: ``(N, H, W)``.

    Returns:
        ``(N, H, W)`` float32; the background has the rest.
    """
    limit = np.float32(np.log((1 - LEAST_PROBABILITY) / LEAST_PROBABILITY))
    odds: Floats = np.exp(np.clip(logits, -limit, limit, dtype=np.float32))
    # 1 - p = 1 / (1 + odds) keeps the digits that 1 - p loses where p is almost 1.
    background = np.prod(1 / (1 + odds), axis=0)
    np.clip(background, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY, out=background)
    odds /= odds.sum(0) + background / (1 - background)
    return odds
