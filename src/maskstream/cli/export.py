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
    from maskstream.runtime.cards import Notes
    from maskstream.runtime.export import export

    done = export(
        args.weights,
        args.output,
        name=args.name,
        size=args.size,
        every=args.every,
        max_frames=args.max_frames,
        notes=Notes.read(args.notes) if args.notes else None,
    )
    what = f"{len(done.graphs)} graphs" if len(done.graphs) > 1 else "one graph, which finds the subject"
    print(f"{done.folder}: {done.info.name}, {done.bytes / 1e6:.1f} MB in {what}")
    return 0
