"""``maskstream train``: train a network from scratch or from earlier weights."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from maskstream.cli._training_data import add_data_options, training_sources
from maskstream.errors import InputError
from maskstream.plain_data import read_json

if TYPE_CHECKING:
    from maskstream.cli._training_data import TrainingSources
    from maskstream.training.config import RunConfig
    from maskstream.training.loop import EvaluateSubject, SubjectTrainer, Trainer

    Config = TypeVar("Config", bound=RunConfig)

NAME = "train"
HELP = "train a network; run it again with the same folder to go on where it stopped"


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
    import torch

    from maskstream.training.loop import WEIGHTS

    if int(os.environ.get("RANK", "0")):  # of torchrun's processes, the first one speaks
        logging.getLogger("maskstream").setLevel(logging.ERROR)
    elif not args.quiet:
        logging.getLogger("maskstream").setLevel(logging.INFO)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    make = _subject_trainer if args.stage == "subject" else _follow_trainer
    trainer = make(args, device)
    trainer.run()
    if trainer.rank == 0:
        state = "finished" if trainer.finished else "stopped; run the same command to go on"
        print(f"{args.output / WEIGHTS}: step {trainer.step}, {state}")
    return 0


def _follow_trainer(args: argparse.Namespace, device: str) -> Trainer:
    from maskstream.network.config import NetworkConfig
    from maskstream.network.presets import preset
    from maskstream.training.config import TrainConfig
    from maskstream.training.loop import Trainer

    config = _run_config(args, TrainConfig)
    given = args.network or "live"
    network = NetworkConfig.from_dict(read_json(Path(given))) if given.endswith(".json") else preset(given)
    sources = training_sources(args)
    data = sources.packed()
    evaluate = None
    if sources.development:
        from maskstream.judging.judges import judge_on

        evaluate = judge_on(sources.development, device)
    return Trainer(network, data, config, args.output, device=device, start=args.start, evaluate=evaluate)


def _subject_trainer(args: argparse.Namespace, device: str) -> SubjectTrainer:
    from maskstream.network.subject_config import SubjectConfig
    from maskstream.training.config import SubjectTrainConfig
    from maskstream.training.loop import SubjectTrainer

    config = _run_config(args, SubjectTrainConfig)
    given = args.network or "subject"
    if given == "subject":
        network = SubjectConfig()
    elif given.endswith(".json"):
        network = SubjectConfig.from_dict(read_json(Path(given)))
    else:
        raise InputError(f"{given}: finds no subject; leave --network out, or give a JSON file of its config")
    sources = training_sources(args)
    data = sources.packed_subjects()
    evaluate = _subject_judge(sources, device)
    return SubjectTrainer(
        network, data, config, args.output, device=device, start=args.start, evaluate=evaluate
    )


def _subject_judge(sources: TrainingSources, device: str) -> EvaluateSubject | None:
    from maskstream.judging.judges import judge_subjects

    _, held = sources.subject_parts()
    return judge_subjects(held.images, held.empty, device) if held.images else None


def _run_config(args: argparse.Namespace, kind: type[Config]) -> Config:
    fields = read_json(args.config) if args.config else {}
    given = {"minutes": args.minutes, "steps": args.steps, "seed": args.seed}
    return kind.from_dict({**fields, **{k: v for k, v in given.items() if v is not None}})
