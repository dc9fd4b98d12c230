"""A network on the sequences of a data set: segmented, then scored or packed as a submission."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskstream.datasets.sequences import Protocol, SequenceSet, open_sequences
from maskstream.errors import InputError
from maskstream.jobs.outputs import PathLike
from maskstream.jobs.progress import Meter, OnProgress, Phase
from maskstream.jobs.score import score_copies, score_results, write_scores
from maskstream.scoring.evaluation_report import ReportSource, write_report
from maskstream.scoring.processes import cores, shared
from maskstream.scoring.runs import RunFolder, SequenceWork, part_of, portable, write_submission
from maskstream.scoring.score_folder import ResultFiles, Scores, has_truth
from maskstream.scoring.score_tables import score_text
from maskstream.streaming.options import SegmenterOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationOptions:
    """All that an evaluation depends on. It can be pickled.

    Attributes:
        dataset: ``davis2016``, ``davis2017``, ``youtube-vos`` or ``folder``.
        root: folder of the data set.
        output: folder for label maps, scores and submission.
        split: DAVIS: ``val`` if None; YouTube-VOS: ``valid`` if None.
        resolution: of DAVIS.
        seen: the ``meta.json`` of YouTube-VOS's training split, to tell seen categories.
        json: file for every frame's figures.
        zip: file of a submission; True: a file in ``output``; None: only where the truth is unknown.
        report: write a page into ``output``.
        overwrite: start over in a folder of an earlier run.
        workers: processes, a sequence each.
        part: which share of how many, counted from 1; several machines may fill one folder.
        segmenter: which networks, and how.
    """

    dataset: Protocol
    root: Path
    output: Path
    split: str | None = None
    resolution: str = "480p"
    seen: Path | None = None
    json: Path | None = None
    zip: Path | bool | None = None
    report: bool = False
    overwrite: bool = False
    workers: int = 1
    part: tuple[int, int] = (1, 1)
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        missing: sequences that other parts have still to segment; as long as there are any, that is all.
        scores: of the network; None where the truth is unknown.
        baselines: of what takes no network, by name.
        milliseconds: of a step: the mean over sequences of their medians; None if unknown.
        written: files and folders.
    """

    missing: int = 0
    scores: Scores | None = None
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    milliseconds: float | None = None
    written: tuple[Path, ...] = ()

    def __str__(self) -> str:
        if self.scores is None:
            return "no scores"
        lines = [score_text(self.scores, self.baselines)]
        if self.milliseconds is not None:
            lines += ["", f"{self.milliseconds:.0f} ms a frame (mean over sequences of medians)"]
        return "\n".join(lines)


