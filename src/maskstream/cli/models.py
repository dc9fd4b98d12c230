"""``maskstream models``: which networks there are, how large, how fast and how good."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstream.runtime.cards import ModelCard, Speed

NAME = "models"
HELP = "list networks with their size, speed and score"
THREADS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="exported networks, beside those shipped"
    )
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    parser.add_argument(
        "--benchmark",
        action="store_true",
        help="also measure here and now: encode + segment of one object, or finding the subject",
    )
    parser.add_argument("--threads", type=int, help=f"of the CPU for --benchmark ({THREADS})")


def run(args: argparse.Namespace) -> int:
    """Read what is known, measure if asked to, and print it."""
    from maskstream.errors import InputError
    from maskstream.runtime.cards import ModelCard
    from maskstream.runtime.load import shipped_models, shipped_subject_models

    if args.threads is not None and not args.benchmark:
        raise InputError("--threads is for --benchmark; give that too")
    names = [*shipped_models(), *shipped_subject_models(), *args.folders]
    cards = [ModelCard.read(name) for name in names]
    threads = THREADS if args.threads is None else args.threads
    here = [_measured(card, threads) for card in cards] if args.benchmark else None
    print(_as_json(cards, here) if args.json else _as_text(cards, here))
    return 0


def _measured(card: ModelCard, threads: int) -> Speed:
    from maskstream.first_mask.subject import time_of_a_subject
    from maskstream.runtime.cards import Speed
    from maskstream.runtime.load import SUBJECT_GRAPH, load_model
    from maskstream.runtime.speed import machine, time_of_a_frame

    if (card.folder / SUBJECT_GRAPH).is_file():
        taken, what = time_of_a_subject(card.folder, threads)
    else:
        taken, what = time_of_a_frame(load_model(card.folder, threads=threads))
    return Speed(round(taken, 1), what, threads, machine(), "maskstream models --benchmark")


def _as_json(cards: list[ModelCard], here: list[Speed] | None) -> str:
    from dataclasses import asdict

    entries = [card.as_dict() for card in cards]
    for entry, speed in zip(entries, here or (), strict=bool(here)):
        entry["speed_here"] = asdict(speed)
    return json.dumps(entries, indent=1)


def _threads(speed: Speed) -> str:
    return "one thread" if speed.threads == 1 else f"{speed.threads} threads"


def _as_text(cards: list[ModelCard], here: list[Speed] | None) -> str:
    """A table, and under it what its figures are of."""
    from maskstream.tables import aligned_table

    head = ["network", "parameters", "on disk", "input", "ms/frame", "score"]
    rows, remarks = [], []
    for position, card in enumerate(cards):
        info, notes = card.info, card.notes
        speeds = [*([notes.speed] if notes.speed else []), *([here[position]] if here else [])]
        rows.append(
            [
                info.name,
                f"{notes.parameters / 1e6:.1f} M" if notes.parameters is not None else "?",
                f"{card.disk_bytes / 1e6:.1f} MB",
                "native" if info.default_size is None else f"{info.default_size} lines",
                f"{notes.speed.milliseconds:.1f}" if notes.speed else "?",
                f"{notes.scores[0].value:.3f}" if notes.scores else "?",
            ]
        )
        if here:
            rows[-1].insert(-1, f"{here[position].milliseconds:.1f}")
        remarks += ["", f"{info.name}: {notes.task}; {card.folder}"]
        remarks += [
            f"  {score.measure} on {score.data}, {score.value:.3f}: {score.command}" for score in notes.scores
        ]
        remarks += [
            f"  {speed.what}, {speed.milliseconds:.1f} ms on {_threads(speed)} of {speed.machine}: "
            f"{speed.command}"
            for speed in speeds
        ]
    if here:
        head.insert(-1, "ms here")
    return "\n".join([aligned_table(head, rows), *remarks])
