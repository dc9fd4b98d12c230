"""The options that say which network segments, and how: the same for every command that runs one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskstream.streaming.segmenter import VideoSegmenter


def add_model_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare them, in a parser or a group of one."""
    parser.add_argument("--model", default="live", help="name of a network, or an exported folder (live)")
    parser.add_argument("--runtime", choices=("onnx", "torch"), default="onnx", help="(onnx)")
    parser.add_argument("--device", help="cpu, cuda, ... (the runtime's choice)")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument(
        "--size", type=_size, metavar="LINES|native", help="short side that the network sees (its default)"
    )


def make_segmenter(args: argparse.Namespace) -> Callable[[], VideoSegmenter]:
    """Load what the options name, once, and return what makes fresh segmenters of it, one for each video.

    Raises:
        InputError: there is no such network, device or size, or the runtime is not installed.
    """
    from maskstream.runtime.load import load_model
    from maskstream.streaming.segmenter import VideoSegmenter

    model = load_model(args.model, args.runtime, args.threads, args.device)
    return lambda: VideoSegmenter(model, size=args.size)


def identity(args: argparse.Namespace) -> dict[str, Any]:
    """What results depend on by these options, as plain data: a resumed run must have it in common."""
    from maskstream.cli._segment_job import stamps
    from maskstream.runtime.load import locate

    return {
        "version": version("maskstream"),
        "runtime": [args.runtime, args.size],
        "network": stamps(_files_of(locate(args.model))),
    }


def _files_of(network: Path) -> list[Path]:
    """What results depend on: the graphs and their description, or the one file of weights."""
    if not network.is_dir():
        return [network]
    return sorted(path for path in network.iterdir() if path.suffix in (".onnx", ".json", ".data"))


def _size(text: str) -> int | str:
    if text == "native":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of lines, or native") from None
