"""Frame to key, value and skips; frame and masks to a memory frame."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskstream.network.backbone import IMAGENET_MEAN, IMAGENET_STD, build_trunk
from maskstream.network.blocks import conv_norm_relu
from maskstream.network.config import NetworkConfig
from maskstream.network.memory_read import Index, pick


class Normalise(nn.Module):
    """RGB 0..1 to zero mean, unit variance (by constants that are kept in the state dict, as STM does)."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, frame: Tensor) -> Tensor:
        """``(B, 3, H, W)`` 0..1 to the same shape, normalised."""
        return (frame - self.mean) / self.std


class KeyProjection(nn.Module):
    """The key head: 3x3 convolution; and, for ``l2`` memory keys, the shrinkage head (XMem's ``d_proj``)."""

    def __init__(self, width: int, config: NetworkConfig, *, memory: bool) -> None:
        super().__init__()
        self.key = nn.Conv2d(width, config.key_dim, 3, padding=1)
        shrinks = memory and config.similarity == "l2"
        self.shrinkage = nn.Conv2d(width, 1, 3, padding=1) if shrinks else None

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor | None]:
        """``(B, C, h, w)`` to key ``(B, Ck, h, w)`` and shrinkage ``(B, 1, h, w)`` >= 1, or None."""
        shrinkage = None if self.shrinkage is None else self.shrinkage(feature).square() + 1
        return self.key(feature), shrinkage


class ImageEncoder(nn.Module):
    """The query side: trunk, key and value of the current frame."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.trunk = build_trunk(config, finest=2 if config.refinement else 4)
        self.normalise = Normalise(self.trunk.mean, self.trunk.std)
        width = self.trunk.channels[16]
        self.key = KeyProjection(width, config, memory=config.shared_key)
        self.value = nn.Conv2d(width, config.value_dim, 3, padding=1)

    def forward(self, frame: Tensor) -> dict[int, Tensor]:
        """``(B, 3, H, W)`` RGB 0..1 to the trunk's features by stride."""
        features: dict[int, Tensor] = self.trunk(self.normalise(frame))
        return features


class FullMemoryEncoder(nn.Module):
    """STM's memory encoder: a trunk of its own, which sees frame, object mask and others."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.trunk = build_trunk(config, finest=16, masks=True)
        self.normalise = Normalise(self.trunk.mean, self.trunk.std)
        width = self.trunk.channels[16]
        self.key = None if config.shared_key else KeyProjection(width, config, memory=True)
        self.value = nn.Conv2d(width, config.value_dim, 3, padding=1)

    def forward(
        self, frame: Tensor, feature: Tensor, masks: Tensor, others: Tensor, index: Index
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """One memory frame; see ``SegmentationNetwork.memorize``."""
        image = pick(self.normalise(frame), index)
        image = image.expand(masks.shape[0], -1, -1, -1)
        deep = self.trunk(image, masks, others)[16]
        key, shrinkage = (None, None) if self.key is None else self.key(deep)
        return key, shrinkage, self.value(deep)


class LightMemoryEncoder(nn.Module):
    """The frame's features that the image encoder has already, joined by a small branch for the masks."""

    def __init__(self, config: NetworkConfig, image_width: int) -> None:
        super().__init__()
        widths = (2, *config.mask_widths)
        steps = pairwise(widths)
        self.masks = nn.Sequential(*(layer for a, b in steps for layer in conv_norm_relu(a, b, stride=2)))
        width = config.value_dim
        self.fuse = nn.Sequential(*conv_norm_relu(image_width + widths[-1], width))
        self.refine = nn.Sequential(*conv_norm_relu(width, width))
        self.value = nn.Conv2d(width, width, 3, padding=1)

    def forward(
        self, frame: Tensor, feature: Tensor, masks: Tensor, others: Tensor, index: Index
    ) -> tuple[None, None, Tensor]:
        """One memory frame; see ``SegmentationNetwork.memorize``."""
        branch = self.masks(torch.cat([masks, others], 1).to(feature.dtype))
        image = pick(feature, index).expand(masks.shape[0], -1, -1, -1)
        fused = self.fuse(torch.cat([image, branch], 1))
        return None, None, self.value(F.relu(fused + self.refine(fused)))
