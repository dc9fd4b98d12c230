"""``maskstream replace``: another background behind what is marked, in every frame of a video."""

from __future__ import annotations

import argparse

from maskstream.cli._appearance_options import (
    add_appearance_arguments,
    add_screen_argument,
    background_options,
    composite_of,
    matte_of,
)
from maskstream.cli._marks import add_mark_arguments, marks_of
from maskstream.cli._model_options import add_model_arguments, segmenter_options
from maskstream.cli._option_types import object_ids
from maskstream.cli._progress import JobBar, say_result

NAME = "replace"
HELP = "replace the background of a video"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", help="video file, or folder of images")
    who = parser.add_argument_group("who stays (the main subject is detected, unless marked)")
    add_mark_arguments(who)
    who.add_argument(
        "--label-maps",
        metavar="FOLDER",
        help="what segment -o FOLDER has made of this input: a label map for every frame",
    )
    who.add_argument("--keep", type=object_ids, metavar="1,3", help="only these objects stay (all)")
    who.add_argument("--drop", type=object_ids, default=(), metavar="2", help="these objects go")
    add_screen_argument(who)
    add_appearance_arguments(
        parser, "image, video, folder of images, blur, a colour (#00ff00, white), or transparent"
    )
    out = parser.add_argument_group("output")
    out.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="video (.mp4, .mov, .webm, .mkv), or a folder for a PNG of each frame",
    )
    out.add_argument("--matte", metavar="PATH", help="also the matte, as a video or a folder")
    out.add_argument(
        "--encoder", metavar="NAME", help="h264, hevc, vp9, prores, or FFmpeg's name of an encoder"
    )
    out.add_argument("--crf", type=int, default=18, metavar="N", help="quality, lower is better (18)")
    out.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    out.add_argument("--resume", action="store_true", help="continue an interrupted folder of PNGs")
    out.add_argument("--start", type=int, default=0, metavar="FRAME", help="first frame (0)")
    out.add_argument("--end", type=int, metavar="FRAME", help="frame to stop before")
    add_model_arguments(parser.add_argument_group("network"))


def run(args: argparse.Namespace) -> int:
    """Check everything, then do it."""
    from maskstream.jobs.frames import FrameRange
    from maskstream.jobs.replace import ReplaceJob, ReplaceOptions

    options = ReplaceOptions(
        args.input,
        args.output,
        background_options(args),
        args.matte,
        marks_of(args),
        args.label_maps,
        args.keep,
        args.drop,
        FrameRange(args.start, args.end),
        matte_of(args),
        composite_of(args),
        args.encoder,
        args.crf,
        threshold_soft=args.threshold_soft,
        largest=args.largest,
        overwrite=args.overwrite,
        segmenter=segmenter_options(args),
    )
    with JobBar(args.quiet) as bar:
        result = ReplaceJob(options, on_progress=bar).run(resume=args.resume)
    say_result(result, args.quiet)
    return 0
