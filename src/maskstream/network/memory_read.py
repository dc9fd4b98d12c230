"""The space-time memory read, as pure functions.

S is the number of memory cells (frames x cells a frame), Q the number of query cells.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Index = Tensor | None


def pick(x: Tensor, index: Index) -> Tensor:
    """What belongs to each object: ``x[index]``; with no index there is one frame, and it is broadcast."""
    return x if index is None else x[index]


def similarity(query: Tensor, key: Tensor, shrinkage: Tensor | None, kind: str, scale: Tensor) -> Tensor:
    """How alike each memory cell and each query cell are.

    Args:
        query: ``(B, Ck, Q)``.
        key: ``(B, S, Ck)``; for ``"cosine"`` both are of unit length already.
        shrinkage: ``(B, S, 1)``, only for ``"l2"``: XMem's confidence of a memory cell.
        kind: ``"dot"``: q.k / sqrt(Ck) (STM); ``"l2"``: -|q - k|^2 x shrinkage / sqrt(Ck) (STCN, XMem);
            ``"cosine"``: q.k x scale.
        scale: the learned temperature of ``"cosine"``, a scalar.

    Returns:
        ``(B, S, Q)``.
    """
    product = key @ query
    if kind == "cosine":
        return product * scale
    if kind == "dot":
        return product / math.sqrt(key.shape[-1])
    distance = key.square().sum(-1, keepdim=True) - 2 * product + query.square().sum(1, keepdim=True)
    if shrinkage is not None:
        distance = distance * shrinkage
    return -distance / math.sqrt(key.shape[-1])


def read(affinity: Tensor, value: Tensor, index: Index) -> Tensor:
    """Weighted sum of the values.

    Args:
        affinity: ``(B, S, Q)``, each column sums to 1; B frames, or one for each object.
        value: ``(M, Cv, S)``.
        index: ``(M,)`` which of the B each object reads with; None: all with the one there is, or one each.

    Returns:
        ``(M, Cv, Q)``.
    """
    return value @ pick(affinity, index)


def softmax(scores: Tensor) -> Tensor:
    """Affinity from scores ``(B, S, Q)``: softmax over the memory, in single precision."""
    return torch.softmax(scores.float(), 1)


def unit(x: Tensor) -> Tensor:
    """Each cell's vector ``(B, C, h, w)`` at length 1."""
    return F.normalize(x.float(), dim=1, eps=1e-6).to(x.dtype)
