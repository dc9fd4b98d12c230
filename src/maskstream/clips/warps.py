"""Smooth motion as sampling grids: where each pixel of a clip is found in its source.

Positions are in units of half the height, from the centre: a picture of aspect ``a`` covers
``[-a, a] x [-1, 1]``. A motion is evaluated on a coarse lattice of nodes and stretched to all pixels by
linear interpolation, exact for the affine part; the non-rigid part is a coarse random displacement, cubically
interpolated (it does the work of the thin-plate splines in the static pre-training of STCN and XMem, at a
fraction of their cost).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maskstream.clips.randomness import Draws
from maskstream.clips.tensors import VOID

_NODE_PIXELS = 16  # spacing of the lattice
_STRAIGHTENING = 4.0  # gaps after which a path accelerates half as much
_WARP_NODES = 4  # of the random displacement, along each side


def times(draws: Draws, count: int, frames: int) -> Tensor:
    """``(count, frames)`` uneven times of the frames, 0 for the first, about one for each gap."""
    gaps = draws.uniform((count, frames - 1), 0.4, 1.6)
    return F.pad(gaps.cumsum(1), (1, 0))


def path(draws: Draws, time: Tensor, size: int) -> Tensor:
    """A random smooth path with velocity and acceleration, 0 at time 0, unit spread for one gap.

    Args:
        draws: random numbers.
        time: ``(n, T)`` from `times`.
        size: number of coordinates.

    Returns:
        ``(n, T, size)``.
    """
    velocity = draws.normal((time.shape[0], 1, size))
    bend = draws.normal((time.shape[0], 1, size), 0.35)
    late = time[..., None]
    # Squares alone would leave nothing of a picture by the fifth frame.
    return velocity * late + bend * late**2 / (1 + late / _STRAIGHTENING)


def linear_map(scale: Tensor, angle: Tensor, shear: Tensor, mirror: Tensor) -> Tensor:
    """Rotation, scale, shear and mirroring as matrices.

    Args:
        scale: factor, any shape.
        angle: degrees, the same shape.
        shear: the same shape.
        mirror: bool, the same shape.

    Returns:
        ``(..., 2, 2)``.
    """
    radians = torch.deg2rad(angle)
    cos, sin = radians.cos() * scale, radians.sin() * scale
    sign = 1.0 - 2.0 * mirror.to(scale.dtype)
    rows = [
        torch.stack([cos * sign, cos * shear - sin], -1),
        torch.stack([sin * sign, sin * shear + cos], -1),
    ]
    return torch.stack(rows, -2)


def nodes(height: int, width: int, device: torch.device) -> Tensor:
    """``(gh, gw, 2)`` positions (x, y) in ``[-1, 1]``, from corner pixel to corner pixel (their centres)."""
    x = torch.linspace(-1 + 1 / width, 1 - 1 / width, width // _NODE_PIXELS + 1, device=device)
    y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height // _NODE_PIXELS + 1, device=device)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def displacement(draws: Draws, time: Tensor, strength: Tensor) -> Tensor:
    """A low-frequency displacement that grows along a random smooth path.

    Args:
        draws: random numbers.
        time: ``(n, T)`` from `times`.
        strength: ``(n,)`` spread for one gap.

    Returns:
        ``(n, T, 2, 4, 4)`` for `evaluate`.
    """
    coarse = path(draws, time, 2 * _WARP_NODES**2) * strength[:, None, None]
    return coarse.view(*time.shape, 2, _WARP_NODES, _WARP_NODES)


def evaluate(warp: Tensor, height: int, width: int) -> Tensor:
    """A displacement on the lattice of `nodes`: ``(..., 2, 4, 4)`` to ``(..., gh, gw, 2)``."""
    size = (height // _NODE_PIXELS + 1, width // _NODE_PIXELS + 1)
    fine = F.interpolate(warp.flatten(0, -4), size, mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1).reshape(*warp.shape[:-3], *size, 2)


@lru_cache(maxsize=64)
def _stretch(pixels: int, count: int, device: torch.device) -> Tensor:
    """``(pixels, count)`` weights of linear interpolation from nodes to pixels."""
    place = torch.linspace(0, count - 1, pixels, device=device)
    return (1 - (place[:, None] - torch.arange(count, device=device)).abs()).clamp_(min=0)


class Grid(NamedTuple):
    """Where views find their pixels, for ``grid_sample``.

    Attributes:
        points: ``(n, K * H, W, 2)``, coordinates in ``[-1, 1]`` inside the source; K views share a source.
        leaves: ``(n,)`` bool, whether any view goes beyond the source's border.
    """

    points: Tensor
    leaves: Tensor


def grid(lattice: Tensor, aspect: Tensor, height: int, width: int) -> Grid:
    """Source positions on lattices to one grid.

    Args:
        lattice: ``(n, K, gh, gw, 2)`` positions in the source, in half heights; K views share a source.
        aspect: ``(n,)`` width / height of the sources.
        height: rows of a view.
        width: columns of a view.
    """
    x, y = lattice.unbind(-1)
    squashed = torch.stack([x / aspect.view(-1, 1, 1, 1), y], 1)
    rows = _stretch(height, lattice.shape[-3], lattice.device)
    columns = _stretch(width, lattice.shape[-2], lattice.device)
    points = (rows @ squashed @ columns.T).flatten(2, 3).movedim(1, -1)
    return Grid(points, squashed.abs().flatten(1).amax(1) > 1)


def sample_image(source: Tensor, points: Tensor, padding: str = "reflection") -> Tensor:
    """Bilinear samples of ``(n, C, h, w)`` float at ``(n, H, W, 2)``, as ``(n, C, H, W)``."""
    return F.grid_sample(source, points, mode="bilinear", padding_mode=padding, align_corners=False)


def sample_pictures(pictures: Tensor, which: Tensor, points: Tensor, out: Tensor) -> None:
    """Bilinear samples of some of many pictures, reflected at their borders.

    Args:
        pictures: ``(N, 3, h, w)`` uint8.
        which: ``(n,)`` int64 indices.
        points: ``(n, K * H, W, 2)`` from `grid`.
        out: ``(n, 3, K, H, W)`` float32 of any strides, filled with values from 0 to 1.
    """
    # On a processor a few at a time: the float copies of large sources then stay in its cache.
    step = 4 if pictures.device.type == "cpu" else max(1, len(which))
    for first in range(0, len(which), step):
        part = slice(first, first + step)
        seen = sample_image(pictures[which[part]].float(), points[part])
        torch.mul(seen.view(out[part].shape), 1 / 255, out=out[part])


def sample_labels(source: Tensor, where: Grid) -> Tensor:
    """Nearest samples of label maps; void where an object is only seen reflected at the source's border.

    Args:
        source: ``(n, h, w)`` uint8.
        where: from `grid`.

    Returns:
        ``(n, H, W)`` uint8.
    """
    found = F.grid_sample(
        source[:, None].float(), where.points, mode="nearest", padding_mode="reflection", align_corners=False
    )
    labels = found[:, 0].to(torch.uint8)
    leaving = where.leaves.nonzero()[:, 0]
    if len(leaving):
        x, y = where.points[leaving].unbind(-1)
        outside = (x.abs() > 1) | (y.abs() > 1)
        part = labels[leaving]
        labels[leaving] = part.masked_fill_(outside & (part != 0), VOID)
    return labels


def boxes(mask: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sizes of masks.

    Args:
        mask: ``(n, h, w)`` bool.
        aspect: ``(n,)`` width / height of the sources.

    Returns:
        Centre and size, each ``(n, 2)`` (x, y), in units of half the source's height; an empty mask gives the
        whole source.
    """
    ends = []
    # Of bytes, a maximum is many times faster than `any` of bools.
    for dim in (1, 2):
        used = mask.view(torch.uint8).amax(dim)
        length = used.shape[1]
        first = used.argmax(1)
        last = length - used.flip(1).argmax(1)
        ends.append(torch.stack([first, last]).to(aspect.dtype) * (2 / length) - 1)
    low, high = torch.stack([torch.stack([ends[0][i] * aspect, ends[1][i]], -1) for i in (0, 1)])
    return (low + high) / 2, high - low
