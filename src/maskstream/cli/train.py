"""``maskstream train``: train a network from scratch or from earlier weights."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from maskstream.cli._data_options import add_data_options, data_folders
from maskstream.plain_data import read_json

NAME = "train"
HELP = "train a network; run it again with the same folder to continue where it stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the run")
    parser.add_argument(
        "--stage",
        choices=("follow", "subject"),
        default="follow",
        help="follow: objects by their first masks (the default); subject: find who or what a frame is of",
    )
    parser.add_argument(
        "--network",
        metavar="NAME|FILE",
        help="stm, damo, live, or a JSON file of a network config (live; for --stage subject: subject)",
    )
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights (.safetensors) to start from")
    add_data_options(parser)
    run = parser.add_argument_group("run")
    run.add_argument("--minutes", type=float, help="stop cleanly after this long, over all resumptions")
    run.add_argument("--steps", type=int, help="length of the run; without it, --minutes is the length")
    run.add_argument("--config", type=Path, metavar="FILE", help="JSON with fields of TrainConfig")
    run.add_argument("--seed", type=int, help="of everything random (0)")
    run.add_argument("--device", help="cpu, cuda, mps (cuda where there is one, else cpu)")
    run.add_argument("--threads", type=int, help="of the CPU")


def run(args: argparse.Namespace) -> int:
    """Read the data, train, judge each checkpoint on what is held back."""
    from maskstream.judging.train import train

    if int(os.environ.get("RANK", "0")):  # of torchrun's processes, the first one speaks
        logging.getLogger("maskstream").setLevel(logging.ERROR)
    elif not args.quiet:
        logging.getLogger("maskstream").setLevel(logging.INFO)
    result = train(
        args.output,
        data=data_folders(args),
        stage=args.stage,
        network=args.network,
        start=args.start,
        config=read_json(args.config) if args.config else None,
        minutes=args.minutes,
        steps=args.steps,
        seed=args.seed,
        cache=args.cache,
        device=args.device,
        threads=args.threads,
    )
    if result.rank == 0:
        state = "finished" if result.finished else "stopped; run the same command to continue"
        print(f"{result.weights}: step {result.step}, {state}")
    return 0
