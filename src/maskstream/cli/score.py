"""``maskstream score``: J and F of label maps in a folder, as the official DAVIS tool gives them."""

from __future__ import annotations

import argparse
from pathlib import Path

from maskstream.cli._option_types import add_scoring_arguments
from maskstream.cli._progress import JobBar, say

NAME = "score"
HELP = "score label maps against the truth: J and F of DAVIS, YouTube-VOS, or any folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="DAVIS, a split of YouTube-VOS, or <sequence>/<frame>.png",
    )
    parser.add_argument(
        "--results", type=Path, required=True, metavar="FOLDER", help="<sequence>/<frame>.png"
    )
    parser.add_argument("--set", metavar="NAME", help="DAVIS list (val) or YouTube-VOS split (valid)")
    parser.add_argument(
        "--protocol",
        choices=("davis2016", "davis2017", "youtube-vos", "folder"),
        help="(what the truth's layout looks like)",
    )
    parser.add_argument("--resolution", default="480p", metavar="NAME", help="of DAVIS's Annotations (480p)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="write the CSV files of the official tool here"
    )
    add_scoring_arguments(parser)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write a page: FOLDER/index.html")
    parser.add_argument(
        "--frames", type=Path, metavar="FOLDER", help="images for the report's pictures (the truth's)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (the cores)")


def run(args: argparse.Namespace) -> int:
    """Score everything, print the table, write what is asked for."""
    from maskstream.jobs.score import score

    with JobBar(args.quiet) as bar:
        result = score(
            args.results,
            truth=args.truth,
            protocol=args.protocol,
            subset=args.set,
            resolution=args.resolution,
            seen=args.seen,
            output=args.output,
            json=args.json,
            report=args.report,
            frames=args.frames,
            workers=args.workers,
            on_progress=bar,
        )
    print(result)
    if result.written:
        say(f"written: {', '.join(map(str, result.written))}", args.quiet)
    return 0
