"""``maskstream bench``: how quickly a live stream starts, and how it keeps up, on this machine."""

from __future__ import annotations

import argparse

NAME = "bench"
HELP = "measure a live stream on this machine: its start, its rate, its latency"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        choices=("first-frame", "live"),
        help="first-frame: from the start of the process to the first composite, part by part; live: frames "
        "a second, latency and processor share of a stream that lasts",
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="starts (5)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="of each stream (20)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[720, 1080], metavar="LINES", help="(720 1080)"
    )
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (2)")
    parser.add_argument("--json", action="store_true", help="all figures, for programs")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from maskstream.cli import _live_bench

    if args.what == "first-frame":
        _live_bench.first_frame(args.repeats, args.threads, args.json)
    else:
        _live_bench.live(args.sizes, args.seconds, args.threads, args.json)
    return 0