def evaluate(
    dataset: Protocol,
    root: PathLike,
    output: PathLike,
    *,
    split: str | None = None,
    resolution: str = "480p",
    seen: PathLike | None = None,
    json: PathLike | None = None,
    zip: PathLike | bool | None = None,
    report: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    part: tuple[int, int] = (1, 1),
    model: PathLike | SegmenterOptions = "live",
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Segment the sequences of a data set, then score them or pack a submission.

    The same call continues where it stopped: sequences that are whole are not segmented again.

    Args:
        dataset: ``davis2016``, ``davis2017``, ``youtube-vos`` or ``folder``.
        root: folder of the data set.
        output: folder for label maps, scores and submission.
        split: DAVIS: ``val`` if None; YouTube-VOS: ``valid`` if None.
        resolution: of DAVIS.
        seen: the ``meta.json`` of YouTube-VOS's training split, to tell seen categories.
        json: file for every frame's figures.
        zip: file of a submission; True: a file in ``output``; None: only where the truth is unknown.
        report: write a page into ``output``.
        overwrite: start over in a folder of an earlier run.
        workers: processes, a sequence each.
        part: which share of how many, counted from 1; several machines may fill one folder.
        model: name or exported folder of the network, or all options of the segmenter.
        on_progress: called after each sequence with the progress so far.

    Example:
        >>> print(evaluate("davis2017", "DAVIS", "runs/live", report=True))  # doctest: +SKIP
        | object | J&F | J | ...

    Raises:
        InputError: the data set or the network can't be used, or the folder is of another run.
    """
    options = EvaluationOptions(
        dataset,
        Path(root),
        Path(output),
        split,
        resolution,
        None if seen is None else Path(seen),
        None if json is None else Path(json),
        zip if zip is None or isinstance(zip, bool) else Path(zip),
        report,
        overwrite,
        workers,
        part,
        model if isinstance(model, SegmenterOptions) else SegmenterOptions((os.fspath(model),)),
    )
    return run_evaluation(options, on_progress)


def run_evaluation(options: EvaluationOptions, on_progress: OnProgress | None = None) -> Evaluation:
    """As `evaluate`, with all options in one."""
    if options.workers < 1:
        raise InputError(f"`workers` is {options.workers}; give 1 or more")
    if options.overwrite and options.part[1] > 1:
        raise InputError("`overwrite` with `part` would remove the others' work; remove the folder first")
    found = open_sequences(
        options.root,
        options.dataset,
        options.split,
        resolution=options.resolution,
        with_images=True,
        seen=options.seen,
    )
    folder = RunFolder(options.output)
    _segment(options, found, folder, on_progress)
    if missing := sum(not folder.is_done(sequence) for sequence in found.sequences):
        logger.info(
            "%d of %d sequences are not there yet: the other parts' work", missing, len(found.sequences)
        )
        return Evaluation(missing)
    return _finish(options, found, folder, on_progress)


def _segment(
    options: EvaluationOptions, found: SequenceSet, folder: RunFolder, on_progress: OnProgress | None
) -> None:
    """Segment what is not there yet of this part."""
    segmenter = options.segmenter
    if segmenter.threads is None and options.workers > 1:
        segmenter = replace(segmenter, threads=max(1, cores() // options.workers))
    settings = {"dataset": options.dataset, "split": found.subset, "resolution": options.resolution}
    settings |= portable(segmenter.identity())
    work = SequenceWork(segmenter.load, str(settings), folder, found.protocol, found.subset, options.report)
    work.load_once()  # what is wrong with the options is to be said before anything is written
    folder.begin(settings, found.sequences if options.overwrite else None)
    share = part_of(found.sequences, options.part)
    left = [sequence for sequence in share if not folder.is_done(sequence)]
    if len(left) < len(share):
        logger.info("%d of %d sequences were there already", len(share) - len(left), len(share))
    meter = Meter(on_progress, Phase.SEQUENCES, len(share), len(share) - len(left))
    with closing(shared(work, left, options.workers)) as done:
        for _ in done:
            meter.tick()


def _finish(
    options: EvaluationOptions, found: SequenceSet, folder: RunFolder, on_progress: OnProgress | None
) -> Evaluation:
    """Score, zip and report on a whole run."""
    result, written = Evaluation(), list[Path]()
    known = all(has_truth(sequence, found.protocol) for sequence in found.sequences)
    if known:
        results = ResultFiles(folder.path)
        scores = score_results(found, results, None, on_progress)
        copies = score_copies(found, on_progress)
        written += write_scores(scores, folder.path, options.json)
        times = {each.name: folder.milliseconds(each.name) for each in found.sequences}
        timed = {name: time for name, time in times.items() if time is not None}
        mean = sum(timed.values()) / len(timed) if timed else None
        result = Evaluation(0, scores, copies, mean)
        if options.report:
            source = ReportSource(
                scores,
                found,
                results,
                _facts(options),
                copies,
                lambda name: folder.about(name, ".npz"),
                timed,
            )
            written.append(write_report(folder.path / "report", source))
    else:
        and_report = " or report" * options.report
        logger.info("the truth of this set is not there, so there are no scores%s", and_report)
    if options.zip or not known:
        named = None if options.zip is None or isinstance(options.zip, bool) else options.zip
        path = named or folder.path / f"{options.dataset}-{found.subset}.zip"
        write_submission(found, folder, path)
        written.append(path)
    return replace(result, written=tuple(written))


def _facts(options: EvaluationOptions) -> dict[str, str]:
    """What was run, in words."""
    segmenter = options.segmenter
    scales = ", ".join(f"{scale:g}" for scale in segmenter.scales)
    return {
        "model": ", ".join(segmenter.models),
        "runtime": segmenter.runtime + (f" on {segmenter.device}" if segmenter.device else ""),
        "size": str(segmenter.size or "the network's own"),
        "scales": scales + (", flipped" if segmenter.flip else ""),
        "data": str(options.root),
    }
