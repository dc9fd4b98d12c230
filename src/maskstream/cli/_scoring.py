"""What ``score`` and ``evaluate`` share: scoring with progress, then saying and writing the figures."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstream.datasets.sequences import SequenceSet
    from maskstream.scoring.score_folder import Scores

logger = logging.getLogger(__name__)


def add_scoring_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare the options of both commands."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every frame's figures here")
    parser.add_argument(
        "--seen",
        type=Path,
        metavar="META.JSON",
        help="YouTube-VOS: of the training split, to tell seen categories (train/meta.json beside the split)",
    )


def score(truth: SequenceSet, results: Path, workers: int | None, quiet: bool) -> Scores:
    """Score a folder of results with so many processes, showing progress.

    Raises:
        InputError: as `maskstream.scoring.score_folder.score_folder`.
    """
    from maskstream.cli._progress import progress
    from maskstream.scoring.score_folder import ResultFiles, gather, score_tasks, scoring_tasks

    found = ResultFiles(results)
    tasks = scoring_tasks(truth, found)
    with (
        closing(score_tasks(tasks, workers)) as scored,
        closing(progress(scored, "score", len(tasks), quiet=quiet)) as shown,
    ):
        return gather(truth, shown, found)


def baselines(truth: SequenceSet, workers: int | None, quiet: bool) -> dict[str, Scores]:
    """Score what takes no network, showing progress: copies of the first label map and of the one before."""
    from maskstream.cli._progress import progress
    from maskstream.scoring.score_folder import copy_tasks, gather, score_tasks

    scores = {}
    for name, tasks in copy_tasks(truth).items():
        with (
            closing(score_tasks(tasks, workers)) as scored,
            closing(progress(scored, name, len(tasks), quiet=quiet)) as shown,
        ):
            scores[name] = gather(truth, shown)
    return scores


def publish(
    scores: Scores, output: Path, json: Path | None, beside: Mapping[str, Scores] = MappingProxyType({})
) -> Sequence[Path]:
    """Print the table, warn of what the notes say, and write the files.

    Returns:
        What was written.

    Raises:
        InputError: a folder to write to isn't there.
    """
    from maskstream.errors import InputError
    from maskstream.scoring.score_tables import score_text, write_csv, write_json

    for path in (output / "x", *([json] if json else [])):
        if not path.parent.is_dir():
            raise InputError(
                f"{path.parent}: no such folder to write the scores to; make it, or name another"
            )
    print(score_text(scores, beside))
    for note in scores.notes:
        logger.warning("%s", note)
    written = write_csv(scores, output)
    if json is not None:
        write_json(scores, json)
        written.append(json)
    return written
