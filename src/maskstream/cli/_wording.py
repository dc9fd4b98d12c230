"""Messages of the library, in the words of the command line."""

from __future__ import annotations

import re

#: Arguments of Python that options call by another name.
_OPTIONS = {
    "output": "-o",
    "masks": "--mask",
    "boxes": "--box",
    "matte_output": "--matte",
}
_ARGUMENT = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")


def for_command_line(message: str) -> str:
    """The same message with options where the library names arguments in backquotes.

    Example:
        >>> for_command_line("out.mp4: exists; give `overwrite=True` to replace it")
        'out.mp4: exists; give --overwrite to replace it'
        >>> for_command_line("stop there with `end=12`")
        'stop there with --end 12'
    """

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        words = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        return words if value in (None, "True") else f"{words} {value}"

    # "`masks`: 3=first.png: ..." reads as it was typed: "--mask 3=first.png: ..."
    message = re.sub(r"`(masks|boxes)`: (?=\d+=)", lambda found: f"{_OPTIONS[found[1]]} ", message)
    return _ARGUMENT.sub(option, message)
