"""Colour changes and mild loss of quality of finished clips, in place."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from maskstream.clips.clip_config import ClipConfig
from maskstream.clips.randomness import Draws

_LUMA = (0.299, 0.587, 0.114)
_BLOCK = 8


def jitter(frames: Tensor, config: ClipConfig, draws: Draws) -> None:
    """Change brightness, contrast, saturation, hue and mid-tones for a clip, and a little for each frame.

    Args:
        frames: ``(B, T, 3, H, W)`` float32 0..1, changed in place.
        config: spreads.
        draws: random numbers.
    """
    clips, count = frames.shape[:2]

    def varied(spread: float) -> Tensor:
        return draws.normal((clips, 1), spread) + draws.normal((clips, count), spread * config.frame_jitter)

    contrast = varied(config.contrast).exp()
    brightness, hue, tone = varied(config.brightness), varied(config.hue), varied(config.tone)
    saturation = draws.uniform((clips, 1), *config.saturation)
    saturation = saturation.masked_fill(draws.chance((clips, 1), config.grey), 0.0).expand(-1, count)

    eye = torch.eye(3, device=frames.device)
    luma = torch.tensor(_LUMA, device=frames.device).expand(3, 3)
    # Rotation about the grey axis (Rodrigues): grey stays grey.
    axis = torch.tensor(
        [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=frames.device
    ) / math.sqrt(3)
    cos, sin = (f(torch.deg2rad(hue))[..., None, None] for f in (torch.cos, torch.sin))
    turn = cos * eye + sin * axis + (1 - cos) / 3
    matrix = (luma + saturation[..., None, None] * (eye - luma)) @ turn * contrast[..., None, None]
    offset = 0.5 * (1 - contrast) + brightness

    for clip in range(clips):
        # A clip at a time: temporaries then stay in a processor's cache.
        flat = frames[clip].flatten(2)
        flat.copy_(torch.baddbmm(offset[clip, :, None, None], matrix[clip], flat)).clamp_(0, 1)
        flat.addcmul_(flat - flat * flat, tone[clip, :, None, None].clamp(-0.9, 0.9))


def degrade(frames: Tensor, config: ClipConfig, draws: Draws) -> None:
    """Soften, compress or add noise to some of the clips, then clamp all to 0..1.

    Args:
        frames: ``(B, T, 3, H, W)`` float32, changed in place.
        config: chances and levels.
        draws: random numbers.
    """
    clips = (frames.shape[0],)
    soften = torch.where(draws.chance(clips, config.soften), draws.uniform(clips, *config.soften_factor), 1.0)
    step = draws.uniform(clips, *config.compress_step) * draws.chance(clips, config.compress)
    level = draws.uniform(clips, *config.noise_level) * draws.chance(clips, config.noise)
    start = draws.uniform(clips)
    plan = torch.stack([soften, step, level, start], 1).tolist()
    for clip, (factor, quantiser, spread, place) in zip(frames, plan, strict=True):
        if factor > 1:
            _soften(clip, factor)
        if spread > 0:
            bank = _noise(clip.numel(), clip.device)
            first = int(place * (bank.numel() - clip.numel()))
            clip.add_(bank[first : first + clip.numel()].view_as(clip), alpha=spread)
        if quantiser > 0:
            _compress(clip, quantiser)
        clip.clamp_(0, 1)


def _soften(clip: Tensor, factor: float) -> None:
    height, width = clip.shape[-2:]
    small = F.interpolate(clip, (round(height / factor), round(width / factor)), mode="bilinear")
    clip.copy_(F.interpolate(small, (height, width), mode="bilinear"))


@lru_cache(maxsize=8)
def _noise(count: int, device: torch.device) -> Tensor:
    """Fixed normal noise, read from a random place: far cheaper than fresh noise for every pixel."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count + 100_003, generator=generator).to(device)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> tuple[Tensor, Tensor]:
    """The orthonormal DCT-II of flattened 8 x 8 blocks, ``(64, 64)``, and its quantiser's relative steps."""
    k = torch.arange(_BLOCK, dtype=torch.float32, device=device)
    basis = torch.cos(math.pi / _BLOCK * (k + 0.5) * k[:, None]) * math.sqrt(2 / _BLOCK)
    basis[0] /= math.sqrt(2)
    return torch.kron(basis, basis), (1 + k + k[:, None]).flatten()


def _compress(clip: Tensor, step: float) -> None:
    """Quantise 8 x 8 DCT blocks, coarser with frequency, as JPEG and most video codecs do."""
    basis, steps = _cosines(clip.device)
    steps = steps * step
    frames, colours, height, width = clip.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    blocks = clip.view(frames, colours, rows, _BLOCK, columns, _BLOCK).transpose(3, 4)
    coded = (blocks.reshape(-1, _BLOCK**2) @ basis.T).div_(steps).round_().mul_(steps)
    blocks.copy_((coded @ basis).view(blocks.shape))
