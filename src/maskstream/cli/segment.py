"""``maskstream segment``: objects that are marked in one frame, in every frame of a video."""

from __future__ import annotations

import argparse

from maskstream.cli._marks import add_mark_arguments, marks_of
from maskstream.cli._model_options import add_model_arguments, segmenter_options
from maskstream.cli._option_types import object_ids
from maskstream.cli._progress import JobBar, say_result

NAME = "segment"
HELP = "segment marked objects through a video"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", help="video file, or folder of images (JPEGImages/480p/bear)")
    add_mark_arguments(parser.add_argument_group("objects (the main subject is detected, unless marked)"))
    out = parser.add_argument_group("output (at least one)")
    out.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="folder: a palette PNG for each frame; .json: run lengths; .mp4 and the like: a mask video, or "
        "the overlay if --overlay is given without a name",
    )
    out.add_argument(
        "--overlay",
        nargs="?",
        const=True,
        metavar="VIDEO",
        help="video of the masks over the frames; without a name: -o if that is a video, else beside it",
    )
    out.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    what = parser.add_argument_group("what")
    what.add_argument("--ids", type=object_ids, metavar="1,3", help="only these objects of the masks")
    what.add_argument("--start", type=int, default=0, metavar="FRAME", help="first frame (0)")
    what.add_argument("--end", type=int, metavar="FRAME", help="frame to stop before")
    what.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th frame (1)")
    what.add_argument(
        "--backward", action="store_true", help="also go back, from the first mask of each object to --start"
    )
    how = parser.add_argument_group("how")
    add_model_arguments(how)
    how.add_argument("--resume", action="store_true", help="continue an interrupted run where it stopped")


def run(args: argparse.Namespace) -> int:
    """Check everything, segment, then draw what else was asked for."""
    from maskstream.jobs.frames import FrameRange
    from maskstream.jobs.segment import SegmentJob, SegmentOptions

    options = SegmentOptions(
        args.input,
        args.output,
        args.overlay,
        marks_of(args),
        args.ids,
        FrameRange(args.start, args.end, args.every),
        backward=args.backward,
        threshold_soft=args.threshold_soft,
        largest=args.largest,
        overwrite=args.overwrite,
        segmenter=segmenter_options(args),
    )
    with JobBar(args.quiet) as bar:
        result = SegmentJob(options, on_progress=bar).run(resume=args.resume)
    say_result(result, args.quiet)
    return 0
