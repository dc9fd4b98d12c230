"""What a matte is made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from maskstream.errors import InputError

Foreground = Literal["fast", "best", "none"]

_FARTHEST = 100.0  # pixels that an edge may be moved or softened


@dataclass(frozen=True)
class KeyConfig:
    """A coloured screen behind the object.

    Attributes:
        colour: RGB of the screen; None: found on the border of the first frame.
        angle: in degrees, how far from the screen's hue a colour may lie and still be partly screen. 60 is
            the classic colour difference. None: 45, or 20 for a screen whose hue is near to skin.
        tolerance: 0..1, share of the screen's saturation that may be missing where it is still all screen.
        floor: 0..1, share of the screen's saturation below which nothing is screen.
        softness: 0..1, width of the soft edge as a share of what lies between tolerance and floor.
        spill: 0..1, how much of the screen's light is taken off the object.
        margin: share of the frame's height around the tracked object where the key decides; farther away
            everything is background.

    Raises:
        InputError: a value is out of its range.
    """

    colour: tuple[int, int, int] | None = None
    angle: float | None = None
    tolerance: float = 0.25
    floor: float = 0.15
    softness: float = 1.0
    spill: float = 1.0
    margin: float = 0.06

    def __post_init__(self) -> None:
        if self.colour is not None and not (
            len(self.colour) == 3 and all(0 <= value <= 255 for value in self.colour)
        ):
            raise InputError(f"key colour is {self.colour}; give three numbers from 0 to 255")
        if self.angle is not None:
            _within("key angle", self.angle, 5, 85)
        _within("key tolerance", self.tolerance, 0, 0.9)
        _within("key softness", self.softness, 0.05, 1)
        _within("key floor", self.floor, 0, 1)
        _within("key spill", self.spill, 0, 1)
        _within("key margin", self.margin, 0, 1)


@dataclass(frozen=True)
class MatteConfig:
    """How alpha and foreground are made.

    Attributes:
        refine: follow the frame's own edges; False: plain upsampling.
        smooth: even out flicker where the frame stands still.
        foreground: how the object's own colour is found where alpha is partial: ``"fast"``, ``"best"`` (the
            matting extra; seconds a frame) or ``"none"`` (the frame's colour).
        shift: pixels of the frame by which the edge is moved, outwards > 0.
        softness: pixels of the frame by which the edge is blurred.
        spill: 0..1, how much of the old background's hue is taken off the edge.
        key: the screen behind the object, or None.

    Raises:
        InputError: a value is out of its range.
    """

    refine: bool = True
    smooth: bool = True
    foreground: Foreground = "fast"
    shift: float = 0.0
    softness: float = 0.0
    spill: float = 0.0
    key: KeyConfig | None = None

    def __post_init__(self) -> None:
        if self.foreground not in get_args(Foreground):
            raise InputError(f"foreground is {self.foreground!r}; choose {', '.join(get_args(Foreground))}")
        _within("shift", self.shift, -_FARTHEST, _FARTHEST)
        _within("softness", self.softness, 0, _FARTHEST)
        _within("spill", self.spill, 0, 1)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value:g}; give a number from {low:g} to {high:g}")
