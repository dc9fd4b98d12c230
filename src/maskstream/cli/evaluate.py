"""``maskstream evaluate``: segment the sequences of a data set, then score them or zip a submission."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskstream.cli._model_options import add_model_arguments
from maskstream.cli._progress import say
from maskstream.cli._scoring import add_scoring_arguments

if TYPE_CHECKING:
    from maskstream.datasets.sequences import SequenceSet
    from maskstream.scoring.runs import RunFolder

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
    parser.add_argument("--overwrite", action="store_true", help="begin again in a folder of an earlier run")
    parser.add_argument(
        "--zip",
        nargs="?",
        const="",
        metavar="FILE",
        help="zip a submission even where the truth is known (<output>/<dataset>-<split>.zip)",
    )
    parser.add_argument("--report", action="store_true", help="write a page: <output>/report/index.html")
    add_scoring_arguments(parser)
    add_model_arguments(parser.add_argument_group("model"))
    sharing = parser.add_argument_group("sharing the work")
    sharing.add_argument("--workers", type=int, default=1, metavar="N", help="processes, a sequence each (1)")
    sharing.add_argument(
        "--part", type=_part, default=(1, 1), metavar="I/N", help="only the I-th of N shares, as 2/3"
    )


def run(args: argparse.Namespace) -> int:
    """Segment what is not there yet; when all of it is, score it, zip it, report on it."""
    from contextlib import closing

    from maskstream.cli._model_options import segmenter_options
    from maskstream.cli._progress import progress
    from maskstream.datasets.sequences import open_sequences
    from maskstream.errors import InputError
    from maskstream.scoring.processes import cores, shared
    from maskstream.scoring.runs import RunFolder, SequenceWork, part_of, portable

    if args.workers < 1:
        raise InputError(f"--workers is {args.workers}; give 1 or more")
    if args.overwrite and args.part[1] > 1:
        raise InputError("--overwrite with --part would remove the others' work; remove the folder first")
    if args.threads is None and args.workers > 1:
        args.threads = max(1, cores() // args.workers)
    found = open_sequences(
        args.root, args.dataset, args.split, resolution=args.resolution, with_images=True, seen=args.seen
    )
    segmenter = segmenter_options(args)
    settings = {"dataset": args.dataset, "split": found.subset, "resolution": args.resolution}
    settings |= portable(segmenter.identity())
    work = SequenceWork(
        segmenter.load,
        str(settings),
        folder := RunFolder(args.output),
        found.protocol,
        found.subset,
        args.report,
    )
    work.load_once()  # what is wrong with the options is to be said before anything is written
    folder.begin(settings, found.sequences if args.overwrite else None)
    share = part_of(found.sequences, args.part)
    left = [sequence for sequence in share if not folder.is_done(sequence)]
    if len(left) < len(share):
        say(f"{len(share) - len(left)} of {len(share)} sequences were there already", args.quiet)
    with (
        closing(shared(work, left, args.workers)) as done,
        closing(
            progress(done, "sequences", len(share), done=len(share) - len(left), quiet=args.quiet)
        ) as shown,
    ):
        for _ in shown:
            pass
    if missing := sum(not folder.is_done(sequence) for sequence in found.sequences):
        say(
            f"{missing} of {len(found.sequences)} sequences are not there yet: the other parts' work",
            args.quiet,
        )
        return 0
    _finish(found, folder, args)
    return 0


def _finish(found: SequenceSet, folder: RunFolder, args: argparse.Namespace) -> None:
    """Score, zip and report on a whole run."""
    from maskstream.cli._scoring import baselines, publish, score
    from maskstream.scoring.evaluation_report import ReportSource, write_report
    from maskstream.scoring.runs import write_submission
    from maskstream.scoring.score_folder import ResultFiles, has_truth

    known = all(has_truth(sequence, found.protocol) for sequence in found.sequences)
    if known:
        scores = score(found, folder.path, None, args.quiet)
        copies = baselines(found, None, args.quiet)
        written = [*publish(scores, folder.path, args.json, copies)]
        times = {each.name: folder.milliseconds(each.name) for each in found.sequences}
        timed = {name: time for name, time in times.items() if time is not None}
        if timed:
            print(f"\n{sum(timed.values()) / len(timed):.0f} ms a frame (mean over sequences of medians)")
        if args.report:
            facts = {
                "model": ", ".join(args.models or [args.model]),
                "runtime": args.runtime + (f" on {args.device}" if args.device else ""),
                "size": str(args.size or "the network's own"),
                "scales": ", ".join(f"{scale:g}" for scale in args.scales)
                + (", flipped" if args.flip else ""),
                "data": str(args.root),
            }
            source = ReportSource(
                scores,
                found,
                ResultFiles(folder.path),
                facts,
                copies,
                lambda name: folder.about(name, ".npz"),
                timed,
            )
            written.append(write_report(folder.path / "report", source))
    else:
        written = []
        say(
            "the truth of this set is not there, so there are no scores" + " or report" * args.report,
            args.quiet,
        )
    if args.zip is not None or not known:
        path = Path(args.zip or folder.path / f"{args.dataset}-{found.subset}.zip")
        write_submission(found, folder, path)
        written.append(path)
    say(f"written: {', '.join(map(str, written))}", args.quiet)


def _part(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    if first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise argparse.ArgumentTypeError(f"{text!r}: give which share of how many, as 2/3")
