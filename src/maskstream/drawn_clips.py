"""Clips that are drawn, with true label maps: textured things that move, deform, cross and hide one another.

For the demo and the tests, wherever no real clip can be taken along. NumPy and OpenCV only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes
from maskstream.errors import InputError

Float = NDArray[Any]  #: float32; OpenCV's own types say no more
Generator = np.random.Generator

FRAMES_PER_CROSSING = 140  #: time of an object's way across the frame and back
SUBPIXEL_BITS = 4  #: OpenCV draws to sixteenths of a pixel
REACH = 1.3  #: half the side of an object's texture, in units of the object's size


def draw_clip(
    frames: int = 60, height: int = 240, width: int = 432, objects: int = 3, seed: int = 0
) -> Iterator[tuple[Bytes, Bytes]]:
    """Draw a clip, one frame at a time.

    All objects are whole and apart in the first frame; then they cross, lower ids in front of higher ones.

    Args:
        frames: how many.
        height: in pixels, 32 or more.
        width: in pixels, 32 or more.
        objects: how many, 1..16; their ids are 1, 2, ...
        seed: equal seeds draw equal clips.

    Returns:
        An iterator of frames, ``(H, W, 3)`` uint8 RGB, each with its label map, ``(H, W)`` uint8 ids.

    Raises:
        InputError: a size or number out of range.

    Example:
        >>> frame, label_map = next(draw_clip(height=120, width=160))
        >>> frame.shape, int(label_map.max())
        ((120, 160, 3), 3)
    """
    if min(height, width) < 32:
        raise InputError(f"cannot draw a clip of {width}x{height}; both sides must be 32 pixels or more")
    if not 1 <= objects <= 16:
        raise InputError(f"cannot draw {objects} objects; ask for 1 to 16")
    return _draw(frames, height, width, objects, np.random.default_rng(seed))


@dataclass(frozen=True)
class _Pose:
    """Where an object is: centre and size in pixels, angle in radians."""

    x: float
    y: float
    angle: float
    size: float

    def matrix(self) -> NDArray[np.float64]:
        """``(2, 3)``: object units, of which its size is one, to pixels."""
        cos, sin = self.size * np.cos(self.angle), self.size * np.sin(self.angle)
        return np.array([[cos, -sin, self.x], [sin, cos, self.y]])

    def place(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """``(N, 2)`` object units to ``(N, 2)`` fixed-point pixels for OpenCV."""
        matrix = self.matrix()
        pixels = points @ matrix[:, :2].T + matrix[:, 2]
        return np.round(pixels * (1 << SUBPIXEL_BITS)).astype(np.int32)


@dataclass(frozen=True)
class _Motion:
    """A way across the frame and back, with a bob, a sway and a slow change of size."""

    centre: tuple[float, float]
    reach: tuple[float, float]
    phase: tuple[float, float, float]
    speed: tuple[float, float, float]
    sway: float
    size: float

    def at(self, time: float) -> _Pose:
        """The pose at a time in frames."""
        x, y, turn = (
            phase + speed * time * 2 * np.pi / FRAMES_PER_CROSSING
            for phase, speed in zip(self.phase, self.speed, strict=True)
        )
        return _Pose(
            x=self.centre[0] + self.reach[0] * np.cos(x),
            y=self.centre[1] + self.reach[1] * np.sin(y),
            angle=self.sway * np.sin(turn),
            size=self.size * (1 + 0.12 * np.sin(turn / 2)),
        )


#: Draws an object's shape into an empty ``(H, W)`` uint8 canvas: canvas, pose, time in frames.
_Shape = Callable[[Bytes, _Pose, float], None]


def _blob(generator: Generator) -> _Shape:
    """A round thing whose outline breathes."""
    waves = np.arange(2, 6)
    height = generator.uniform(0.04, 0.2, waves.size) / np.sqrt(waves)
    phase = generator.uniform(0, 2 * np.pi, waves.size)
    speed = generator.uniform(-0.12, 0.12, waves.size)
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    squash = generator.uniform(0.65, 1.0)

    def draw(canvas: Bytes, pose: _Pose, time: float) -> None:
        radius = 0.85 + (height * np.cos(angle[:, None] * waves + phase + speed * time)).sum(axis=1)
        outline = np.stack([radius * np.cos(angle), squash * radius * np.sin(angle)], axis=1)
        _fill(canvas, pose.place(outline))

    return draw


def _polygon(generator: Generator) -> _Shape:
    """A rigid thing with corners, some of them pointing inwards, that turns."""
    corners = int(generator.integers(5, 9))
    angle = (np.arange(corners) + generator.uniform(-0.25, 0.25, corners)) * 2 * np.pi / corners
    radius = np.where(np.arange(corners) % 2, generator.uniform(0.55, 0.8, corners), 1.0)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    turn = generator.choice([-1, 1]) * generator.uniform(0.01, 0.03)

    def draw(canvas: Bytes, pose: _Pose, time: float) -> None:
        cos, sin = np.cos(turn * time), np.sin(turn * time)
        _fill(canvas, pose.place(outline @ np.array([[cos, sin], [-sin, cos]])))

    return draw


def _figure(generator: Generator) -> _Shape:
    """A thin walker: head, trunk, two arms and two legs that swing from their joints."""
    stride = generator.uniform(0.5, 0.75)
    pace = generator.uniform(0.18, 0.28)
    hip, shoulder = np.array([0.0, 0.25]), np.array([0.0, -0.4])

    def limb(start: NDArray[np.float64], upper: float, lower: float, length: float) -> NDArray[np.float64]:
        joint = start + length * np.array([np.sin(upper), np.cos(upper)])
        return np.stack([start, joint, joint + length * np.array([np.sin(lower), np.cos(lower)])])

    def draw(canvas: Bytes, pose: _Pose, time: float) -> None:
        def stroke(points: NDArray[np.float64], width: float) -> None:
            thickness = max(1, round(width * pose.size))
            cv2.polylines(canvas, [pose.place(points)], False, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

        swing = stride * np.sin(pace * time)
        stroke(np.stack([shoulder, hip]), 0.28)
        stroke(np.array([[0, -0.78], [0, -0.74]]), 0.36)
        for side in (1, -1):
            stroke(limb(hip, side * swing, side * swing - 0.25 * stride, 0.42), 0.15)
            stroke(limb(shoulder, -side * swing, 0.6 - side * swing, 0.32), 0.11)

    return draw


_SHAPES = (_blob, _figure, _polygon)


@dataclass(frozen=True)
class _Thing:
    """One object: a shape with a texture on a way."""

    shape: _Shape
    texture: Float
    motion: _Motion

    def render(self, time: float, height: int, width: int) -> tuple[Float, Float]:
        """Colour ``(H, W, 3)`` and coverage ``(H, W)``, both 0..1."""
        pose = self.motion.at(time)
        canvas = np.zeros((height, width), np.uint8)
        self.shape(canvas, pose, time)
        coverage = canvas.astype(np.float32) / 255
        side = self.texture.shape[0]
        to_units = np.array([[2 * REACH / side, 0, -REACH], [0, 2 * REACH / side, -REACH], [0, 0, 1]])
        colour = cv2.warpAffine(
            self.texture, pose.matrix() @ to_units, (width, height), borderMode=cv2.BORDER_REFLECT
        )
        return colour * _shading(coverage, pose.size)[..., None], coverage


def _draw(
    frames: int, height: int, width: int, objects: int, generator: Generator
) -> Iterator[tuple[Bytes, Bytes]]:
    margin = max(height, width) // 4
    hue = generator.uniform()
    backdrop = _backdrop(generator, height + 2 * margin, width + 2 * margin, hue)
    things = _things(generator, height, width, objects, hue)
    drift = generator.uniform(0.4, 1.0, 3) * generator.choice([-1, 1], 3)
    for time in range(frames):
        picture = _camera(backdrop, drift, margin, time, height, width)
        seen = np.zeros((objects + 1, height, width), np.float32)
        seen[0] = 1
        for i in reversed(range(objects)):
            colour, coverage = things[i].render(time, height, width)
            picture *= 1 - 0.4 * _shadow(coverage, things[i].motion.size)[..., None]
            picture += coverage[..., None] * (colour - picture)
            seen *= 1 - coverage
            seen[i + 1] = coverage
        picture = cv2.GaussianBlur(picture, (3, 3), 0.6)
        picture *= 1 + 0.04 * np.sin(0.05 * time)
        picture += generator.normal(0, 0.012, picture.shape).astype(np.float32)
        yield np.clip(255 * picture, 0, 255).astype(np.uint8), seen.argmax(axis=0).astype(np.uint8)


def _things(generator: Generator, height: int, width: int, objects: int, hue: float) -> list[_Thing]:
    """Objects in colours apart from each other and from the backdrop's ``hue``."""
    size = min(0.24 * height, 0.36 * width / objects)
    farthest = 0.5 - 1.1 * size / width
    places = generator.permutation(objects)
    things = []
    for i in range(objects):
        start = (places[i] + 0.5) / objects - 0.5
        reach = max(abs(start), farthest * generator.uniform(0.85, 1))
        inwards = generator.choice([-1, 1]) if abs(start) < 0.1 else 1
        bob = generator.uniform(0.03, 0.1) * height
        motion = _Motion(
            centre=(width / 2, height * generator.uniform(0.47, 0.57)),
            reach=(reach * width, bob),
            phase=(inwards * np.arccos(start / reach), generator.uniform(0, 6), 0.0),
            speed=(
                inwards * generator.uniform(0.75, 1.25),
                generator.uniform(0.7, 1.6),
                generator.uniform(1, 2),
            ),
            sway=generator.uniform(0.1, 0.35),
            size=size * generator.uniform(0.9, 1.1),
        )
        palette = _palette(generator, hue + (i + 1) / (objects + 1), saturation=0.75)
        texture = _pattern(generator, round(2 * REACH * size), palette)
        things.append(_Thing(_SHAPES[i % len(_SHAPES)](generator), texture, motion))
    return things


