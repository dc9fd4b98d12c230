"""``maskstream train``: train a network from scratch or from earlier weights."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskstream.training.config import TrainConfig

logger = logging.getLogger(__name__)

NAME = "train"
HELP = "train a network; run it again with the same folder to go on where it stopped"

STILL_SIZE, VIDEO_SIZE = 256, (320, 560)


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
    data = parser.add_argument_group("data (each may be given several times)")
    for name, what in (
        ("--data", "of video-train*, video-dev*, static*, backgrounds* tars or folders"),
        ("--davis", "DAVIS 2017, its root"),
        ("--youtube-vos", "YouTube-VOS, its root"),
        ("--videos", "of JPEGImages/<sequence> and Annotations/<sequence>"),
        ("--static", "of images with masks beside them"),
    ):
        data.add_argument(name, action="append", type=Path, default=[], metavar="FOLDER", help=what)
    data.add_argument(
        "--coco",
        nargs=2,
        action="append",
        type=Path,
        default=[],
        metavar=("IMAGES", "JSON"),
        help="COCO images and their instances file",
    )
    data.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="to keep packed data in, for quick restarts"
    )
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

    from maskstream.errors import InputError
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
    data, development = _data(args)
    if data.images is None and data.videos is None:
        raise InputError(
            "no data to train on; give --data, --davis, --youtube-vos, --videos, --static or --coco"
        )
    evaluate: Callable[..., dict[str, float]] | None = None
    if development:
        from maskstream.evaluation.checkpoints import judge_on

        evaluate = judge_on(development, device)
    trainer = Trainer(network, data, config, args.output, device=device, start=args.start, evaluate=evaluate)
    trainer.run()
    if trainer.rank == 0:
        state = "finished" if trainer.finished else "stopped; run the same command to go on"
        print(f"{args.output / WEIGHTS}: step {trainer.step}, {state}")
    return 0


def _network_config(name: str) -> Any:
    from maskstream.network.config import NetworkConfig
    from maskstream.network.presets import preset

    return NetworkConfig.from_dict(_json(Path(name))) if name.endswith(".json") else preset(name)


def _train_config(args: argparse.Namespace) -> TrainConfig:
    from maskstream.training.config import TrainConfig

    fields = _json(args.config) if args.config else {}
    given = {"minutes": args.minutes, "steps": args.steps, "seed": args.seed}
    return TrainConfig.from_dict({**fields, **{k: v for k, v in given.items() if v is not None}})


def _json(path: Path) -> dict[str, Any]:
    import json

    from maskstream.errors import InputError

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object of fields")
    return content


def _data(args: argparse.Namespace) -> tuple[Any, list[Any]]:
    """What is trained on, packed, and the development sequences."""
    from maskstream.data.coco import coco_images
    from maskstream.data.collection import open_data_folder
    from maskstream.data.davis import davis_videos
    from maskstream.data.files import index_files
    from maskstream.data.folders import folder_videos, static_images
    from maskstream.data.packing import pack_images, pack_videos
    from maskstream.data.readers import Report
    from maskstream.data.youtube_vos import youtube_vos_videos
    from maskstream.training.loop import TrainingData

    report = Report()
    images: list[Any] = []
    videos: list[Any] = []
    backgrounds: list[Any] = []
    development: list[Any] = []
    for folder in args.data:
        part = open_data_folder(folder)
        images += part.images
        videos += part.train_videos
        backgrounds += part.backgrounds
        development += part.dev_videos
        report.problems += part.report.problems
    for folder in args.davis:
        videos += davis_videos(folder, report)
    for folder in args.youtube_vos:
        videos += youtube_vos_videos(folder, report)
    for folder in args.videos:
        videos += folder_videos(index_files(folder), report)
    for folder in args.static:
        images += static_images(index_files(folder), report)
    for folder, instances in args.coco:
        images += coco_images(folder, instances, report)

    def cache(name: str) -> Path | None:
        return args.cache / f"{name}.pt" if args.cache else None

    packed = TrainingData(
        pack_images(images, STILL_SIZE, cache=cache("images"), report=report) if images else None,
        pack_videos(videos, *VIDEO_SIZE, cache=cache("videos"), report=report) if videos else None,
        pack_images(backgrounds, STILL_SIZE, cache=cache("backgrounds"), report=report, keep_empty=True)
        if backgrounds
        else None,
    )
    if report.skipped:
        logger.warning("left out, each named above: %d", report.skipped)
    return packed, development
