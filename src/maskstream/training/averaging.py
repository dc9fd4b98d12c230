"""The exponential moving average of weights, which is what is evaluated and shipped."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch

from maskstream.network.model import SegmentationNetwork
from maskstream.network.subject_network import SubjectNetwork

Net = TypeVar("Net", SegmentationNetwork, SubjectNetwork)


class Average(Generic[Net]):
    """A copy of a network whose weights follow it slowly.

    Args:
        network: what to follow.
        decay: share of the old average that each update keeps, once warm; early updates keep less.
    """

    def __init__(self, network: Net, decay: float) -> None:
        self.network: Net = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: Net, step: int) -> None:
        """Move towards ``network`` after its ``step``-th update."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for ours, theirs in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if ours.dtype.is_floating_point:
                ours.lerp_(theirs.detach(), 1 - keep)
            else:
                ours.copy_(theirs)
