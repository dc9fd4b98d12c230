"""3x3 convolution with a quarter of the multiplications, for wide layers on the CPU."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

TILE = 4  #: cells a side that come out of TILE + 2 cells a side
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  #: where polynomials are taken; these rounded least of several tried
LEAST_WIDTH = 128  #: channels from which on it is faster than the direct way
LEAST_CELLS = 4096  #: cells of a feature map from which on it is faster
WORK_BYTES = 4 * 2**20  #: of transformed tiles at a time: they stay in the cache


def pays(x: Tensor, out: int) -> bool:
    """Whether ``conv3x3`` of ``(B, C, H, W)`` to ``out`` channels is faster than the direct way."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and min(x.shape[1], out) >= LEAST_WIDTH
        and x.shape[2] * x.shape[3] >= LEAST_CELLS
    )


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution with stride 1 and zero padding 1, by Winograd's minimal filtering F(4x4, 3x3).

    The same sums in another order (Lavin and Gray, CVPR 2016): rounding is some ten times that of the direct
    way, a few millionths of the largest output.

    Args:
        x: ``(B, C, H, W)``.
        weight: ``(O, C, 3, 3)``.
        bias: ``(O,)`` or None.

    Returns:
        ``(B, O, H, W)``, channels last.
    """
    of_input, of_weight, of_output = (matrix.to(x.dtype) for matrix in _transforms())
    batch, channels, height, width = x.shape
    out, side = weight.shape[0], TILE + 2
    kernels = (of_weight @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(side**2, channels, out)
    offset = x.new_zeros(out) if bias is None else bias
    rows, columns = math.ceil(height / TILE), math.ceil(width / TILE)
    at_a_time = max(1, WORK_BYTES // (4 * side**2 * max(channels, out) * columns))
    result = x.new_empty(batch, rows * TILE, columns * TILE, out)
    padded = x.new_zeros(at_a_time * TILE + 2, columns * TILE + 2, channels)
    down, right, _ = padded.stride()
    steps = (down, right, TILE * down, TILE * right, 1)
    for image, target in zip(x.permute(0, 2, 3, 1), result, strict=True):
        for first in range(0, rows, at_a_time):
            count = min(at_a_time, rows - first)
            top = first * TILE - 1  # of the strip, in the image
            begin, end = max(top, 0), min(top + count * TILE + 2, height)
            padded[: begin - top] = 0
            padded[begin - top : end - top, 1 : width + 1] = image[begin:end]
            padded[end - top :] = 0
            tiles = padded.as_strided((side, side, count, columns, channels), steps)
            sums = (of_input @ tiles.reshape(side**2, -1)).view(side**2, count * columns, channels) @ kernels
            cells = (of_output @ sums.view(side**2, -1)).view(TILE, TILE, count, columns, out)
            strip = target[first * TILE : (first + count) * TILE].view(count, TILE, columns, TILE, out)
            torch.add(cells.permute(2, 0, 3, 1, 4), offset, out=strip)
    return result[:, :height, :width].permute(0, 3, 1, 2)


@cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Matrices that transform flattened tiles ``(36, 36)``, kernels ``(36, 9)`` and results ``(16, 36)``.

    Toom and Cook: the product of two polynomials is found from its values at as many points as it has
    coefficients, one of them at infinity; minimal filtering is that, transposed.
    """
    points = torch.tensor(POINTS, dtype=torch.float64)
    side = len(POINTS) + 1
    of_input = torch.zeros(side, side, dtype=torch.float64)
    of_weight = torch.zeros(side, 3, dtype=torch.float64)
    of_output = torch.zeros(TILE, side, dtype=torch.float64)
    for i, point in enumerate(points):
        rest = torch.cat([points[:i], points[i + 1 :]])
        of_input[i, :-1] = _with_roots(rest)
        of_weight[i] = point ** torch.arange(3) / (point - rest).prod()
        of_output[:, i] = point ** torch.arange(TILE)
    of_input[-1] = _with_roots(points)
    of_weight[-1, -1] = of_output[-1, -1] = 1
    one, two, three = (torch.kron(m, m) for m in (of_input, of_weight, of_output))
    return one, two, three


def _with_roots(roots: Tensor) -> Tensor:
    """Coefficients, lowest first, of the polynomial that is zero there and begins with x^n."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        shifted = torch.nn.functional.pad(coefficients, (1, 0))
        coefficients = shifted - root * torch.nn.functional.pad(coefficients, (0, 1))
    return coefficients