def _fill(canvas: Bytes, outline: NDArray[np.int32]) -> None:
    cv2.fillPoly(canvas, [outline], 255, cv2.LINE_AA, SUBPIXEL_BITS)


def _noise(generator: Generator, height: int, width: int, coarsest: float) -> Float:
    """``(H, W)`` 0..1: smooth noise at several scales, the coarsest cells ``coarsest`` pixels wide."""
    total: Float = np.zeros((height, width), np.float32)
    cell, weight = max(coarsest, 2.0), 1.0
    while cell >= 1.5:
        grid = generator.standard_normal((int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        cell, weight = cell / 2, weight * 0.62
    low, high = np.percentile(total, [2, 98])
    value: Float = np.clip((total - low) / (high - low), 0, 1).astype(np.float32)
    return value


def _palette(generator: Generator, hue: float, saturation: float) -> Float:
    """``(3, 3)`` RGB 0..1: a dark, a middle and a light colour of about one hue."""
    hues = (hue + generator.uniform(-0.06, 0.06, 3)) % 1
    hsv = np.stack([360 * hues, saturation * generator.uniform(0.7, 1, 3), [0.3, 0.62, 0.95]], axis=1)
    rgb: Float = cv2.cvtColor(hsv.astype(np.float32)[None], cv2.COLOR_HSV2RGB)[0]
    return rgb


def _paint(value: Float, palette: Float) -> Float:
    """``(H, W)`` 0..1 to ``(H, W, 3)`` along a palette."""
    stops = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(value, stops, palette[:, c]) for c in range(3)], axis=-1).astype(np.float32)


