"""J and F of DAVIS: region similarity and boundary accuracy, equal to the official semi-supervised tool.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
CVPR 2016, in the form that ``davis2017-evaluation`` gives it. F is computed inside the box around the two
masks, which is exact and several times faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import AnyLabelMap, Doubles, Mask
from maskstream.errors import InputError

#: tolerance of F as a share of the image diagonal
BOUNDARY_BOUND = 0.008


class Statistics(NamedTuple):
    """What DAVIS says of one measure of one object over the frames of a sequence.

    Attributes:
        mean: mean over frames.
        recall: share of frames above 0.5.
        decay: mean of the first quarter less that of the last: what is lost over the sequence.
    """

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True)
class ObjectScores:
    """J and F of the objects of one sequence, frame by frame.

    Attributes:
        ids: the ``N`` object ids.
        j: ``(N, T)`` region similarity, 0..1.
        f: ``(N, T)`` boundary accuracy, 0..1.
    """

    ids: tuple[int, ...]
    j: Doubles
    f: Doubles

    @property
    def j_mean(self) -> float:
        """Mean J over objects and frames."""
        return float(self.j.mean())

    @property
    def f_mean(self) -> float:
        """Mean F over objects and frames."""
        return float(self.f.mean())

    @property
    def jf_mean(self) -> float:
        """J&F: the mean of the two means."""
        return (self.j_mean + self.f_mean) / 2


def jaccard(truth: Mask, prediction: Mask) -> float:
    """Region similarity J: intersection over union of two masks, 1 where both are empty.

    Args:
        truth: ``(H, W)``, non-zero inside the object.
        prediction: ``(H, W)``, likewise.

    Raises:
        InputError: the sizes differ.
    """
    _require_same_size(truth, prediction)
    inside_truth, inside_prediction = truth.astype(bool), prediction.astype(bool)
    union = np.count_nonzero(inside_truth | inside_prediction)
    return np.count_nonzero(inside_truth & inside_prediction) / union if union else 1.0


def boundary_f(truth: Mask, prediction: Mask, bound: float = BOUNDARY_BOUND) -> float:
    """Boundary accuracy F: harmonic mean of the precision and recall of the prediction's boundary.

    A boundary pixel is found when the other boundary passes within ``ceil(bound * diagonal)`` pixels of it
    (8 at 854x480).

    Args:
        truth: ``(H, W)``, non-zero inside the object.
        prediction: ``(H, W)``, likewise.
        bound: tolerance as a share of the diagonal; 1 or more is taken as pixels.

    Returns:
        F, 0..1; 1 where neither mask has a boundary.

    Raises:
        InputError: the sizes differ.
    """
    _require_same_size(truth, prediction)
    return _boundary_f(truth.astype(bool), prediction.astype(bool), _radius(truth.shape, bound))


def frame_scores(
    truth: AnyLabelMap, prediction: AnyLabelMap, ids: Sequence[int], bound: float = BOUNDARY_BOUND
) -> tuple[list[float], list[float]]:
    """J and F of all objects of one frame: as `jaccard` and `boundary_f` of each, and several times faster.

    All intersections are counted in one pass, inside the box around all objects.

    Args:
        truth: ``(H, W)`` object ids; ids that are not scored (255, void, too) count as background.
        prediction: ``(H, W)``, likewise.
        ids: the ``N`` ids to score, distinct, 1 or more.
        bound: see `boundary_f`.

    Returns:
        ``N`` values of J, and as many of F.

    Raises:
        InputError: the sizes differ.
    """
    _require_same_size(truth, prediction)
    count = len(ids) + 1
    true_places, predicted_places = _places(truth, ids), _places(prediction, ids)
    box = _box(true_places | predicted_places)
    if box is None:
        return [1.0] * len(ids), [1.0] * len(ids)
    true_places, predicted_places = true_places[box], predicted_places[box]
    pairs = true_places.astype(np.intp) * count + predicted_places
    overlaps = np.bincount(pairs.ravel(), minlength=count * count).reshape(count, count)
    intersections = overlaps.diagonal()
    unions = overlaps.sum(axis=0) + overlaps.sum(axis=1) - intersections
    radius = _radius(truth.shape, bound)
    j, f = [], []
    for place in range(1, count):
        union = int(unions[place])
        j.append(int(intersections[place]) / union if union else 1.0)
        f.append(_boundary_f(true_places == place, predicted_places == place, radius) if union else 1.0)
    return j, f


def summary(values: Doubles) -> Statistics:
    """Mean, recall and decay of one measure of one object.

    The quarters overlap by one frame, as in the official tool; its frame numbers wrap around beyond 256
    frames, ours do not.

    Args:
        values: ``(T,)`` J or F of each frame, T at least 1.
    """
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(int)
    first, last = values[: edges[1] + 1], values[edges[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


class SequenceScorer:
    """Scores a sequence as its frames come, holding no more than one of them.

    The first and the last frame are left out, as in the semi-supervised task: the first is given, not
    predicted.

    Example:
        >>> maps = [np.eye(4, dtype=np.uint8)] * 3
        >>> scorer = SequenceScorer(ids=[1])
        >>> for label_map in maps:
        ...     scorer.add(label_map, label_map)
        >>> scorer.scores().jf_mean
        1.0
    """

    def __init__(self, ids: Sequence[int], bound: float = BOUNDARY_BOUND) -> None:
        """Start a sequence.

        Args:
            ids: the object ids to score, each 1 or more.
            bound: see `boundary_f`.

        Raises:
            InputError: no id, or one below 1.
        """
        if not ids or min(ids) < 1:
            raise InputError(f"object ids to score must be 1 or more, got {list(ids)}; 0 is the background")
        self.ids = tuple(ids)
        self._bound = bound
        self._j: list[list[float]] = []
        self._f: list[list[float]] = []
        self._frames = 0
        self._held: tuple[AnyLabelMap, AnyLabelMap] | None = None

    def add(self, truth: AnyLabelMap, prediction: AnyLabelMap) -> None:
        """Take the next frame.

        Args:
            truth: ``(H, W)`` object ids; ids that are not scored (255, void, too) count as background.
            prediction: ``(H, W)``, likewise.

        Raises:
            InputError: the sizes differ.
        """
        _require_same_size(truth, prediction, f"frame {self._frames}: ")
        if self._held is not None:
            self._score(*self._held)
        self._held = (truth, prediction) if self._frames else None
        self._frames += 1

    def scores(self) -> ObjectScores:
        """J and F of the frames between the first and the last.

        Raises:
            InputError: fewer than three frames came.
        """
        if not self._j:
            raise InputError(f"a sequence needs 3 frames or more to be scored, got {self._frames}")
        return ObjectScores(self.ids, np.array(self._j).T, np.array(self._f).T)

    def _score(self, truth: AnyLabelMap, prediction: AnyLabelMap) -> None:
        j, f = frame_scores(truth, prediction, self.ids, self._bound)
        self._j.append(j)
        self._f.append(f)


def score_sequence(
    truth: Iterable[AnyLabelMap],
    predicted: Iterable[AnyLabelMap],
    ids: Sequence[int],
    bound: float = BOUNDARY_BOUND,
) -> ObjectScores:
    """Score a sequence from two streams of label maps; see `SequenceScorer`.

    Raises:
        InputError: sizes differ, one stream is longer than the other, or there are fewer than three frames.
    """
    scorer = SequenceScorer(ids, bound)
    for frame, (true_map, predicted_map) in enumerate(zip_longest(truth, predicted)):
        if true_map is None or predicted_map is None:
            ended = "truth" if true_map is None else "prediction"
            raise InputError(f"the {ended} ends at frame {frame}, before the other; give as many of both")
        scorer.add(true_map, predicted_map)
    return scorer.scores()


def _require_same_size(truth: Mask, prediction: Mask, where: str = "") -> None:
    if truth.shape != prediction.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (truth.shape, prediction.shape)]
        raise InputError(
            f"{where}truth is {sizes[0]} but the prediction is {sizes[1]}; give maps of one size"
        )


def _places(label_map: AnyLabelMap, ids: Sequence[int]) -> AnyLabelMap:
    """``(H, W)`` the place in ``ids``, from 1, of each pixel's id; 0 where it is none of them."""
    if label_map.dtype == np.uint8 and len(ids) < 256:
        table = np.zeros(256, np.uint8)
        for place, object_id in enumerate(ids, 1):
            if object_id < 256:
                table[object_id] = place
        return np.asarray(cv2.LUT(np.ascontiguousarray(label_map), table), np.uint8)
    places = np.zeros(label_map.shape, np.int32)
    for place, object_id in enumerate(ids, 1):
        places[label_map == object_id] = place
    return places


