"""Scoring a folder of label maps against the truth, with what is written of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from maskstream.datasets.sequences import Protocol, SequenceSet, open_sequences, with_images
from maskstream.jobs.outputs import PathLike
from maskstream.jobs.progress import Meter, OnProgress, Phase
from maskstream.scoring.evaluation_report import ReportSource, write_report
from maskstream.scoring.score_folder import (
    ResultFiles,
    Scores,
    SequenceResult,
    copy_tasks,
    gather,
    score_tasks,
    scoring_tasks,
)
from maskstream.scoring.score_tables import score_text, write_csv, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreResult:
    """The figures of a set.

    Attributes:
        truth: the set.
        scores: of the results.
        baselines: of what takes no network: copies of the first label map, and of the one before; by name.
        written: files and folders.
    """

    truth: SequenceSet
    scores: Scores
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    written: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return score_text(self.scores, self.baselines)


def score(
    results: PathLike,
    *,
    truth: PathLike,
    protocol: Protocol | None = None,
    subset: str | None = None,
    resolution: str = "480p",
    seen: PathLike | None = None,
    output: PathLike | None = None,
    json: PathLike | None = None,
    report: PathLike | None = None,
    frames: PathLike | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> ScoreResult:
    """Score label maps: J and F, as the official DAVIS tool gives them.

    Nothing is written but what is asked for.

    Args:
        results: folder of ``<sequence>/<frame>.png``.
        truth: DAVIS, a split of YouTube-VOS, or ``<sequence>/<frame>.png``.
        protocol: ``davis2016``, ``davis2017``, ``youtube-vos`` or ``folder``; None: by its layout.
        subset: DAVIS: the list, ``val`` if None; YouTube-VOS: the split, ``valid`` if None.
        resolution: of DAVIS.
        seen: the ``meta.json`` of YouTube-VOS's training split, to tell seen categories.
        output: folder for the CSV files of the official tool.
        json: file for every frame's figures.
        report: folder for a page with the figures and the worst frames.
        frames: images for the page's pictures; None: the truth's.
        workers: processes; None: the cores.
        on_progress: called after each sequence with the progress so far.

    Example:
        >>> print(score("results", truth="DAVIS"))  # doctest: +SKIP
        | object | J&F | J | ...

    Raises:
        InputError: truth or results can't be read, or don't fit together.
    """
    seen_file = None if seen is None else Path(seen)
    known = open_sequences(Path(truth), protocol, subset, resolution=resolution, seen=seen_file)
    guessed = "" if protocol else " (by its layout; `protocol` says otherwise)"
    count = len(known.sequences)
    logger.info(
        "%s: %s%s, set %s, %d sequence%s",
        truth,
        known.protocol,
        guessed,
        known.subset,
        count,
        "s" * (count != 1),
    )
    found = ResultFiles(Path(results))
    scores = score_results(known, found, workers, on_progress)
    written = write_scores(scores, output, json)
    if report is not None:
        shown = with_images(known, Path(truth if frames is None else frames))
        facts = {"results": str(results), "truth": str(truth)}
        written.append(write_report(Path(report), ReportSource(scores, shown, found, facts)))
    return ScoreResult(known, scores, {}, tuple(written))


def score_results(
    truth: SequenceSet, found: ResultFiles, workers: int | None, on_progress: OnProgress | None
) -> Scores:
    """The scores of results; what is strange about them is logged."""
    tasks = scoring_tasks(truth, found)
    with closing(score_tasks(tasks, workers)) as scored:
        scores = gather(truth, _told(scored, Phase.SCORE, len(tasks), on_progress), found)
    for note in scores.notes:
        logger.warning("%s", note)
    return scores


def score_copies(truth: SequenceSet, on_progress: OnProgress | None) -> dict[str, Scores]:
    """The scores of what takes no network: copies of the first label map, and of the one before."""
    scores = {}
    for name, tasks in copy_tasks(truth).items():
        with closing(score_tasks(tasks, None)) as scored:
            scores[name] = gather(truth, _told(scored, Phase.BASELINE, len(tasks), on_progress))
    return scores


def write_scores(scores: Scores, output: PathLike | None, json: PathLike | None) -> list[Path]:
    """Write what is asked for; folders that are missing are made.

    Returns:
        What was written.
    """
    written = []
    if output is not None:
        Path(output).mkdir(parents=True, exist_ok=True)
        written += write_csv(scores, Path(output))
    if json is not None:
        Path(json).parent.mkdir(parents=True, exist_ok=True)
        write_json(scores, Path(json))
        written.append(Path(json))
    return written


def _told(
    scored: Iterable[SequenceResult], phase: Phase, total: int, on_progress: OnProgress | None
) -> Iterator[SequenceResult]:
    meter = Meter(on_progress, phase, total)
    for result in scored:
        yield result
        meter.tick()
