"""The options that say which network segments, and how: the same for every command that runs one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from maskstream.cli._option_types import seconds

if TYPE_CHECKING:
    from maskstream.streaming.options import SegmenterOptions


def add_model_arguments(parser: argparse._ActionsContainer, *, keeps: bool = True) -> None:
    """Declare them, in a parser or a group of one.

    Args:
        parser: which.
        keeps: whether what is adapted may be kept.
    """
    networks = parser.add_mutually_exclusive_group()
    networks.add_argument(
        "--model",
        default="live",
        help="name of a network, an exported folder, or weights (.safetensors) (live)",
    )
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
    parser.add_argument(
        "--adapt",
        type=seconds,
        metavar="30s",
        help="first adapt the network to what is marked, for so long (needs the train extra)",
    )
    if keeps:
        parser.add_argument(
            "--adapt-save", metavar="FILE", help="keep the adapted weights (.safetensors), for --model"
        )
    parser.add_argument("--flip", action="store_true", help="run on mirrored frames too, and take the mean")


def segmenter_options(args: argparse.Namespace) -> SegmenterOptions:
    """What the options say."""
    from maskstream.streaming.options import SegmenterOptions

    return SegmenterOptions(
        tuple(args.models or [args.model]),
        args.runtime,
        args.device,
        args.threads,
        args.size,
        args.window,
        tuple(args.scales),
        args.flip,
        args.adapt,
        getattr(args, "adapt_save", None),
    )


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
