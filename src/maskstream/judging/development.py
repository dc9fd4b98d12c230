"""Development scores: run a segmenter over labelled sequences and print J&F beside both copy baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import AnyLabelMap, Frame
from maskstream.datasets.readers import VOID, LabelledVideo
from maskstream.errors import InputError
from maskstream.scoring.baselines import BASELINES
from maskstream.scoring.metrics import ObjectScores, SequenceScorer
from maskstream.tables import aligned_table

LabelledFrames = Iterable[tuple[Frame, AnyLabelMap | None]]


class Segmented(Protocol):
    """What a step gives; `maskstream.Segmentation` is one."""

    @property
    def label_map(self) -> NDArray[Any]:
        """``(H, W)`` object ids."""
        ...


class Follower(Protocol):
    """What is evaluated; `maskstream.VideoSegmenter` is one."""

    def step(self, frame: Frame, masks: Any = None) -> Segmented:
        """Segment the next frame, given a label map at the first."""
        ...


@dataclass(frozen=True)
class SequenceScores:
    """The scores of one sequence.

    Attributes:
        name: of the sequence.
        predicted: J and F of the segmenter.
        baselines: J and F of each of `BASELINES`, by name.
        milliseconds: median time of a step; 0 where none was timed.
    """

    name: str
    predicted: ObjectScores
    baselines: Mapping[str, ObjectScores]
    milliseconds: float = 0.0


class ComparedScorer:
    """Scores predictions and both copy baselines on the same frames, as they come."""

    def __init__(self, first_mask: AnyLabelMap) -> None:
        """Start a sequence.

        Args:
            first_mask: ``(H, W)`` true label map of the first frame; its objects are the ones scored.

        Raises:
            InputError: it holds no object.
        """
        ids = [int(i) for i in np.unique(first_mask) if i not in (0, VOID)]
        if not ids:
            raise InputError("the first label map holds no object; start the sequence where one is labelled")
        self._predicted = SequenceScorer(ids)
        self._baselines = {name: (make(), SequenceScorer(ids)) for name, make in BASELINES.items()}

    def add(self, truth: AnyLabelMap, prediction: AnyLabelMap) -> None:
        """Take the next frame: two ``(H, W)`` label maps; see `SequenceScorer.add`."""
        self._predicted.add(truth, prediction)
        for predict, scorer in self._baselines.values():
            scorer.add(truth, predict(truth))

    def scores(self, name: str, milliseconds: float = 0.0) -> SequenceScores:
        """The scores so far; see `SequenceScorer.scores`."""
        baselines = {key: scorer.scores() for key, (_, scorer) in self._baselines.items()}
        return SequenceScores(name, self._predicted.scores(), baselines, milliseconds)


def evaluate_sequences(
    make_segmenter: Callable[[], Follower],
    sequences: Iterable[tuple[str, LabelledFrames]],
) -> Iterator[SequenceScores]:
    """Segment sequences from their first masks and score them, one frame at a time.

    Args:
        make_segmenter: gives a fresh segmenter for each sequence.
        sequences: of each its name and its frames, ``(H, W, 3)`` uint8 RGB, with ``(H, W)`` true label maps
            or None where there is no truth. Frames before the first label map are passed over. The first
            and the last labelled frame are not scored.

    Yields:
        The scores of each sequence as soon as it ends.

    Raises:
        InputError: a sequence cannot be scored; the message names it.
    """
    for name, frames in sequences:
        try:
            yield _evaluate(make_segmenter(), name, frames)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error


def labelled_sequences(videos: Iterable[LabelledVideo]) -> Iterator[tuple[str, LabelledFrames]]:
    """The videos of a data set's reader as sequences to evaluate, each frame decoded when its turn comes."""
    for video in videos:
        yield video.name, (frame.load() for frame in video.frames)


def overall(scores: Iterable[ObjectScores]) -> tuple[float, float, float]:
    """J, F and J&F over the objects of all sequences together, each object counting once, as in DAVIS."""
    per_object = [(j.mean(), f.mean()) for of in scores for j, f in zip(of.j, of.f, strict=True)]
    j, f = np.mean(per_object, axis=0).tolist()
    return j, f, (j + f) / 2


class OverSequences(NamedTuple):
    """J&F over sequences, each counting once however many objects it has.

    Attributes:
        mean: of all.
        worst_fifth: mean of the worst fifth of them, of one at least.
        spread: standard deviation.
    """

    mean: float
    worst_fifth: float
    spread: float


def over_sequences(scores: Iterable[ObjectScores]) -> OverSequences:
    """How J&F is spread over sequences; a mean over objects hides a sequence that fails."""
    each = sorted(overall([of])[2] for of in scores)
    worst = each[: max(1, round(len(each) / 5))]
    return OverSequences(fmean(each), fmean(worst), float(np.std(each)))


def score_table(results: Sequence[SequenceScores]) -> str:
    """The scores of sequences as a Markdown table, aligned so that it reads well as plain text too.

    The last row is the mean over the objects of all sequences, as DAVIS has it; a line below tells how J&F is
    spread over sequences.
    """
    head = ["sequence", "objects", "J", "F", "J&F", *(f"{name} J&F" for name in BASELINES), "ms/frame"]
    rows = [
        [
            result.name,
            str(len(result.predicted.ids)),
            *_as_text(result.predicted),
            *(_as_text(result.baselines[name])[-1] for name in BASELINES),
            f"{result.milliseconds:.0f}",
        ]
        for result in results
    ]
    if len(results) > 1:
        rows.append(
            [
                "mean",
                str(sum(len(result.predicted.ids) for result in results)),
                *_as_text(*(result.predicted for result in results)),
                *(_as_text(*(result.baselines[name] for result in results))[-1] for name in BASELINES),
                f"{fmean(result.milliseconds for result in results):.0f}",
            ]
        )
    table = aligned_table(head, rows)
    if len(results) < 2:
        return table
    spread = over_sequences(result.predicted for result in results)
    return (
        f"{table}\n\nJ&F over sequences: mean {spread.mean:.3f}, worst fifth {spread.worst_fifth:.3f}, "
        f"spread {spread.spread:.3f}"
    )


def _evaluate(segmenter: Follower, name: str, frames: LabelledFrames) -> SequenceScores:
    scorer: ComparedScorer | None = None
    seconds: list[float] = []
    for frame, truth in frames:
        masks = None
        if scorer is None:
            if truth is None:
                continue
            scorer = ComparedScorer(truth)
            masks = np.where(truth == VOID, 0, truth)
        start = time.perf_counter()
        prediction = segmenter.step(frame, masks).label_map
        seconds.append(time.perf_counter() - start)
        if truth is not None:
            scorer.add(truth, prediction)
    if scorer is None:
        raise InputError("no frame has a label map; at least the first mask is needed")
    return scorer.scores(name, 1000 * median(seconds))


def _as_text(*scores: ObjectScores) -> list[str]:
    return [f"{value:.3f}" for value in overall(scores)]
