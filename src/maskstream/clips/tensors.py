"""Data sets as uint8 tensors that stay in memory, a GPU's too.

Clips are made of them by batched tensor operations. Everything of one set is squashed to one size, and the
true aspect ratio is kept beside it: a batch is then one gather and one ``grid_sample``, whatever the sizes of
the originals.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from maskstream.datasets.readers import VOID as VOID
from maskstream.datasets.subject_sets import set_of


@dataclass(frozen=True)
class ImageSet:
    """Still images with label maps.

    Attributes:
        images: ``(N, 3, S, S)`` uint8 RGB, squashed to a square.
        labels: ``(N, S, S)`` uint8 object ids, 0 = background, 255 = void.
        aspect: ``(N,)`` float32, width / height of each original.
        paste_only: ``(N,)`` bool; true where the surroundings are meaningless (studio grey, no colour outside
            the mask), so that the image may be cut out but never shown whole.
        names: of each image, ``<set>/<stem>``, so that sets can be weighted; empty if unknown.
    """

    images: Tensor
    labels: Tensor
    aspect: Tensor
    paste_only: Tensor
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.images.shape[0]

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set on another device."""
        return replace(self, **_moved(self, device))


@dataclass(frozen=True)
class VideoSet:
    """Labelled videos, frames of all of them in one run.

    Attributes:
        frames: ``(F, 3, H, W)`` uint8 RGB, squashed to one size.
        labels: ``(F, H, W)`` uint8 object ids, 0 = background, 255 = void.
        start: ``(V,)`` int64, index in ``frames`` of each video's first frame.
        length: ``(V,)`` int64, number of (labelled) frames of each video.
        step: ``(V,)`` int64, source frames between two labelled frames (1 for DAVIS, 5 for YouTube-VOS):
            skip intervals are counted in source frames and divided by it.
        aspect: ``(V,)`` float32, width / height of each original.
        names: of each video; empty if unknown.
        weight: ``(V,)`` float32, how often each is drawn beside one like it of weight 1; None: all alike.
    """

    frames: Tensor
    labels: Tensor
    start: Tensor
    length: Tensor
    step: Tensor
    aspect: Tensor
    names: tuple[str, ...] = ()
    weight: Tensor | None = None

    def __len__(self) -> int:
        return self.start.shape[0]

    def to(self, device: torch.device | str) -> VideoSet:
        """The same set on another device."""
        return replace(self, **_moved(self, device))


def set_weights(images: ImageSet, power: float) -> Tensor:
    """``(N,)`` weight of each image: all of a set of n together weigh ``n ** power``."""
    if not images.names:
        return torch.ones(len(images), device=images.images.device)
    sets = [set_of(name) for name in images.names]
    sizes = Counter(sets)
    return torch.tensor([sizes[of] ** (power - 1.0) for of in sets], device=images.images.device)


def id_areas(labels: Tensor) -> Tensor:
    """Share of each label map that each id covers; background and void count as nothing.

    Args:
        labels: ``(N, H, W)`` uint8.

    Returns:
        ``(N, 256)`` float32.
    """
    areas = []
    for first in range(0, len(labels), 64):
        part = labels[first : first + 64]
        flat = part.flatten(1).long()
        rows = torch.arange(len(part), device=labels.device)[:, None] * 256
        areas.append(torch.bincount((flat + rows).flatten(), minlength=256 * len(part)).view(-1, 256))
    share = torch.cat(areas).float() / labels[0].numel()
    share[:, [0, VOID]] = 0
    return share


def _moved(held: ImageSet | VideoSet, device: torch.device | str) -> dict[str, Any]:
    return {name: value.to(device) for name, value in vars(held).items() if isinstance(value, Tensor)}
