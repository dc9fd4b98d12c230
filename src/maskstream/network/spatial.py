"""The spatial constraint: where the object was a frame ago says where its read-out can be trusted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OPEN = 2.0  #: first bias of the gate: sigmoid(2) = 0.88, near identity
EMPTY = 0.01  #: a previous mask that nowhere exceeds this at 1/16 says nothing about the place


class SpatialConstraint(nn.Module):
    """Feature and previous mask, concatenated, convolved to one channel, sigmoid, multiplied back.

    The rule is DAMO's (Zhang et al., DAVIS workshop 2020). Ours are the place (each object's read-out, so
    that matching stays global), the start near identity, that the gate sees features of unit level (on raw
    ones it grew with them until it stood open everywhere and learned no more), and that an empty previous
    mask opens it: an object that left the frame must be able to come back anywhere.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(width + 1, 1, 3, padding=1)
        nn.init.normal_(self.gate.weight, std=0.01)
        self.gate.bias = nn.Parameter(torch.full((1,), OPEN))

    def attention(self, feature: Tensor, mask: Tensor) -> Tensor:
        """The attention map ``(M, 1, h, w)``, 0..1.

        Args:
            feature: ``(M, C, h, w)``.
            mask: ``(M, 1, h, w)`` the previous frame's mask, 0..1.
        """
        level = feature.float().square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-6)
        unit = feature / level.to(feature.dtype)
        gate = torch.sigmoid(self.gate(torch.cat([unit, mask.to(feature.dtype)], 1)))
        seen = (mask.amax((2, 3), keepdim=True) > EMPTY).to(gate.dtype)
        return gate * seen + (1 - seen)

    def forward(self, feature: Tensor, mask: Tensor) -> Tensor:
        """The feature ``(M, C, h, w)``, gated."""
        return feature * self.attention(feature, mask)
