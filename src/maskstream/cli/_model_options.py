"""The options that say which network segments, and how: the same for every command that runs one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskstream.streaming.segmentation import Segmenter


def add_model_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare them, in a parser or a group of one."""
    networks = parser.add_mutually_exclusive_group()
    networks.add_argument("--model", default="live", help="name of a network, or an exported folder (live)")
    networks.add_argument(
        "--models", nargs="+", metavar="MODEL", help="several; the mean of what they say counts"
    )
    parser.add_argument("--runtime", choices=("onnx", "torch"), default="onnx", help="(onnx)")
    parser.add_argument("--device", help="cpu, cuda, ... (the runtime's choice)")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument(
        "--size", type=_size, metavar="LINES|native", help="short side that the network sees (its default)"
    )
    parser.add_argument(
        "--window",
        type=float,
        metavar="TIMES",
        help="show the network a window so many times as large as the objects; 0: none (its default)",
    )
    parser.add_argument(
        "--scales",
        type=_scales,
        default=[1.0],
        metavar="1.0,1.25,1.5",
        help="run at these multiples of the size, and take the mean",
    )
    parser.add_argument("--flip", action="store_true", help="run on mirrored frames too, and take the mean")


def make_segmenter(args: argparse.Namespace) -> Callable[[], Segmenter]:
    """Load what the options name, once, and return what makes fresh segmenters of it, one for each video.

    Raises:
        InputError: there is no such network, device, size or scale, or the runtime is not installed.
    """
    from maskstream.runtime.load import load_model
    from maskstream.streaming.ensemble import EnsembleSegmenter
    from maskstream.streaming.segmenter import VideoSegmenter

    models = [load_model(name, args.runtime, args.threads, args.device) for name in _models(args)]

    def make() -> Segmenter:
        if len(models) == 1 and args.scales == [1] and not args.flip:
            return VideoSegmenter(models[0], args.size, window=args.window)
        return EnsembleSegmenter.of(models, args.scales, args.flip, args.size, window=args.window)

    make()  # what is wrong is to be said now, not at the first video
    return make


def identity(args: argparse.Namespace) -> dict[str, Any]:
    """What results depend on by these options, as plain data: a resumed run must have it in common."""
    from maskstream.cli._segment_job import stamps
    from maskstream.runtime.load import locate

    files = [path for name in _models(args) for path in _files_of(locate(name))]
    return {
        "version": version("maskstream"),
        "runtime": [args.runtime, args.size, args.window, args.scales, args.flip],
        "network": stamps(files),
    }


def _models(args: argparse.Namespace) -> list[str]:
    """Names or paths of all networks.

    Raises:
        InputError: one is given twice.
    """
    from maskstream.errors import InputError

    models: list[str] = args.models or [args.model]
    if twice := [name for name in models if models.count(name) > 1]:
        raise InputError(f"--models: {twice[0]} is given twice; give it once")
    return models


def _files_of(network: Path) -> list[Path]:
    """What results depend on: the graphs and their description, or the one file of weights."""
    if not network.is_dir():
        return [network]
    return sorted(path for path in network.iterdir() if path.suffix in (".onnx", ".json", ".data"))


def _scales(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give multiples with commas between, as 1.0,1.25"
        ) from None


def _size(text: str) -> int | str:
    if text == "native":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of lines, or native") from None
