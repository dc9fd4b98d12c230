"""Photographs as places, and what bodies are covered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from maskstream.arrays import Doubles, Frame
from maskstream.datasets.collection import DataFolder
from maskstream.datasets.readers import VOID, LabelledImage
from maskstream.errors import InputError

Generator = np.random.Generator

SIDE = 128  #: of a surface, in pixels
_TRIES = 20
_SKIN = ((250, 214, 190), (226, 176, 140), (190, 130, 95), (140, 90, 62), (92, 58, 42))
_HAIR = ((30, 22, 18), (70, 45, 28), (130, 88, 48), (205, 170, 110), (150, 150, 150), (110, 45, 25))


class Photographs:
    """Draws places and surfaces from a data folder's images; its videos are not touched.

    Args:
        data: whose images and backgrounds are drawn from.

    Raises:
        InputError: it holds no image.
    """

    def __init__(self, data: DataFolder) -> None:
        self._things = data.images
        self._places = (*data.backgrounds, *(image for image in data.images if not image.paste_only))
        self._grounds = len(data.backgrounds)
        if not self._places:
            raise InputError(
                "no photographs to render in front of; name a folder with static* or backgrounds* as --data"
            )

    def place(self, rng: Generator) -> Frame:
        """A photograph to stand behind everything, ``(h, w, 3)`` RGB."""
        places: Sequence[LabelledImage] = self._places
        if self._grounds and rng.random() < 0.3:
            places = self._places[: self._grounds]
        return self._loaded(places, rng)[0]

    def surface(self, kind: str, rng: Generator) -> Frame:
        """What covers a part of a body.

        Args:
            kind: ``skin``, ``hair``, ``fur``, ``dark``, ``plain`` or ``any``.
            rng: random numbers.

        Returns:
            ``(SIDE, SIDE, 3)`` RGB.
        """
        if kind in ("skin", "hair"):
            colour = (_SKIN if kind == "skin" else _HAIR)[rng.integers(5)]
            return _plain(np.array(colour) * rng.uniform(0.85, 1.1), rng, grain=6)
        if kind == "dark":
            return _plain(rng.uniform(10, 90) * rng.uniform(0.8, 1.2, 3), rng, grain=10)
        if kind == "plain" or (kind == "any" and rng.random() < 0.22):
            return _plain(rng.uniform(20, 245, 3), rng, grain=rng.uniform(0, 14))
        if kind == "any" and rng.random() < 0.2:
            return _pattern(rng)
        picture = self._crop(rng)
        if rng.random() < 0.4:
            shade = picture * rng.uniform(0.6, 1.3, 3) + rng.uniform(-25, 25, 3)
            picture = _bytes(shade)
        return picture

    def ground(self, rng: Generator) -> Frame:
        """What the floor is covered with, ``(s, s, 3)`` RGB: mostly the lower part of a photograph."""
        if rng.random() < 0.25:
            return self.surface("any", rng)
        picture = self.place(rng)
        lower = picture[picture.shape[0] // 2 :]
        side = int(min(lower.shape[:2]) * rng.uniform(0.6, 1.0))
        left = int(rng.integers(0, lower.shape[1] - side + 1))
        found = _square(lower[-side:, left : left + side])
        flat = rng.uniform(0.0, 0.6)  # less contrast, as ground has
        return _bytes(found * (1 - flat) + found.reshape(-1, 3).mean(0) * flat)

    def _crop(self, rng: Generator) -> Frame:
        """A square from inside an object, else from anywhere."""
        image, labels = self._loaded(self._things or self._places, rng)
        height, width = labels.shape
        ids = [int(i) for i in np.unique(labels) if 0 < i < VOID]
        if ids and rng.random() < 0.8:
            rows, columns = np.nonzero(labels == ids[rng.integers(len(ids))])
            for _ in range(_TRIES):
                pick = rng.integers(len(rows))
                half = int(rng.uniform(0.12, 0.35) * min(np.ptp(rows), np.ptp(columns)) + 4)
                top, left = rows[pick] - half, columns[pick] - half
                window = labels[max(0, top) : top + 2 * half, max(0, left) : left + 2 * half]
                if (
                    top >= 0
                    and left >= 0
                    and window.shape == (2 * half, 2 * half)
                    and (window > 0).mean() > 0.9
                ):
                    return _square(image[top : top + 2 * half, left : left + 2 * half])
        side = int(min(height, width) * rng.uniform(0.2, 0.8))
        top, left = (int(rng.integers(0, edge - side + 1)) for edge in (height, width))
        return _square(image[top : top + side, left : left + side])

    def _loaded(self, images: Sequence[LabelledImage], rng: Generator) -> tuple[Frame, Frame]:
        for _ in range(_TRIES):
            try:
                return images[int(rng.integers(len(images)))].load()
            except InputError:  # broken files are named where they are packed for training
                continue
        raise InputError("no photograph of --data can be decoded; look at its files")


def _square(picture: Frame) -> Frame:
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _plain(colour: Doubles | float, rng: Generator, grain: float) -> Frame:
    clouds = cv2.resize(
        rng.normal(0, 1, (5, 5, 1)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    noise = rng.normal(0, grain, (SIDE, SIDE, 1)) + clouds[..., None] * grain
    return _bytes(colour + noise)


def _pattern(rng: Generator) -> Frame:
    """Stripes, checks, dots or patches."""
    first, second = (rng.uniform(0, 255, 3) for _ in range(2))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE * 2 * np.pi
    across, down = rng.integers(1, 9, 2)
    kind = rng.integers(4)
    if kind == 0:
        field = np.sin(across * x + rng.integers(0, 3) * y)
    elif kind == 1:
        field = np.sin(across * x) * np.sin(down * y)
    elif kind == 2:
        field = np.cos(across * x) + np.cos(across * y) - 1.2
    else:
        patches = rng.uniform(0, 255, (rng.integers(2, 7), rng.integers(2, 7), 3)).astype(np.float32)
        how = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_CUBIC
        return _bytes(cv2.resize(patches, (SIDE, SIDE), interpolation=how))
    share = np.clip(field * rng.choice([1, 6]) + 0.5, 0, 1)[..., None]
    return _bytes(first + (second - first) * share + rng.normal(0, 4, (SIDE, SIDE, 1)))


def _bytes(values: Any) -> Frame:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
