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
_COLOUR_COARSER = 1.5  # quantiser step of colour over that of brightness
_SHAKE_INSTANTS = (-0.5, -0.3, -0.1, 0.1, 0.3, 0.5)  # along the line of a shaken frame


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
    exposure = _exposure(draws, clips, count, config)
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
    matrix = matrix * exposure[..., None, None]
    offset = (0.5 * (1 - contrast) + brightness) * exposure

    for clip in range(clips):
        # A clip at a time: temporaries then stay in a processor's cache.
        flat = frames[clip].flatten(2)
        flat.copy_(torch.baddbmm(offset[clip, :, None, None], matrix[clip], flat)).clamp_(0, 1)
        flat.addcmul_(flat - flat * flat, tone[clip, :, None, None].clamp(-0.9, 0.9))


def _exposure(draws: Draws, clips: int, count: int, config: ClipConfig) -> Tensor:
    """``(clips, count)`` factors of brightness that jump at a frame, for good or for that frame alone."""
    place = 1 + draws.below(torch.full((clips, 1), max(1, count - 1), device=draws.device))
    moment = torch.arange(count, device=draws.device)
    changed = torch.where(draws.chance((clips, 1), 0.5), moment >= place, moment == place)
    gain = draws.normal((clips, 1), config.exposure_gain) * draws.chance((clips, 1), config.exposure)
    return (gain * changed).exp()


def degrade(frames: Tensor, config: ClipConfig, draws: Draws) -> None:
    """Shake, soften, compress or add noise to some of the clips, then clamp all to 0..1.

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
    line = draws.log_uniform(clips, *config.shake_length) * draws.chance(clips, config.shake)
    pulses = draws.normal(frames.shape[:2], config.compress_pulse).exp()
    # Each frame of a shaken clip along a line of its own, some hardly.
    lines = draws.normal((*frames.shape[:2], 2), 0.5) * line[:, None, None] * frames.shape[-2]
    plan = torch.stack([line, soften, step, level, start], 1).tolist()
    for index, (clip, (shake, factor, quantiser, spread, place)) in enumerate(zip(frames, plan, strict=True)):
        if shake > 0:
            _shake(clip, lines[index])
        if factor > 1:
            _soften(clip, factor)
        if spread > 0:
            bank = _noise(clip.numel(), clip.device)
            first = int(place * (bank.numel() - clip.numel()))
            clip.add_(bank[first : first + clip.numel()].view_as(clip), alpha=spread)
        if quantiser > 0:
            _compress(clip, quantiser * pulses[index])
        clip.clamp_(0, 1)


def _shake(clip: Tensor, lines: Tensor) -> None:
    """Blur each frame along a line, given by its vector in pixels ``(T, 2)``, about its middle."""
    count, _, height, width = clip.shape
    moved = torch.eye(2, 3, device=clip.device).repeat(count, 1, 1)
    shift = 2 * lines / torch.tensor([width, height], device=clip.device)
    blurred = torch.zeros_like(clip)
    for instant in _SHAKE_INSTANTS:
        moved[:, :, 2] = instant * shift
        points = F.affine_grid(moved, [count, 3, height, width], align_corners=False)
        blurred += F.grid_sample(clip, points, padding_mode="reflection", align_corners=False)
    clip.copy_(blurred.div_(len(_SHAKE_INSTANTS)))


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


def _compress(clip: Tensor, steps: Tensor) -> None:
    """Quantise 8 x 8 DCT blocks of brightness, coarser with frequency, and of colour at half the resolution.

    Args:
        clip: ``(T, 3, H, W)``, changed in place.
        steps: ``(T,)`` quantiser step of each frame's lowest frequencies.
    """
    weights = torch.tensor(_LUMA, device=clip.device).view(3, 1, 1)
    luma = (clip * weights).sum(1, keepdim=True)
    # The distances of red and blue from brightness say all about colour.
    colour = F.avg_pool2d(clip[:, ::2] - luma, 2)
    _quantise(luma, steps)
    _quantise(colour, steps * _COLOUR_COARSER)
    red, blue = F.interpolate(colour, size=clip.shape[-2:], mode="bilinear").unbind(1)
    green = -(_LUMA[0] * red + _LUMA[2] * blue) / _LUMA[1]
    torch.add(luma, torch.stack([red, green, blue], 1), out=clip)


def _quantise(planes: Tensor, steps: Tensor) -> None:
    """Quantise the 8 x 8 DCT blocks of ``(T, C, H, W)`` in place; what doesn't fill a block stays."""
    basis, relative = _cosines(planes.device)
    rows, columns = planes.shape[-2] // _BLOCK, planes.shape[-1] // _BLOCK
    whole = planes[..., : rows * _BLOCK, : columns * _BLOCK]
    split = torch.unflatten(torch.unflatten(whole, -1, (columns, _BLOCK)), -3, (rows, _BLOCK))
    blocks = split.transpose(3, 4)
    steps = relative * steps.view(-1, 1, 1, 1, 1)
    coded = (blocks.flatten(-2) @ basis.T).div_(steps).round_().mul_(steps)
    blocks.copy_((coded @ basis).view(blocks.shape))
