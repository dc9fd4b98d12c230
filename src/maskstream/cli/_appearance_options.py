"""The options that say what a replaced background looks like: the same for files and live streams."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from maskstream.cli._option_types import position

if TYPE_CHECKING:
    from maskstream.background.compositor import CompositeConfig
    from maskstream.background.options import BackgroundOptions
    from maskstream.matte.config import MatteConfig

FIND = "found"  #: value of --green-screen without a colour


def add_screen_argument(parser: argparse._ActionsContainer) -> None:
    """Declare the screen that is keyed out."""
    parser.add_argument(
        "--green-screen",
        nargs="?",
        const=FIND,
        metavar="COLOUR",
        help="key out a screen of this colour (found at the border); with a mask, what is far from the "
        "object goes whatever its colour, and the inside of the object stays",
    )


def add_appearance_arguments(parser: argparse.ArgumentParser, backgrounds: str) -> None:
    """Declare what is behind, and how edges are made.

    Args:
        parser: gets two groups.
        backgrounds: what ``--background`` may be.
    """
    what = parser.add_argument_group("background")
    what.add_argument("--background", required=True, metavar="WHAT", help=backgrounds)
    what.add_argument("--fit", choices=("cover", "contain", "stretch"), default="cover", help="(cover)")
    what.add_argument(
        "--position",
        type=position,
        default=(0.5, 0.5),
        metavar="X,Y",
        help="which part of a background that is too large stays in view, 0 to 1 (0.5,0.5: the middle)",
    )
    what.add_argument(
        "--fill", default="black", metavar="COLOUR", help="of contain's bars, and behind transparent images"
    )
    what.add_argument(
        "--background-fps", type=float, metavar="RATE", help="of a folder of images as background (24)"
    )
    what.add_argument(
        "--blur-strength", type=float, default=0.03, metavar="PART", help="of the frame's height (0.03)"
    )
    what.add_argument(
        "--blur-falloff",
        type=float,
        default=0.0,
        metavar="0..1",
        help="less blur near the object's foot, more above (0)",
    )
    what.add_argument(
        "--light-wrap", type=float, default=0.0, metavar="0..1", help="the background's light on edges (0)"
    )
    what.add_argument(
        "--match-colour", type=float, default=0.0, metavar="0..1", help="its tint on the object (0)"
    )
    edge = parser.add_argument_group("edges")
    edge.add_argument(
        "--quality", choices=("fast", "best", "none"), default="fast", help="of edge colours (fast)"
    )
    edge.add_argument(
        "--shift", type=float, default=0.0, metavar="PIXELS", help="edges out, or in if below 0 (0)"
    )
    edge.add_argument("--softness", type=float, default=0.0, metavar="PIXELS", help="soften the edge (0)")
    edge.add_argument(
        "--spill", type=float, default=0.0, metavar="0..1", help="take the old background's hue off edges (0)"
    )
    edge.add_argument(
        "--no-smoothing", action="store_true", help="no smoothing over time: each frame's matte on its own"
    )
    edge.add_argument("--no-refinement", action="store_true", help="the network's edges as they are")


def background_options(args: argparse.Namespace) -> BackgroundOptions:
    """What is behind, as plain data."""
    from maskstream.background.options import BackgroundOptions

    return BackgroundOptions(
        args.background,
        args.fit,
        args.position,
        args.fill,
        args.background_fps,
        args.blur_strength,
        args.blur_falloff,
    )


def composite_of(args: argparse.Namespace) -> CompositeConfig:
    """How both are put together.

    Raises:
        InputError: a value is out of its range.
    """
    from maskstream.background.compositor import CompositeConfig

    return CompositeConfig(args.light_wrap, args.match_colour)


def matte_of(args: argparse.Namespace) -> MatteConfig:
    """How edges are made.

    Raises:
        InputError: a value is out of its range.
    """
    from maskstream.background.colours import parse_colour
    from maskstream.matte.config import KeyConfig, MatteConfig

    key = None
    if args.green_screen is not None:
        key = KeyConfig(None if args.green_screen == FIND else parse_colour(args.green_screen))
    return MatteConfig(
        refine=not args.no_refinement,
        smooth=not args.no_smoothing,
        foreground=args.quality,
        shift=args.shift,
        softness=args.softness,
        spill=args.spill,
        key=key,
    )
