"""The space-time memory read, as pure functions.

S is the number of memory cells (frames x cells a frame), Q the number of query cells.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Index = Tensor | None
SCORE_BYTES = 4 * 2**20  #: of scores that exist at a time in a read frame by frame
LEAST_QUERIES = 64  #: that are read together, however large the memory frame


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


def read_frames(
    query: Tensor, key: Tensor, shrinkage: Tensor | None, value: Tensor, kind: str, scale: Tensor
) -> Tensor:
    """The read from a streaming memory as it lies, without the affinity as a whole ever being there.

    Exact but for rounding: an online softmax (Milakov and Gimelshein, 2018) goes over the memory frame by
    frame, and over the queries in parts. Memory that is stored in half precision is read in the query's.

    Args:
        query: ``(G, Ck, Q)``, or ``(1, Ck, Q)`` for all.
        key: ``(T, G, P, Ck)``.
        shrinkage: ``(T, G, P, 1)`` or None.
        value: ``(T, M, Cv, P)``; G = M, or 1 if all objects share their keys.
        kind: see ``similarity``.
        scale: see ``similarity``.

    Returns:
        ``(M, Cv, Q)``.
    """
    frames, groups, cells, _ = key.shape
    objects, width = value.shape[1:3]
    queries = query.shape[-1]
    exact = torch.promote_types(query.dtype, torch.float32)
    readout = query.new_zeros((groups, objects // groups * width, queries), dtype=exact)
    total = query.new_zeros((groups, 1, queries), dtype=exact)
    highest = torch.full_like(total, -math.inf)
    step = max(LEAST_QUERIES, SCORE_BYTES // (exact.itemsize * groups * cells))
    for t in range(frames):
        frame_key = key[t].to(query.dtype)
        frame_value = value[t].to(query.dtype).reshape(groups, -1, cells)
        frame_shrinkage = None if shrinkage is None else shrinkage[t].to(query.dtype)
        for first in range(0, queries, step):
            part = (..., slice(first, first + step))
            scores = similarity(query[part], frame_key, frame_shrinkage, kind, scale).to(exact)
            peak = torch.maximum(highest[part], scores.amax(1, keepdim=True))
            weights = scores.sub_(peak).exp_()
            kept = (highest[part] - peak).exp_()
            total[part] = total[part] * kept + weights.sum(1, keepdim=True)
            readout[part] = readout[part] * kept + frame_value @ weights.to(query.dtype)
            highest[part] = peak
    return (readout / total).to(query.dtype).reshape(objects, width, queries)


def unit(x: Tensor) -> Tensor:
    """Each cell's vector ``(B, C, h, w)`` at length 1."""
    return F.normalize(x.float(), dim=1, eps=1e-6).to(x.dtype)
