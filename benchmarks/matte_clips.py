"""Clips whose alpha and colours are known, because they were put together from them; for ``matte.py``.

A layer (the object) and a backdrop are asked for at any time, in frames. A frame is the mean over the time
that its shutter is open, the object's colours weighted by its coverage; alpha and colours are rounded to 8
bits first and the frame is made of what is left, so that they are its truth to the last bit. Then sensor
noise is added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from maskstream.arrays import Bytes, Doubles, Floats
from maskstream.datasets.file_index import FileIndex, FileRef, index_files
from maskstream.drawn_clips import draw_clip
from maskstream.errors import InputError

Size = tuple[int, int]  # (height, width)
Colour = tuple[int, int, int]

SUBPIXEL_BITS = 4
FINER = 2  # objects are drawn this many times as large, then shrunk
LENS = 0.6  # blur in pixels of a 720-line frame
NOISE = 1.5  # of the sensor, in 1/255
SKIN, HAIR, SHIRT, GREEN_SHIRT = (214, 160, 130), (62, 40, 28), (196, 186, 166), (70, 140, 60)
GREEN_SCREEN, YELLOW_SCREEN = (60, 190, 75), (128, 112, 62)

#: Cut-outs of the data folder that its pictures' sides don't cut, with soft or long hair.
PEOPLE = ("005", "008", "019", "025", "037")


class TruthFrame(NamedTuple):
    """A frame with its truth.

    Attributes:
        frame: ``(H, W, 3)`` uint8 RGB.
        alpha: ``(H, W)`` uint8, 255 = object.
        foreground: ``(H, W, 3)`` uint8, the object's own colour where alpha is above 0.
    """

    frame: Bytes
    alpha: Bytes
    foreground: Bytes


#: Coverage ``(H, W)`` 0..1 and colours ``(H, W, 3)`` in 0..255 (not weighted) at a time.
Layer = Callable[[float], tuple[Floats, Floats]]
#: ``(H, W, 3)`` uint8, one for each frame.
Backdrop = Iterator[Bytes]


@dataclass(frozen=True)
class Clip:
    """A named clip that can be played again and again.

    Attributes:
        name: of the clip.
        play: starts it: an endless iterator.
    """

    name: str
    play: Callable[[], Iterator[TruthFrame]]


def drawn_clips(size: Size) -> list[Clip]:
    """Hair, a waving hand, a fast racket and something out of focus, before a drawn place that moves.

    And hair once more, nearly still and before a still place, as from a tripod.
    """

    def clip(
        name: str, layer: Callable[[], Layer], place: Callable[[], Backdrop], samples: int, blur: float = LENS
    ) -> Clip:
        return Clip(name, lambda: compose(layer(), place(), size, samples, blur))

    return [
        clip("hair", lambda: person(size), lambda: drawn_place(size, 1), 6),
        clip("tripod", lambda: person(size, speed=0.02), lambda: cycle([next(drawn_place(size, 9))]), 2),
        clip("hand", lambda: hand(size), lambda: drawn_place(size, 2), 5),
        clip("racket", lambda: racket(size), lambda: drawn_place(size, 3), 16),
        clip("out of focus", lambda: ball(size), lambda: drawn_place(size, 4), 3, blur=7.0),
    ]


def screen_clips(size: Size) -> list[Clip]:
    """A person before a green screen (in a green shirt too) and a dim yellow one, whose light spills."""

    def clip(name: str, colour: Colour, shirt: Colour) -> Clip:
        def play() -> Iterator[TruthFrame]:
            return compose(person(size, 5, shirt), screen(size, colour), size, 3, LENS, spill=colour)

        return Clip(name, play)

    return [
        clip("green screen", GREEN_SCREEN, SHIRT),
        clip("green screen, green shirt", GREEN_SCREEN, GREEN_SHIRT),
        clip("dim yellow screen", YELLOW_SCREEN, SHIRT),
    ]


def cutout_clips(data: Path, size: Size) -> list[Clip]:
    """People with real soft alpha, moved before photographs of places.

    Their colour where alpha is partial has the old background in it; there the colours of the opaque part
    are carried outwards, and frame and truth are both made of these.

    Raises:
        InputError: the folder has no cut-outs or photographs.
    """
    cutouts, places = part_files(data, "matte*"), part_files(data, "backgrounds*")
    wide = list(islice(filter(is_wide, places.values()), len(PEOPLE)))
    clips = []
    for number, (name, file) in enumerate(zip(PEOPLE, cycle(wide), strict=False)):
        image = next((ref for path, ref in cutouts.items() if path.endswith(f"{name}.webp")), None)
        matte = next((ref for path, ref in cutouts.items() if path.endswith(f"{name}-alpha.png")), None)
        if image is None or matte is None:
            raise InputError(f"{data}: no cut-out {name}.webp with {name}-alpha.png; see data/README")

        def play(
            image: Any = image, matte: Any = matte, file: Any = file, number: int = number
        ) -> Iterator[TruthFrame]:
            layer = cutout(decoded(image), decoded(matte, cv2.IMREAD_GRAYSCALE), size, number)
            return compose(layer, photograph(decoded(file), size, number), size, 5, 0)

        clips.append(Clip(f"cut-out {name}", play))
    return clips


def compose(
    layer: Layer, backdrop: Backdrop, size: Size, samples: int, blur: float, spill: Colour | None = None
) -> Iterator[TruthFrame]:
    """Put an object before a place.

    Args:
        layer: the object.
        backdrop: the place.
        size: of the frames.
        samples: instants within the half of a frame's time that the shutter is open.
        blur: of the object, in pixels of a 720-line frame.
        spill: colour of a screen whose light falls on the object's edges; the truth is without it.
    """
    height, width = size
    generator = np.random.default_rng(0)
    noise = generator.normal(0, NOISE, (height + 64, width + 64, 3)).astype(np.float32)
    for index, place in enumerate(backdrop):
        coverage, colours = np.zeros(size, np.float32), np.zeros((*size, 3), np.float32)
        for sample in range(samples):
            part, colour = layer(index + 0.5 * sample / samples)
            coverage += part / samples
            colours += part[..., None] * (colour / samples)
        if blur:
            sigma = blur * height / 720
            coverage, colours = (cv2.GaussianBlur(values, (0, 0), sigma) for values in (coverage, colours))
        alpha = np.round(255 * coverage).astype(np.uint8)
        own = colours / np.maximum(coverage, 1e-4)[..., None]
        foreground = np.clip(np.round(own), 0, 255).astype(np.uint8)
        weight = alpha[..., None] / np.float32(255)
        seen = foreground if spill is None else spilled(foreground, coverage, spill)
        frame = place + weight * (seen - place.astype(np.float32))
        y, x = generator.integers(0, 64, 2)
        frame += noise[y : y + height, x : x + width]
        yield TruthFrame(np.clip(np.round(frame), 0, 255).astype(np.uint8), alpha, foreground)


def spilled(foreground: Bytes, coverage: Floats, colour: Colour) -> Floats:
    """The object in a screen's light, which is strongest at its edges."""
    around = cv2.GaussianBlur(1 - coverage, (0, 0), foreground.shape[0] / 60)
    light = (0.06 + 0.3 * around)[..., None]
    return (1 - 0.5 * light) * foreground + light * np.float32(colour)


