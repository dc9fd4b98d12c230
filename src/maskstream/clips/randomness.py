"""Random numbers for clips, all from one generator, whose state is all that a resumed training needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Draws:
    """Draws on the generator's device, results on the clips' device.

    Args:
        generator: where every random number comes from.
        device: where the results are needed.

    Attributes:
        device: the same.
    """

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self._generator = generator
        self.device = device

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform float32 in ``[low, high)``."""
        drawn = torch.rand(*shape, generator=self._generator, device=self._generator.device)
        return drawn.mul_(high - low).add_(low).to(self.device)

    def log_uniform(self, shape: Sequence[int], low: float, high: float) -> Tensor:
        """Log-uniform float32 between two positive bounds."""
        return self.uniform(shape, math.log(low), math.log(high)).exp_()

    def normal(self, shape: Sequence[int], spread: float = 1.0) -> Tensor:
        """Normal float32 around 0, cut at two and a half spreads so that no clip is absurd."""
        drawn = torch.randn(*shape, generator=self._generator, device=self._generator.device)
        return drawn.clamp_(-2.5, 2.5).mul_(spread).to(self.device)

    def chance(self, shape: Sequence[int], probability: float) -> Tensor:
        """Bool, true with the given probability."""
        return self.uniform(shape) < probability

    def below(self, bound: Tensor) -> Tensor:
        """Integers uniform in ``[0, bound)``, one for each element of ``bound`` (int64, at least 1)."""
        return (self.uniform(bound.shape) * bound).long().minimum(bound - 1)

    def weighted(self, weights: Tensor, count: int) -> Tensor:
        """``count`` indices into ``weights``, drawn with replacement."""
        if count == 0:
            return torch.zeros(0, dtype=torch.int64, device=self.device)
        chosen = torch.multinomial(
            weights.to(self._generator.device, torch.float32),
            count,
            replacement=True,
            generator=self._generator,
        )
        return chosen.to(self.device)

    def choose(self, available: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Up to ``count`` different columns of each row of a bool matrix.

        Args:
            available: ``(n, m)`` bool.
            count: how many to choose.

        Returns:
            ``(n, count)`` int64 columns and ``(n, count)`` bool telling which of them were available.
        """
        count = min(count, available.shape[1])
        priority = self.uniform(available.shape, 0.1, 1.0) * available
        best = priority.topk(count, dim=1)
        return best.indices, best.values > 0
