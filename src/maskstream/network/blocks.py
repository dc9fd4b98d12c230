"""Small layers that several rooms of the network share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskstream.network import winograd


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps the size; at inference it takes a faster way if there is one."""

    def __init__(self, width: int, out: int, *, bias: bool = True) -> None:
        super().__init__(width, out, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, width, H, W)`` to ``(B, out, H, W)``."""
        if torch.is_inference_mode_enabled() and winograd.pays(x, self.out_channels):
            return winograd.conv3x3(x, self.weight, self.bias)
        return super().forward(x)


def conv3x3(width: int, out: int, *, norm: bool = False, dilation: int = 1) -> nn.Module:
    """A 3x3 convolution that keeps the size; with ``norm``, a batch norm takes the place of the bias."""
    conv: nn.Module
    if dilation == 1:
        conv = Conv3x3(width, out, bias=not norm)
    else:
        conv = nn.Conv2d(width, out, 3, padding=dilation, dilation=dilation, bias=not norm)
    return nn.Sequential(conv, nn.BatchNorm2d(out)) if norm else conv


def conv_norm_relu(width: int, out: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    """A 3x3 convolution, batch norm, ReLU."""
    return (
        nn.Conv2d(width, out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class NormedResidualBlock(nn.Module):
    """ResNet's basic block: conv, norm, ReLU, conv, norm, add, ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(width, width, norm=True)
        self.conv2 = conv3x3(width, width, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape."""
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class ResBlock(nn.Module):
    """STM's pre-activation block: x + conv(ReLU(conv(ReLU(x))))."""

    def __init__(self, width: int, *, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = conv3x3(width, width, norm=norm)
        self.conv2 = conv3x3(width, width, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape."""
        branch: Tensor = self.conv2(F.relu(self.conv1(F.relu(x)), inplace=True))
        return x + branch


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear, ``align_corners=False``."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
