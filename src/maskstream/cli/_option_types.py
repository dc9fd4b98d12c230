"""What the words of options mean that several commands have."""

from __future__ import annotations

import argparse


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
