"""Atrous spatial pyramid pooling after the memory read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskstream.network.blocks import conv3x3

DILATIONS = (1, 2, 4, 8)


class ASPP(nn.Module):
    """Four branches that see 1, 5, 9 and 17 cells, merged (DeepLab v3's module without global pooling).

    As in DeepLab, the branch of dilation 1 is a 1x1 convolution.
    """

    def __init__(self, width: int, branch: int, out: int, *, norm: bool) -> None:
        super().__init__()
        self.point = nn.Conv2d(width, branch, 1)
        self.atrous = nn.ModuleList(conv3x3(width, branch, norm=norm, dilation=d) for d in DILATIONS[1:])
        self.merge = nn.Conv2d(branch * len(DILATIONS), out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(M, width, h, w)`` to ``(M, out, h, w)``."""
        branches = [self.point(x), *(branch(x) for branch in self.atrous)]
        merged: Tensor = self.merge(F.relu(torch.cat(branches, 1)))
        return merged
