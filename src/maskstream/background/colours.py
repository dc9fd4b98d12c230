"""Colours as users write them."""

from __future__ import annotations

import re

from maskstream.errors import InputError

Colour = tuple[int, int, int]  #: red, green, blue, 0..255

#: The names of CSS level 1 and a few more; ``green`` is that of green screens, not the dark one of CSS.
NAMES: dict[str, Colour] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "red": (255, 0, 0),
    "maroon": (128, 0, 0),
    "orange": (255, 165, 0),
    "brown": (165, 42, 42),
    "yellow": (255, 255, 0),
    "olive": (128, 128, 0),
    "lime": (0, 255, 0),
    "green": (0, 255, 0),
    "teal": (0, 128, 128),
    "aqua": (0, 255, 255),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "purple": (128, 0, 128),
    "magenta": (255, 0, 255),
    "fuchsia": (255, 0, 255),
    "pink": (255, 192, 203),
}


def find_colour(text: str) -> Colour | None:
    """The colour of ``#00ff00``, ``#0f0``, ``rgb(0, 255, 0)`` or ``green``; None where a text is none.

    Raises:
        InputError: it starts like a colour but is none.
    """
    text = text.strip().lower()
    if text in NAMES:
        return NAMES[text]
    if re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", text):
        step = (len(text) - 1) // 3
        red, green, blue = (int(text[1 + step * i :][:step] * (3 - step), 16) for i in range(3))
        return red, green, blue
    numbers = re.fullmatch(r"rgb\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)", text)
    if numbers and all(int(number) <= 255 for number in numbers.groups()):
        red, green, blue = map(int, numbers.groups())
        return red, green, blue
    if text.startswith(("#", "rgb(")):
        raise InputError(f"{text}: not a colour; write it as #00ff00 or rgb(0, 255, 0)")
    return None


def parse_colour(text: str) -> Colour:
    """The colour that a text names.

    Raises:
        InputError: it names none.
    """
    colour = find_colour(text)
    if colour is None:
        raise InputError(f"{text}: not a colour; write #00ff00, rgb(0, 255, 0) or one of {', '.join(NAMES)}")
    return colour
