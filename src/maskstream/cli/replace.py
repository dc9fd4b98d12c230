"""``maskstream replace``: another background behind what is marked, in every frame of a video."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskstream.cli._model_options import add_model_arguments, identity, make_segmenter
from maskstream.cli._option_types import object_ids, position

if TYPE_CHECKING:
    from maskstream.background.sources import Background
    from maskstream.matte.config import MatteConfig

NAME = "replace"
HELP = "replace the background of a video"
TRANSPARENT, FIND = "transparent", "found"  #: values of --background and --green-screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", type=Path, help="video file, or folder of images")
    who = parser.add_argument_group("who stays (at least one of --mask, --label-maps, --green-screen)")
    who.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="[FRAME=]PATH",
        help="mask of the first frame, or of frame FRAME, as for segment; may be given several times",
    )
    who.add_argument(
        "--label-maps",
        type=Path,
        metavar="FOLDER",
        help="what segment -o FOLDER has made of this input: a label map for every frame",
    )
    who.add_argument("--keep", type=object_ids, metavar="1,3", help="only these objects stay (all)")
    who.add_argument("--drop", type=object_ids, default=(), metavar="2", help="these objects go")
    who.add_argument(
        "--green-screen",
        nargs="?",
        const=FIND,
        metavar="COLOUR",
        help="key out a screen of this colour (found at the border); with a mask, what is far from the "
        "object goes whatever its colour, and the inside of the object stays",
    )
    who.add_argument(
        "--threshold-soft",
        action="store_true",
        help="cut anti-aliased masks at half instead of refusing them",
    )
    what = parser.add_argument_group("background")
    what.add_argument(
        "--background",
        required=True,
        metavar="WHAT",
        help="image, video, folder of images, blur, a colour (#00ff00, white), or transparent",
    )
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
        "--match-colour",
        type=float,
        default=0.0,
        metavar="0..1",
        help="its tint on the object (0)",
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
    edge.add_argument("--no-smoothing", action="store_true", help="each frame's matte by itself")
    edge.add_argument("--no-refinement", action="store_true", help="the network's edges as they are")
    out = parser.add_argument_group("output")
    out.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="video (.mp4, .mov, .webm, .mkv), or a folder for a PNG of each frame",
    )
    out.add_argument("--matte", type=Path, metavar="PATH", help="also the matte, as a video or a folder")
    out.add_argument(
        "--encoder", metavar="NAME", help="h264, hevc, vp9, prores, or FFmpeg's name of an encoder"
    )
    out.add_argument("--crf", type=int, default=18, metavar="N", help="quality, lower is better (18)")
    out.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    out.add_argument("--resume", action="store_true", help="go on with an interrupted folder of PNGs")
    out.add_argument("--start", type=int, default=0, metavar="FRAME", help="first frame (0)")
    out.add_argument("--end", type=int, metavar="FRAME", help="frame to stop before")
    add_model_arguments(parser.add_argument_group("network"))


def run(args: argparse.Namespace) -> int:
    """Check everything, then do it."""
    from maskstream.background.compositor import CompositeConfig
    from maskstream.cli._outputs import ReplaceOutputs
    from maskstream.cli._replace_job import Encoding, ReplaceJob
    from maskstream.cli._segment_job import Range, check_names, framed, read_masks
    from maskstream.masks.palette import present_ids
    from maskstream.replacement.replacer import BackgroundReplacer, Kept
    from maskstream.video.probe import probe

    outputs = ReplaceOutputs.named(args.output, args.matte)
    info = probe(args.input)
    frames = Range(args.start, args.end, 1)
    frames.check(info)
    check_names(info)
    _check_marks(args)
    sources = [info.path, *(framed(option, frames.start)[1] for option in args.mask)]
    if args.label_maps is not None:
        sources.append(args.label_maps / "any.png")
    if (behind := Path(args.background)).exists():
        sources.append(behind / "any.png" if behind.is_dir() else behind)
    outputs.check(sources, args.overwrite, args.resume)
    masks = read_masks(args.mask, info, frames, None, args.threshold_soft)
    kept = Kept.of(args.keep, args.drop)
    if masks:
        kept.check({object_id for label_map in masks.values() for object_id in present_ids(label_map)})
        if min(masks) > frames.start:
            _say(f"frames before the first mask ({min(masks)}) show the background only", args)
    with ExitStack() as stack:
        background = _background(args, stack)
        replacer = BackgroundReplacer(
            make_segmenter(args)() if masks else None,
            background,
            kept=kept,
            matte=_matte(args),
            composite=CompositeConfig(args.light_wrap, args.match_colour),
        )
        job = ReplaceJob(
            info,
            frames,
            replacer,
            masks if args.label_maps is None else args.label_maps,
            outputs,
            Encoding(args.encoder, args.crf, alpha=background is None),
            identity={**identity(args), **_look(args)},
            quiet=args.quiet,
        )
        count = job.run(args.resume)
    _say(f"{count} frame{'s' * (count != 1)}: {', '.join(map(str, outputs.all))}", args)
    return 0


def _check_marks(args: argparse.Namespace) -> None:
    """Refuse to go without anything that says who stays, or with what doesn't go together."""
    from maskstream.errors import InputError

    if args.label_maps is not None:
        if args.mask:
            raise InputError("--mask and --label-maps: give one of them")
        if not args.label_maps.is_dir():
            raise InputError(
                f"{args.label_maps}: no such folder; make it with maskstream segment {args.input} -o FOLDER"
            )
    elif not args.mask and args.green_screen is None:
        raise InputError(
            f"{args.input}: nothing is marked; give --mask first.png, or --green-screen if there is one"
        )


def _background(args: argparse.Namespace, stack: ExitStack) -> Background | None:
    """What goes behind; None: nothing."""
    from maskstream.background.sources import open_background

    if args.background == TRANSPARENT:
        return None
    return stack.enter_context(
        closing(
            open_background(
                args.background,
                args.fit,
                args.position,
                fill=args.fill,
                fps=args.background_fps,
                strength=args.blur_strength,
                falloff=args.blur_falloff,
            )
        )
    )


def _matte(args: argparse.Namespace) -> MatteConfig:
    """How edges are made."""
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


def _look(args: argparse.Namespace) -> dict[str, Any]:
    """All options that change the pictures, as plain data."""
    names = "keep drop green_screen label_maps background fit position fill background_fps blur_strength "
    names += "blur_falloff light_wrap match_colour quality shift softness spill no_smoothing no_refinement"
    return {name: str(getattr(args, name)) for name in names.split()}


def _say(text: str, args: argparse.Namespace) -> None:
    if not args.quiet:
        print(text, file=sys.stderr)
