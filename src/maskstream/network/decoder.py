"""From read-out to one logit map for each object."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from maskstream.network.blocks import ResBlock, conv3x3, upsample
from maskstream.network.config import NetworkConfig
from maskstream.network.memory_read import Index, pick


def mask_pyramid(masks: Tensor) -> dict[int, Tensor]:
    """Masks ``(M, 1, H, W)`` area-resized to 1/4, 1/8 and 1/16, by stride."""
    quarter = F.avg_pool2d(masks, 4)
    eighth = F.avg_pool2d(quarter, 2)
    return {4: quarter, 8: eighth, 16: F.avg_pool2d(eighth, 2)}


class SkipBranch(nn.Module):
    """The image-only half of STM's Refine block: computed once a frame, whatever the number of objects.

    At depth 0 it is a single 1x1 convolution.
    """

    def __init__(self, width: int, out: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv = conv3x3(width, out) if config.skip_depth else nn.Conv2d(width, out, 1)
        self.blocks = nn.Sequential(
            *(ResBlock(out, norm=config.decoder_norm) for _ in range(config.skip_depth))
        )

    def forward(self, feature: Tensor) -> Tensor:
        """``(B, width, h, w)`` to ``(B, out, h, w)``."""
        skip: Tensor = self.blocks(self.conv(feature))
        return skip


class Merge(nn.Module):
    """The per-object half of STM's Refine block: double the size, add the skip, one residual block."""

    def __init__(self, width: int, out: int, config: NetworkConfig, *, shows_mask: bool) -> None:
        super().__init__()
        self.narrow = nn.Identity() if width == out else nn.Conv2d(width, out, 1)
        self.mask = nn.Conv2d(1, out, 3, padding=1) if shows_mask else None
        self.block = ResBlock(out, norm=config.decoder_norm)

    def forward(self, x: Tensor, skip: Tensor, previous_mask: Tensor | None) -> Tensor:
        """One step finer.

        Args:
            x: ``(M, width, h, w)``.
            skip: ``(M or 1, out, 2h, 2w)``.
            previous_mask: ``(M, 1, 2h, 2w)``, for a merge that shows it.

        Returns:
            ``(M, out, 2h, 2w)``.
        """
        merged = skip + upsample(self.narrow(x), 2)
        if self.mask is not None and previous_mask is not None:
            merged = merged + self.mask(previous_mask.to(merged.dtype))
        out: Tensor = self.block(merged)
        return out


class Decoder(nn.Module):
    """STM's decoder; with ``refinement`` it continues to 1/2.

    STM predicts two channels, background and object; their difference is the logit.
    """

    def __init__(self, config: NetworkConfig, width: int, channels: dict[int, int]) -> None:
        super().__init__()
        self.strides = (8, 4, 2) if config.refinement else (8, 4)
        widths = config.decoder_width
        self.fuse = conv3x3(width, widths[0], norm=config.decoder_norm)
        self.block = ResBlock(widths[0], norm=config.decoder_norm)
        self.skips = nn.ModuleList(
            SkipBranch(channels[s], out, config) for s, out in zip(self.strides, widths[1:], strict=False)
        )
        self.merges = nn.ModuleList(
            Merge(a, b, config, shows_mask=config.previous_mask_skip and s > 2)
            for s, a, b in zip(self.strides, widths, widths[1:], strict=False)
        )
        self.predict = nn.Conv2d(widths[len(self.strides)], 2, 3, padding=1)

    def image_branches(self, features: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """The skips at 1/8, 1/4 (and 1/2), from the trunk's features."""
        return tuple(
            branch(features[stride]) for stride, branch in zip(self.strides, self.skips, strict=True)
        )

    def forward(
        self, x: Tensor, skips: tuple[Tensor, ...], previous_masks: dict[int, Tensor], index: Index
    ) -> Tensor:
        """Logits.

        Args:
            x: ``(M, width, h, w)`` at 1/16.
            skips: ``(B, C, H/stride, W/stride)`` each, from ``image_branches``.
            previous_masks: by stride, ``(M, 1, H/stride, W/stride)``, 0..1; see ``mask_pyramid``.
            index: ``(M,)`` each object's frame in the batch, or None for a single frame.

        Returns:
            ``(M, H, W)``.
        """
        x = self.block(self.fuse(x))
        for stride, merge, skip in zip(self.strides, self.merges, skips, strict=True):
            x = merge(x, pick(skip, index), previous_masks.get(stride))
        scores = upsample(self.predict(F.relu(x)).float(), self.strides[-1])
        return scores[:, 1] - scores[:, 0]
