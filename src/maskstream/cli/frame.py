"""``maskstream frame``: frames of a video as pictures, as everything else here decodes them."""

from __future__ import annotations

import argparse
from pathlib import Path

from maskstream.cli._progress import say

NAME = "frame"
HELP = "save frames of a video as pictures, to draw a mask on or to look at"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", type=Path, help="video file, or folder of images")
    parser.add_argument(
        "at",
        nargs="+",
        metavar="WHEN",
        help="index of a frame, from 0 (120), or a time: 4.8s, 0:04.8, 1:02:03",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="picture (.png, .jpg, .webp, .bmp, .tif); for several frames a folder, which gets a PNG of each",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that exist")


def run(args: argparse.Namespace) -> int:
    """Save them."""
    from maskstream.video.stills import parse_moment, save_stills

    moments = [parse_moment(text) for text in args.at]
    for path, frame in save_stills(args.input, moments, args.output, overwrite=args.overwrite):
        time = "" if frame.time is None else f" at {float(frame.time):.3f} s"
        say(f"frame {frame.index}{time}: {path}", args.quiet)
    return 0
