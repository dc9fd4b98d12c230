"""``maskstream evaluate``: segment the sequences of a data set, then score them or zip a submission."""

from __future__ import annotations

import argparse
from pathlib import Path

from maskstream.cli._model_options import add_model_arguments, segmenter_options
from maskstream.cli._option_types import add_scoring_arguments
from maskstream.cli._progress import JobBar, say

NAME = "evaluate"
HELP = "segment the sequences of DAVIS, YouTube-VOS or a folder, and score them or zip a submission"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--dataset", choices=("davis2016", "davis2017", "youtube-vos", "folder"), required=True
    )
    parser.add_argument("--root", type=Path, required=True, metavar="FOLDER", help="of the data set")
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="DAVIS: val (default), test-dev, test-challenge; YouTube-VOS: valid (default), valid_all_frames",
    )
    parser.add_argument("--resolution", default="480p", metavar="NAME", help="of DAVIS (480p)")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="label maps, scores, submission"
    )
    parser.add_argument("--overwrite", action="store_true", help="start over in a folder of an earlier run")
    parser.add_argument(
        "--zip",
        nargs="?",
        const="",
        metavar="FILE",
        help="zip a submission even where the truth is known (<output>/<dataset>-<split>.zip)",
    )
    parser.add_argument("--report", action="store_true", help="write a page: <output>/report/index.html")
    add_scoring_arguments(parser)
    add_model_arguments(parser.add_argument_group("model"), keeps=False)
    sharing = parser.add_argument_group("sharing the work")
    sharing.add_argument("--workers", type=int, default=1, metavar="N", help="processes, a sequence each (1)")
    sharing.add_argument(
        "--part", type=_part, default=(1, 1), metavar="I/N", help="only the I-th of N shares, as 2/3"
    )


def run(args: argparse.Namespace) -> int:
    """Segment what is not there yet; when all of it is, score it, zip it, report on it."""
    from maskstream.jobs.evaluate import EvaluationOptions, run_evaluation

    options = EvaluationOptions(
        args.dataset,
        args.root,
        args.output,
        args.split,
        args.resolution,
        args.seen,
        args.json,
        Path(args.zip) if args.zip else args.zip is not None,
        args.report,
        args.overwrite,
        args.workers,
        args.part,
        segmenter_options(args),
    )
    with JobBar(args.quiet) as bar:
        done = run_evaluation(options, bar)
    if done.scores is not None:
        print(done)
    if done.written:
        say(f"written: {', '.join(map(str, done.written))}", args.quiet)
    return 0


def _part(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    if first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise argparse.ArgumentTypeError(f"{text!r}: give which share of how many, as 2/3")
