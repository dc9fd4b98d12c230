"""``maskstream ablate``: train and score a list of configs under one budget, and print their table."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from maskstream.cli._data_options import add_data_options, data_folders
from maskstream.plain_data import read_json

NAME = "ablate"
HELP = "train and score the parts of the network one by one; run it again to continue where it stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of all runs")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="JSON of an ablation plan (the DAVIS 2020 winner's parts)"
    )
    add_data_options(parser)
    run = parser.add_argument_group("runs")
    run.add_argument("--steps", type=int, help="length of each training (the plan's)")
    run.add_argument("--seeds", type=_seeds, default=(0, 1), help="each row is trained with each (0,1)")
    run.add_argument(
        "--only", type=_names, default=(), metavar="ROWS", help="run these rows only: aspp,resnest"
    )
    run.add_argument(
        "--sequences",
        type=_names,
        default=(),
        metavar="NAMES",
        help="development sequences to score on (all)",
    )
    run.add_argument("--device", help="cpu, cuda, mps (cuda where there is one, else cpu)")
    run.add_argument("--threads", type=int, help="of the CPU")


def run(args: argparse.Namespace) -> int:
    """Do what is not done yet, then print the table."""
    from maskstream.ablation.ablate import ablate
    from maskstream.ablation.plan import DEFAULT_PLAN, AblationPlan

    if not args.quiet:
        logging.getLogger("maskstream").setLevel(logging.INFO)
    try:
        page = ablate(
            args.output,
            data=data_folders(args),
            plan=AblationPlan.from_dict(read_json(args.config)) if args.config else DEFAULT_PLAN,
            steps=args.steps,
            seeds=args.seeds,
            only=args.only,
            sequences=args.sequences,
            cache=args.cache,
            device=args.device,
            threads=args.threads,
        )
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("run the same command to continue",)
        raise
    print(page.read_text(encoding="utf-8").partition("\n\n")[0])
    print(f"{page}: written, with ablation.json and ablation.svg")
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(seed) for seed in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers, as 0,1") from None
    if min(seeds) < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers from 0 on")
    return seeds
