"""``maskstream replace``: another background behind what is marked, in every frame of a video."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing
from pathlib import Path

from maskstream.cli._look_options import (
    add_look_arguments,
    add_screen_argument,
    background_of,
    composite_of,
    look_of,
    matte_of,
)
from maskstream.cli._model_options import add_model_arguments, identity, make_segmenter
from maskstream.cli._option_types import object_ids
from maskstream.cli._progress import say

NAME = "replace"
HELP = "replace the background of a video"
TRANSPARENT = "transparent"  #: value of --background


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", type=Path, help="video file, or folder of images")
    who = parser.add_argument_group("who stays (the subject, found by itself, unless said)")
    who.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="[FRAME=]PATH",
        help="mask of the first frame, or of frame FRAME, as for segment; may be given several times",
    )
    who.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="[FRAME=]x,y,w,h",
        help="box around an object of the first frame, or of frame FRAME, in pixels, instead of its mask; "
        "may be given several times, an object each",
    )
    who.add_argument(
        "--label-maps",
        type=Path,
        metavar="FOLDER",
        help="what segment -o FOLDER has made of this input: a label map for every frame",
    )
    who.add_argument("--keep", type=object_ids, metavar="1,3", help="only these objects stay (all)")
    who.add_argument("--drop", type=object_ids, default=(), metavar="2", help="these objects go")
    add_screen_argument(who)
    who.add_argument(
        "--threshold-soft",
        action="store_true",
        help="cut anti-aliased masks at half instead of refusing them",
    )
    add_look_arguments(
        parser, "image, video, folder of images, blur, a colour (#00ff00, white), or transparent"
    )
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
    from maskstream.cli._outputs import ReplaceOutputs
    from maskstream.cli._replace_job import Encoding, ReplaceJob
    from maskstream.cli._segment_job import Range, check_names, find_subject_of, framed, read_masks
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
    masks = read_masks(args.mask, info, frames, None, args.threshold_soft, args.box)
    if not masks and args.label_maps is None and args.green_screen is None:
        say("nothing is marked: the subject is found by itself, people first", args.quiet)
        masks = find_subject_of(info, frames)
    kept = Kept.of(args.keep, args.drop)
    if masks:
        kept.check({object_id for label_map in masks.values() for object_id in present_ids(label_map)})
        if min(masks) > frames.start:
            say(f"frames before the first mask ({min(masks)}) show the background only", args.quiet)
    with ExitStack() as stack:
        background = None
        if args.background != TRANSPARENT:
            background = stack.enter_context(closing(background_of(args, args.background)))
        replacer = BackgroundReplacer(
            make_segmenter(args)() if masks else None,
            background,
            kept=kept,
            matte=matte_of(args),
            composite=composite_of(args),
        )
        job = ReplaceJob(
            info,
            frames,
            replacer,
            masks if args.label_maps is None else args.label_maps,
            outputs,
            Encoding(args.encoder, args.crf, alpha=background is None),
            identity={
                **identity(args),
                **look_of(args),
                "kept": [args.keep, args.drop],
                "label maps": str(args.label_maps),
            },
            quiet=args.quiet,
        )
        count = job.run(args.resume)
    say(f"{count} frame{'s' * (count != 1)}: {', '.join(map(str, outputs.all))}", args.quiet)
    return 0


def _check_marks(args: argparse.Namespace) -> None:
    """Refuse what doesn't go together."""
    from maskstream.errors import InputError

    if args.label_maps is not None:
        if args.mask or args.box:
            given = "--mask" if args.mask else "--box"
            raise InputError(f"{given} and --label-maps: give one of them")
        if not args.label_maps.is_dir():
            raise InputError(
                f"{args.label_maps}: no such folder; make it with maskstream segment {args.input} -o FOLDER"
            )
