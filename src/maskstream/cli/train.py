"""``maskstream train``: train a network from scratch or from earlier weights."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskstream.cli._training_data import add_data_options, json_fields, training_sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskstream.training.config import TrainConfig

NAME = "train"
HELP = "train a network; run it again with the same folder to go on where it stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the run")
    parser.add_argument(
        "--network",
        default="live",
        metavar="NAME|FILE",
        help="stm, damo, live, or a JSON file of a network config (live)",
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
    """Read the data, train, judge each checkpoint on the development sequences."""
    import torch

    from maskstream.training.loop import WEIGHTS, Trainer

    if int(os.environ.get("RANK", "0")):  # of torchrun's processes, the first one speaks
        logging.getLogger("maskstream").setLevel(logging.ERROR)
    elif not args.quiet:
        logging.getLogger("maskstream").setLevel(logging.INFO)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    config = _train_config(args)
    network = _network_config(args.network)
    sources = training_sources(args)
    data = sources.packed()
    evaluate: Callable[..., dict[str, float]] | None = None
    if sources.development:
        from maskstream.evaluation.checkpoints import judge_on

        evaluate = judge_on(sources.development, device)
    trainer = Trainer(network, data, config, args.output, device=device, start=args.start, evaluate=evaluate)
    trainer.run()
    if trainer.rank == 0:
        state = "finished" if trainer.finished else "stopped; run the same command to go on"
        print(f"{args.output / WEIGHTS}: step {trainer.step}, {state}")
    return 0


def _network_config(name: str) -> Any:
    from maskstream.network.config import NetworkConfig
    from maskstream.network.presets import preset

    return NetworkConfig.from_dict(json_fields(Path(name))) if name.endswith(".json") else preset(name)


def _train_config(args: argparse.Namespace) -> TrainConfig:
    from maskstream.training.config import TrainConfig

    fields = json_fields(args.config) if args.config else {}
    given = {"minutes": args.minutes, "steps": args.steps, "seed": args.seed}
    return TrainConfig.from_dict({**fields, **{k: v for k, v in given.items() if v is not None}})