# Places


def drawn_place(size: Size, seed: int) -> Backdrop:
    """A textured place seen by a moving camera, where something crosses behind the object."""
    return (frame for frame, _ in draw_clip(10**9, *size, objects=1, seed=seed))


def screen(size: Size, colour: Colour) -> Backdrop:
    """A screen that is lit unevenly and has folds, with the grey stand of a lamp before it."""
    height, width = size
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    light = 1.08 - 0.5 * ((x - 0.4) ** 2 + (y - 0.35) ** 2) + 0.03 * np.sin(34 * x + 2 * np.sin(5 * y))
    picture = np.clip(light[..., None] * np.float32(colour), 0, 255).astype(np.uint8)
    stand = np.s_[height // 3 :, round(0.06 * width) : round(0.075 * width)]
    picture[stand] = (74, 72, 76)
    return cycle([picture])


def photograph(picture: Bytes, size: Size, number: int) -> Backdrop:
    """A photograph that covers the frame, slowly panned over."""
    height, width = size
    scale = 1.12 * max(height / picture.shape[0], width / picture.shape[1])
    large = cv2.resize(
        picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    room = (large.shape[1] - width) / 2, (large.shape[0] - height) / 2
    index = 0
    while True:
        turn = 0.05 * index + number
        across, down = room[0] * (1 + np.sin(turn)), room[1] * (1 + np.cos(0.7 * turn))
        shift = np.array([[1, 0, -across], [0, 1, -down]])
        yield cv2.warpAffine(large, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        index += 1


# Objects


class Stroke(NamedTuple):
    """A line, or a filled shape where it has no thickness, in units of the object's size."""

    points: Doubles
    thickness: float
    colour: Colour


def drawn_layer(
    size: Size, seed: int, strokes: Callable[[float], list[Stroke]], pose: Callable[[float], tuple[Any, ...]]
) -> Layer:
    """An object of strokes, textured.

    Args:
        size: of the frame.
        seed: of the texture.
        strokes: what it is made of at a time, what is behind first.
        pose: x, y and size as shares of the frame's height, and angle, at a time.
    """
    height, width = size
    cloth = cv2.cvtColor(next(draw_clip(1, *size, objects=1, seed=seed))[0], cv2.COLOR_RGB2GRAY)
    texture = 0.65 + 0.7 * cloth.astype(np.float32) / max(1, int(cloth.max()))

    def layer(time: float) -> tuple[Floats, Floats]:
        x, y, scale, angle = pose(time)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        turn, place = np.array([[cos, -sin], [sin, cos]]), np.array([x, y])
        canvas = np.zeros((FINER * height, FINER * width), np.uint8)
        paint = np.zeros((*canvas.shape, 3), np.uint8)
        unit = FINER * height
        for points, thickness, colour in strokes(time):
            pixels = unit * (points @ turn.T + place) + (FINER - 1) / 2
            fixed = [np.round(pixels * (1 << SUBPIXEL_BITS)).astype(np.int32)]
            wide = max(1, round(thickness * scale * unit))
            # Paint reaches past the edge, so that pixels covered in part have the full colour.
            cv2.polylines(paint, fixed, not thickness, colour, wide + 6, cv2.LINE_8, SUBPIXEL_BITS)
            if thickness:
                cv2.polylines(canvas, fixed, False, 255, wide, cv2.LINE_AA, SUBPIXEL_BITS)
            else:
                cv2.fillPoly(paint, fixed, colour, cv2.LINE_8, SUBPIXEL_BITS)
                cv2.fillPoly(canvas, fixed, 255, cv2.LINE_AA, SUBPIXEL_BITS)
        coverage, colours = (
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
            for image in (canvas, paint)
        )
        shift = np.array([[1, 0, height * x - width / 2], [0, 1, height * y - height / 2]])
        skin = cv2.warpAffine(texture, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        return coverage / 255, np.minimum(colours * skin[..., None], 255)

    return layer


def ellipse(x: float, y: float, a: float, b: float) -> Doubles:
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    return np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], axis=1)


def person(size: Size, seed: int = 1, shirt: Colour = SHIRT, speed: float = 1.0) -> Layer:
    """Head and shoulders with loose strands of hair that sway, up to two pixels wide at 720 lines."""
    generator = np.random.default_rng(seed)
    count = 420
    root = generator.uniform(-1.3 * np.pi, 0.3 * np.pi, count)
    length, curl = 0.05 + generator.exponential(0.09, count).clip(0, 0.3), generator.normal(0, 1.2, count)
    width = generator.uniform(0.0008, 0.003, count)
    phase, shade = generator.uniform(0, 6, count), generator.uniform(0.7, 1.6, count)
    along = np.linspace(0, 1, 9)[:, None]

    def strokes(time: float) -> list[Stroke]:
        drawn = []
        for i in range(count):
            bend = curl[i] + 0.35 * np.sin(0.25 * time + phase[i])
            start = np.array([0.3 * np.cos(root[i]), 0.36 * np.sin(root[i]) - 0.1])
            angle = root[i] + bend * along + 0.2 * np.sin(0.2 * time)
            steps = (
                length[i] / len(along) * np.concatenate([np.cos(angle), np.sin(angle) + 0.5 * along], axis=1)
            )
            colour = tuple(int(min(255, shade[i] * c)) for c in HAIR)
            drawn.append(Stroke(start + np.cumsum(steps, axis=0), width[i], colour))
        drawn += [
            Stroke(ellipse(0, -0.1, 0.31, 0.38), 0, HAIR),
            Stroke(np.array([[0, 0.1], [0, 0.42]]), 0.2, SKIN),
            Stroke(ellipse(0, 1.0, 0.75, 0.62), 0, shirt),
            Stroke(ellipse(0, -0.02, 0.22, 0.29), 0, SKIN),
        ]
        return drawn

    def pose(time: float) -> tuple[float, float, float, float]:
        return (
            0.9 + 0.1 * np.sin(0.12 * time),
            0.45 + 0.01 * np.sin(0.3 * time),
            0.8,
            0.06 * np.sin(0.15 * time),
        )

    layer = drawn_layer(size, seed + 20, strokes, pose)
    return lambda time: layer(speed * time)


def hand(size: Size) -> Layer:
    """A forearm with five thin fingers that wave and bend."""
    spread = np.array([-0.9, -0.35, -0.05, 0.25, 0.55])
    reach = np.array([0.3, 0.42, 0.46, 0.43, 0.34])

    def strokes(time: float) -> list[Stroke]:
        drawn = [
            Stroke(np.array([[0.0, 0.1], [0.02, 1.6]]), 0.26, SHIRT),
            Stroke(np.array([[0.0, 0.1], [0.01, 0.45]]), 0.2, SKIN),
            Stroke(ellipse(0, 0, 0.19, 0.22), 0, SKIN),
        ]
        for finger in range(5):
            first = spread[finger] + 0.06 * np.sin(0.3 * time + finger)
            second = first + 0.25 * np.sin(0.4 * time + 1.3 * finger)
            start = 0.15 * np.array([np.sin(spread[finger]), -np.cos(spread[finger])])
            joint = start + 0.55 * reach[finger] * np.array([np.sin(first), -np.cos(first)])
            tip = joint + 0.45 * reach[finger] * np.array([np.sin(second), -np.cos(second)])
            drawn.append(Stroke(np.stack([start, joint, tip]), 0.055, SKIN))
        return drawn

    def pose(time: float) -> tuple[float, float, float, float]:
        return 0.85 + 0.12 * np.sin(0.22 * time), 0.5, 0.62, 0.35 * np.sin(0.22 * time + 0.8)

    return drawn_layer(size, 22, strokes, pose)


def racket(size: Size) -> Layer:
    """A ring with strings on a handle, swung fast: up to some fifty pixels a frame at 720 lines."""
    strings = np.linspace(-0.2, 0.2, 6)

    def strokes(time: float) -> list[Stroke]:
        thin = []
        for s in strings:
            down, across = 0.32 * np.sqrt(1 - (s / 0.25) ** 2), 0.25 * np.sqrt(1 - (s / 0.32) ** 2)
            thin += [np.array([[s, -0.85 - down], [s, -0.85 + down]])]
            thin += [np.array([[-across, s - 0.85], [across, s - 0.85]])]
        rim = ellipse(0, -0.85, 0.25, 0.32)
        return [
            *(Stroke(line, 0.008, (230, 225, 200)) for line in thin),
            Stroke(np.concatenate([rim, rim[:1]]), 0.05, (150, 40, 44)),
            Stroke(np.array([[0, -0.52], [0, 0.05]]), 0.06, (60, 60, 70)),
            Stroke(np.array([[0, 0], [0.25, 0.5], [0.3, 1.3]]), 0.2, SKIN),
        ]

    def pose(time: float) -> tuple[float, float, float, float]:
        return 0.95 + 0.08 * np.sin(0.25 * time), 0.75, 0.55, 0.7 * np.sin(0.25 * time)

    return drawn_layer(size, 23, strokes, pose)


def ball(size: Size) -> Layer:
    """A round thing with a slender handle; its clip blurs it."""

    def strokes(time: float) -> list[Stroke]:
        return [
            Stroke(np.array([[0, 0.3], [0.1, 0.75], [0.3, 0.95]]), 0.1, (70, 110, 170)),
            Stroke(ellipse(0, 0, 0.5 + 0.04 * np.sin(0.3 * time), 0.45), 0, (200, 130, 50)),
        ]

    def pose(time: float) -> tuple[float, float, float, float]:
        return (
            0.7 + 0.35 * np.sin(0.07 * time),
            0.45 + 0.06 * np.sin(0.2 * time),
            0.5,
            0.3 * np.sin(0.1 * time),
        )

    return drawn_layer(size, 24, strokes, pose)


def cutout(picture: Bytes, matte: Bytes, size: Size, number: int) -> Layer:
    """A cut-out that stands on the frame's lower edge and sways."""
    height, width = size
    alpha = matte.astype(np.float32) / 255
    weighted = np.dstack([alpha[..., None] * own_colours(picture, alpha), alpha])
    rows, columns = alpha.shape

    def layer(time: float) -> tuple[Floats, Floats]:
        turn = 0.13 * time + number
        scale = height / rows * (1.0 + 0.03 * np.sin(0.7 * turn))
        middle = (columns / 2, rows * 0.97)
        matrix = cv2.getRotationMatrix2D(middle, 3 * np.sin(turn), scale)
        matrix[:, 2] += (width * (0.5 + 0.09 * np.sin(1.2 * turn)) - middle[0], height - middle[1])
        warped = cv2.warpAffine(weighted, matrix, (width, height))
        coverage = np.clip(warped[..., 3], 0, 1)
        return coverage, warped[..., :3] / np.maximum(coverage, 1e-4)[..., None]

    return layer


def own_colours(picture: Bytes, alpha: Floats) -> Floats:
    """``(H, W, 3)`` 0..255: its own where it is opaque, elsewhere those of the nearest opaque parts."""
    opaque = (alpha >= 0.95).astype(np.float32)
    colours = picture.astype(np.float32)
    result, known = opaque[..., None] * colours, opaque > 0
    for sigma in (1.5, 3, 6, 12, 24, 48):
        weight = cv2.GaussianBlur(opaque, (0, 0), sigma)
        near = (
            cv2.GaussianBlur(opaque[..., None] * colours, (0, 0), sigma) / np.maximum(weight, 1e-6)[..., None]
        )
        new = ~known & (weight > 0.02)
        result[new] = near[new]
        known |= new
    return result


def part_files(data: Path, pattern: str) -> FileIndex:
    found = next(iter(sorted(data.glob(pattern))), None)
    if found is None:
        raise InputError(f"{data} holds no {pattern} (a .tar or a folder); give --data")
    return index_files(found)


def decoded(file: FileRef, flags: int = cv2.IMREAD_COLOR) -> Bytes:
    picture = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags)
    return picture if flags == cv2.IMREAD_GRAYSCALE else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def is_wide(file: FileRef) -> bool:
    height, width = decoded(file, cv2.IMREAD_GRAYSCALE).shape
    return width > 1.3 * height