def _pattern(generator: Generator, side: int, palette: Float) -> Float:
    """``(S, S, 3)``: an object's skin, striped, spotted or mottled."""
    value = _noise(generator, side, side, side / 4)
    kind = generator.integers(3)
    if kind < 2:
        along, across = np.meshgrid(*[np.linspace(0, generator.uniform(14, 22), side)] * 2)
        wave = np.sin(along + 4 * value) * (np.sin(across + 4 * value) if kind else 1)
        value = 0.35 * value + 0.65 / (1 + np.exp(-4 * wave.astype(np.float32)))
    return _paint(value, palette)


def _backdrop(generator: Generator, height: int, width: int, hue: float) -> Float:
    """``(H, W, 3)``: a mottled place of two materials, with patches as coarse as the objects."""
    ground = _paint(_noise(generator, height, width, height / 6), _palette(generator, hue - 0.06, 0.3))
    patch = _paint(_noise(generator, height, width, height / 20), _palette(generator, hue + 0.06, 0.5))
    where = 1 / (1 + np.exp(-30 * (_noise(generator, height, width, height / 3) - 0.6)))
    light = np.linspace(1.05, 0.75, height)[:, None, None]
    place: Float = (light * (ground + where[..., None] * (patch - ground))).astype(np.float32)
    return place


def _camera(
    backdrop: Float, drift: NDArray[np.float64], margin: int, time: int, height: int, width: int
) -> Float:
    """The part of the backdrop that a hand-held, slowly panning camera sees."""
    turn, pan, tilt = drift * np.sin(np.array([0.021, 0.034, 0.047]) * time)
    centre = (margin + width / 2 + 0.6 * margin * pan, margin + height / 2 + 0.3 * margin * tilt)
    matrix = cv2.getRotationMatrix2D(centre, 2.5 * turn, 1 + 0.06 * pan * tilt)
    matrix[:, 2] += (width / 2 - centre[0], height / 2 - centre[1])
    return cv2.warpAffine(backdrop, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def _shading(coverage: Float, size: float) -> Float:
    """``(H, W)`` brightness that makes a flat shape look round, lit from the upper left."""
    reach = max(3, round(0.8 * size))
    soft = cv2.blur(cv2.blur(coverage, (reach, reach)), (reach, reach))
    away = max(1, reach // 3)
    lit = soft - np.roll(soft, (away, away), axis=(0, 1))
    return np.clip(0.78 + 0.3 * soft + 0.9 * lit, 0.3, 1.2).astype(np.float32)


def _shadow(coverage: Float, size: float) -> Float:
    """``(H, W)`` 0..1: a soft shadow to the lower right."""
    offset, reach = round(0.16 * size), max(3, round(0.3 * size))
    shift = np.array([[1, 0, offset], [0, 1, 1.4 * offset]], np.float32)
    return cv2.blur(cv2.warpAffine(coverage, shift, coverage.shape[::-1]), (reach, reach))
