"""The subject network: a frame alone to the probability that a pixel is of its subject, people first."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from maskstream.network.aspp import ASPP
from maskstream.network.backbone import PlainTrunk
from maskstream.network.blocks import NormedResidualBlock, conv_norm_relu, upsample
from maskstream.network.frame_encoders import Normalise
from maskstream.network.subject_config import SubjectConfig

OUTPUT_STRIDE = 4  #: of the logits


class GlobalContext(nn.Module):
    """What the whole frame is about: an ASPP at 1/32, and the mean over the frame added to every cell.

    ParseNet's global feature (Liu et al. 2015) beside DeepLab v3's pyramid; the mean is added, not
    concatenated, after a projection.
    """

    def __init__(self, width: int, branch: int) -> None:
        super().__init__()
        self.aspp = ASPP(width, branch, width, norm=True)
        self.mean = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` to the same shape."""
        mean = self.mean(x.mean((2, 3), keepdim=True))
        return F.relu(x + self.aspp(x) + mean)


class Finer(nn.Module):
    """One step of the decoder: double the size, add the trunk's features, one residual block."""

    def __init__(self, width: int, skip: int, out: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(width, out, 1)
        self.skip = nn.Conv2d(skip, out, 1)
        self.block = NormedResidualBlock(out)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        """``(B, width, h, w)`` and ``(B, skip, 2h, 2w)`` to ``(B, out, 2h, 2w)``."""
        finer: Tensor = self.block(F.relu(self.skip(feature) + upsample(self.narrow(x), 2)))
        return finer


class SubjectNetwork(nn.Module):
    """`live`'s trunk, a global context and a light decoder; no prompt, no memory."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = PlainTrunk(config.trunk_widths, config.trunk_depths)
        width = config.context_width
        self.deepen = nn.Sequential(
            *conv_norm_relu(config.trunk_widths[-1], width, stride=2),
            *(NormedResidualBlock(width) for _ in range(config.context_depth)),
        )
        self.context = GlobalContext(width, config.aspp_width)
        steps = []
        for stride, out in zip((16, 8, 4), config.decoder_width, strict=True):
            steps.append(Finer(width, self.trunk.channels[stride], out))
            width = out
        self.finer = nn.ModuleList(steps)
        self.predict = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of the subject.

        Args:
            frames: ``(B, 3, H, W)`` RGB 0..1, H and W multiples of 32.

        Returns:
            ``(B, H/4, W/4)``; the probability is the sigmoid.
        """
        features = self.trunk(self.normalise(frames))
        x = self.context(self.deepen(features[16]))
        for stride, finer in zip((16, 8, 4), self.finer, strict=True):
            x = finer(x, features[stride])
        logits: Tensor = self.predict(x)
        return logits[:, 0]
