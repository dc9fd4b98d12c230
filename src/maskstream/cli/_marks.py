"""The options that mark objects in frames, the same for files that are segmented and replaced."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstream.jobs.marks import Mark


def add_mark_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare them, in a parser or a group of one."""
    parser.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="[FRAME=]PATH",
        help="mask of the first frame, or of frame FRAME: an image (palette, grey, colours), or a folder of "
        "one file per object; may be given for several frames, and several files for one",
    )
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="[FRAME=]x,y,w,h",
        help="box around an object in the first frame, or in frame FRAME, in pixels, instead of its mask; "
        "may be given several times, one object each",
    )
    parser.add_argument(
        "--largest", action="store_true", help="of a detected subject, keep the largest part only"
    )
    parser.add_argument(
        "--threshold-soft",
        action="store_true",
        help="soft edges of masks are meant to be rounded: no word about it",
    )


def marks_of(args: argparse.Namespace) -> tuple[Mark, ...]:
    """What the options mark.

    Raises:
        InputError: a box is none.
    """
    from maskstream.jobs.marks import BoxMark, MaskMark

    files: dict[int, list[str]] = {}
    for option in args.mask:
        frame, path = _framed(option, args.start)
        files.setdefault(frame, []).append(path)
    masks = [MaskMark(frame, tuple(paths)) for frame, paths in sorted(files.items())]
    return (*masks, *(BoxMark(*_framed_box(option, args.start)) for option in args.box))


def _framed(option: str, start: int) -> tuple[int, str]:
    """Frame index and path of ``[FRAME=]PATH``; without a frame it is the first one, ``start``."""
    head, separator, tail = option.partition("=")
    if separator and head.isdecimal():
        return int(head), str(Path(tail).expanduser())  # which no shell does after the sign
    return start, option


def _framed_box(option: str, start: int) -> tuple[int, tuple[int, int, int, int]]:
    """Frame index and box of ``[FRAME=]x,y,w,h``; without a frame it is the first one, ``start``."""
    from maskstream.errors import InputError

    head, separator, tail = option.rpartition("=")
    try:
        x, y, width, height = (int(part) for part in tail.split(","))
        return int(head) if separator else start, (x, y, width, height)
    except ValueError:
        raise InputError(
            f"--box {option}: give x,y,width,height in pixels, as 120,40,300,420, or FRAME= in front of it"
        ) from None
