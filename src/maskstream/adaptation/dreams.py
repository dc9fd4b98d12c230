"""Training clips from a few marked frames alone: their objects cut out, in motion over their own scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from maskstream.clips.clip_config import ClipConfig
from maskstream.clips.samplers import ClipSampler
from maskstream.clips.tensors import ImageSet
from maskstream.errors import InputError

SIDE = 320  #: that stills are squashed to
_HOLE_GROWTH = 7  # pixels by which the hole that an object leaves is wider than the object
_INPAINT_RADIUS = 4


class Marked(NamedTuple):
    """A frame that the user has marked.

    Attributes:
        frame: ``(H, W, 3)`` RGB uint8.
        label_map: ``(H, W)`` integer ids, 0 = background.
    """

    frame: NDArray[np.uint8]
    label_map: NDArray[np.integer]


def dream_sampler(marked: Sequence[Marked], config: ClipConfig, seed: int) -> ClipSampler:
    """A sampler of clips in which the marked objects move in front of what is beside and behind them.

    Args:
        marked: one frame or more, each with an object.
        config: what clips are made of.
        seed: the same seed gives the same clips.

    Raises:
        InputError: no frame has an object, or all are too small to be cut out.
    """
    frames = [frame for frame in marked if (frame.label_map > 0).any()]
    if not frames:
        raise InputError("nothing is marked to adapt to; give a frame with the mask of an object")
    stills = _image_set([(frame.frame, _renumbered(frame.label_map)) for frame in frames])
    empty = _image_set(
        [(_without_objects(frame), np.zeros(frame.frame.shape[:2], np.uint8)) for frame in frames]
    )
    return ClipSampler(stills, None, empty, config, torch.Generator().manual_seed(seed))


def _renumbered(label_map: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The largest objects as 1, 2, ...; those beyond a byte are background."""
    ids, counts = np.unique(label_map[label_map > 0], return_counts=True)
    labels = np.zeros(label_map.shape, np.uint8)
    for number, object_id in enumerate(ids[np.argsort(-counts)][:200], start=1):
        labels[label_map == object_id] = number
    return labels


def _image_set(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> ImageSet:
    size = (SIDE, SIDE)
    images = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame, _ in pairs]
    labels = [cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) for _, each in pairs]
    return ImageSet(
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.stack(labels)),
        torch.tensor([frame.shape[1] / frame.shape[0] for frame, _ in pairs]),
        torch.zeros(len(pairs), dtype=torch.bool),
    )


def _without_objects(marked: Marked) -> NDArray[np.uint8]:
    """The scene with its objects painted over by what surrounds them, at the size that is needed."""
    height, width = marked.frame.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(marked.frame, size, interpolation=cv2.INTER_AREA)
    hole = cv2.resize((marked.label_map > 0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    hole = cv2.dilate(hole, np.ones((_HOLE_GROWTH, _HOLE_GROWTH), np.uint8))
    painted = cv2.inpaint(small, hole, _INPAINT_RADIUS, cv2.INPAINT_TELEA)
    return painted.astype(np.uint8, copy=False)
