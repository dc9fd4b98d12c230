"""Data sets as uint8 tensors that stay in memory, a GPU's too.

Clips are made of them by batched tensor operations. Everything of one set is squashed to one size, and the
true aspect ratio is kept beside it: a batch is then one gather and one ``grid_sample``, whatever the sizes of
the originals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from maskstream.data.readers import VOID as VOID


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
    """

    frames: Tensor
    labels: Tensor
    start: Tensor
    length: Tensor
    step: Tensor
    aspect: Tensor
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.start.shape[0]

    def to(self, device: torch.device | str) -> VideoSet:
        """The same set on another device."""
        return replace(self, **_moved(self, device))


def _moved(held: ImageSet | VideoSet, device: torch.device | str) -> dict[str, Any]:
    return {name: value.to(device) for name, value in vars(held).items() if isinstance(value, Tensor)}
