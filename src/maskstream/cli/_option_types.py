"""What the words of options mean that several commands have, and those of both that score."""

from __future__ import annotations

import argparse
from pathlib import Path


def object_ids(text: str) -> tuple[int, ...]:
    """``1,3``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give object ids with commas between, as 1,3") from None


def position(text: str) -> tuple[float, float]:
    """``0.5,0.2``: a place in a picture, 0 to 1 from the left and from the top."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = -1.0
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: give two numbers from 0 to 1, as 0.5,0.2")
    return x, y


def picture_size(text: str) -> tuple[int, int]:
    """``1280x720``: width and height in pixels."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 16 or max(width, height) > 8192:
        raise argparse.ArgumentTypeError(f"{text!r}: give width and height from 16 to 8192, as 1280x720")
    return width, height


def seconds_or_never(text: str) -> float | None:
    """``5``, or ``never``."""
    if text == "never":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give seconds, or never")
    return seconds


def box(text: str) -> tuple[int, int, int, int]:
    """``x,y,w,h`` in pixels, from the upper left."""
    try:
        x, y, width, height = (round(float(part)) for part in text.split(","))
    except ValueError:
        width = height = x = y = 0
    if width <= 0 or height <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give x,y,width,height in pixels, as 320,80,400,600")
    return x, y, width, height


def add_scoring_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare the options that ``score`` and ``evaluate`` share."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every frame's figures here")
    parser.add_argument(
        "--seen",
        type=Path,
        metavar="META.JSON",
        help="YouTube-VOS: of the training split, to tell seen categories (train/meta.json beside the split)",
    )


def seconds(text: str) -> float:
    """A time: ``30``, ``30s``, ``1.5m``."""
    number, factor = (text[:-1], 60) if text.endswith("m") else (text.removesuffix("s"), 1)
    try:
        value = float(number) * factor
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r}: give a time, as 30s or 2m")
    return value