def _box(inside: Mask) -> tuple[slice, slice] | None:
    """The box around all pixels that are not zero, with a ring of one pixel; None where there are none.

    Nothing beyond takes part in F: boundaries lie up to one pixel left of and above their mask, and only
    boundary pixels are ever looked up.
    """
    as_bytes = inside if inside.dtype == np.uint8 else (inside != 0).view(np.uint8)
    x, y, width, height = cv2.boundingRect(as_bytes)
    if not width:
        return None
    return np.s_[max(y - 1, 0) : y + height + 1, max(x - 1, 0) : x + width + 1]


def _radius(shape: tuple[int, ...], bound: float) -> int:
    """Tolerance of F in pixels, of frames of this shape."""
    return int(bound if bound >= 1 else np.ceil(bound * np.hypot(shape[0], shape[1])))


def _boundary_f(truth: NDArray[np.bool_], prediction: NDArray[np.bool_], radius: int) -> float:
    """F of two masks; the ring of one pixel around them, or the frame's edge, must be in the picture."""
    box = _box((truth | prediction).view(np.uint8))
    if box is None:
        return 1.0
    truth_boundary, prediction_boundary = _boundary(truth[box]), _boundary(prediction[box])
    truth_count, prediction_count = np.count_nonzero(truth_boundary), np.count_nonzero(prediction_boundary)
    if not truth_count or not prediction_count:
        return 1.0 if truth_count == prediction_count else 0.0
    precision = np.count_nonzero(prediction_boundary & _widen(truth_boundary, radius)) / prediction_count
    recall = np.count_nonzero(truth_boundary & _widen(prediction_boundary, radius)) / truth_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that differ from their right, lower or lower right neighbour.

    Off the image counts as equal: the last row looks right only, the last column down only.
    """
    right = inside[:, :-1] ^ inside[:, 1:]
    below = inside[:-1] ^ inside[1:]
    boundary = np.zeros(inside.shape, bool)
    boundary[:, :-1] = right
    boundary[:-1] |= below
    boundary[:-1, :-1] |= inside[:-1, :-1] ^ inside[1:, 1:]
    return boundary


def _widen(boundary: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Pixels within ``radius`` of a boundary pixel."""
    return cv2.dilate(boundary.view(np.uint8), _disk(radius)).view(np.bool_)


@lru_cache(maxsize=8)
def _disk(radius: int) -> NDArray[np.uint8]:
    """``(2r + 1, 2r + 1)``: 1 within ``radius`` of the centre."""
    distance = np.arange(-radius, radius + 1) ** 2
    return (distance[:, None] + distance <= radius * radius).astype(np.uint8)
