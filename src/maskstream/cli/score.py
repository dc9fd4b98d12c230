"""``maskstream score``: J and F of label maps in a folder, as the official DAVIS tool gives them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

NAME = "score"
HELP = "score label maps against the truth: J and F of DAVIS, YouTube-VOS, or any folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from maskstream.cli._scoring import add_scoring_arguments

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
        "-o", "--output", type=Path, metavar="FOLDER", help="where the CSV files go (the results)"
    )
    add_scoring_arguments(parser)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write a page: FOLDER/index.html")
    parser.add_argument(
        "--frames", type=Path, metavar="FOLDER", help="images for the report's pictures (the truth's)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (the cores)")


def run(args: argparse.Namespace) -> int:
    """Score everything anew, print the table, write the files."""
    from maskstream.cli._scoring import publish, score
    from maskstream.datasets.sequences import open_sequences

    truth = open_sequences(args.truth, args.protocol, args.set, resolution=args.resolution, seen=args.seen)
    guessed = "" if args.protocol else " (by its layout; --protocol says otherwise)"
    if not args.quiet:
        count = len(truth.sequences)
        print(
            f"{args.truth}: {truth.protocol}{guessed}, set {truth.subset}, "
            f"{count} sequence{'s' * (count != 1)}",
            file=sys.stderr,
        )
    scores = score(truth, args.results, args.workers, args.quiet)
    written = [*publish(scores, args.output or args.results, args.json)]
    if args.report:
        from maskstream.datasets.sequences import with_images
        from maskstream.scoring.evaluation_report import ReportSource, write_report
        from maskstream.scoring.score_folder import ResultFiles

        shown = with_images(truth, args.frames or args.truth)
        facts = {"results": str(args.results), "truth": str(args.truth)}
        written.append(
            write_report(args.report, ReportSource(scores, shown, ResultFiles(args.results), facts))
        )
    if not args.quiet:
        print(f"written: {', '.join(map(str, written))}", file=sys.stderr)
    return 0
