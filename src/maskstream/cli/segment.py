"""``maskstream segment``: objects that are marked in one frame, in every frame of a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskstream.cli._model_options import add_model_arguments, identity, make_segmenter
from maskstream.cli._option_types import object_ids
from maskstream.cli._progress import say

if TYPE_CHECKING:
    from maskstream.video.probe import VideoInfo

NAME = "segment"
HELP = "segment marked objects through a video"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", type=Path, help="video file, or folder of images (JPEGImages/480p/bear)")
    parser.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="[FRAME=]PATH",
        help="mask of the first frame, or of frame FRAME: an image (palette, grey, colours), or a folder of "
        "one file an object; may be given for several frames, and several files for one",
    )
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="[FRAME=]x,y,w,h",
        help="box around an object of the first frame, or of frame FRAME, in pixels, instead of its mask; "
        "may be given several times, an object each",
    )
    out = parser.add_argument_group("output (at least one)")
    out.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="folder: a palette PNG for each frame; .json: run lengths; .mp4 and the like: a mask video, or "
        "the overlay if --overlay is given without a name",
    )
    out.add_argument(
        "--overlay",
        nargs="?",
        const="",
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
    what.add_argument(
        "--threshold-soft",
        action="store_true",
        help="cut anti-aliased masks at half instead of refusing them",
    )
    how = parser.add_argument_group("how")
    add_model_arguments(how)
    how.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")


def run(args: argparse.Namespace) -> int:
    """Check everything, segment, then draw what else was asked for."""
    from maskstream.cli._outputs import SegmentOutputs
    from maskstream.cli._segment_job import (
        Range,
        SegmentJob,
        check_names,
        find_subject_of,
        framed,
        read_masks,
    )
    from maskstream.video.probe import probe

    outputs = SegmentOutputs.named(args.output, args.overlay)
    info = probe(args.input)
    frames = Range(args.start, args.end, args.every)
    frames.check(info)
    check_names(info)
    given = args.mask or ([] if args.box else _annotation(info, frames.start))
    sources = [info.path, *(framed(option, frames.start)[1] for option in given)]
    outputs.check(sources, args.overwrite, args.resume)
    if given or args.box:
        masks = read_masks(given, info, frames, args.ids, args.threshold_soft, args.box)
    else:
        say("nothing is marked: the subject is found by itself, people first", args.quiet)
        masks = find_subject_of(info, frames)
    segmenters = make_segmenter(args)
    if min(masks) > frames.start and not args.backward:
        say(
            f"frames before the first mask ({min(masks)}) stay empty; --backward goes back from it",
            args.quiet,
        )
    job = SegmentJob(
        info,
        masks,
        frames,
        outputs,
        backward=args.backward,
        make_segmenter=segmenters,
        identity=identity(args),
        quiet=args.quiet,
    )
    count = job.run(args.resume)
    say(f"{count} frame{'s' * (count != 1)}: {', '.join(map(str, outputs.all))}", args.quiet)
    return 0


def _annotation(info: VideoInfo, start: int) -> list[str]:
    """The first mask of a DAVIS-style sequence: ``Annotations`` where ``JPEGImages`` is in the path."""
    parts = info.path.resolve().parts
    if not info.images or "JPEGImages" not in parts or start >= len(info.images):
        return []
    folder = Path(*("Annotations" if part == "JPEGImages" else part for part in parts))
    path = folder / f"{info.images[start].stem}.png"
    return [str(path)] if path.is_file() else []
