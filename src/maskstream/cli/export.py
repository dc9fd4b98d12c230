"""``maskstream export``: trained weights to ONNX, to run without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "export"
HELP = "turn trained weights into ONNX graphs that run without torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("weights", type=Path, help=".safetensors of a run, or a published STM .pth")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the graphs")
    parser.add_argument("--name", help="what messages call it (the network's own name)")
    parser.add_argument("--size", type=int, help="default short side in pixels")
    parser.add_argument("--every", type=int, help="keep every how many-th frame in memory")
    parser.add_argument("--max-frames", type=int, help="keep at most this many of them")
    parser.add_argument(
        "--notes", type=Path, metavar="FILE", help="JSON with task, scores and speed, for `maskstream models`"
    )


def run(args: argparse.Namespace) -> int:
    """Load, export, and say where."""
    from dataclasses import asdict, replace

    from maskstream.network import checkpoints
    from maskstream.network.onnx_export import GRAPHS, export
    from maskstream.runtime.cards import Notes
    from maskstream.runtime.pytorch import info_for

    if checkpoints.finds_subjects(args.weights):
        return _export_subject(args)
    notes = Notes.read(args.notes) if args.notes else Notes()
    network = checkpoints.load(args.weights)
    given = {
        "name": args.name,
        "default_size": args.size,
        "memory_every": args.every,
        "memory_max_frames": args.max_frames,
    }
    info = replace(info_for(network.config), **{k: v for k, v in given.items() if v is not None})
    export(network, args.output, {**asdict(info), **asdict(notes)})
    size = sum((args.output / f"{graph}.onnx").stat().st_size for graph in GRAPHS)
    print(f"{args.output}: {info.name}, {size / 1e6:.1f} MB in {len(GRAPHS)} graphs")
    return 0


def _export_subject(args: argparse.Namespace) -> int:
    from dataclasses import asdict, replace

    from maskstream.errors import InputError
    from maskstream.network import checkpoints
    from maskstream.network.onnx_export import SUBJECT_GRAPH, export_subject
    from maskstream.runtime.cards import SUBJECT_TASK, Notes
    from maskstream.runtime.pytorch import subject_info

    if args.every is not None or args.max_frames is not None:
        raise InputError(f"{args.weights}: finds the subject, and has no memory; drop --every, --max-frames")
    notes = replace(Notes.read(args.notes) if args.notes else Notes(), task=SUBJECT_TASK)
    network = checkpoints.load_subject(args.weights)
    given = {"name": args.name, "default_size": args.size}
    info = replace(subject_info(network.config), **{k: v for k, v in given.items() if v is not None})
    export_subject(network, args.output, {**asdict(info), **asdict(notes)})
    size = (args.output / f"{SUBJECT_GRAPH}.onnx").stat().st_size
    print(f"{args.output}: {info.name}, {size / 1e6:.1f} MB, finds the subject of a frame")
    return 0
