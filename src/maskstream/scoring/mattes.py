"""How far an alpha matte and its colours are from the truth, in the measures of the matting literature.

SAD, MSE, gradient and connectivity are those of Rhemann et al., "A Perceptually Motivated Online Benchmark
for Frame Matting", CVPR 2009, with the parameters that are used ever since (sigma 1.4, steps of 0.1, and a
largest component of four neighbours); dtSSD is that of Erofeev et al., "Perceptually Motivated Benchmark for
Video Matting", BMVC 2015. As is usual for video, all are taken over the whole frame, not over a trimap's
unknown band. Mattes are ``(H, W)`` uint8, 255 = object; every figure is in units of an alpha from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Alpha, Frame
from maskstream.errors import InputError

THOUSAND = 1000.0  #: SAD, gradient and connectivity are sums over a frame, told in thousands
SIGMA = 1.4  #: of the derivative of a Gaussian, in pixels
STEPS = 10  #: levels at which connectivity is looked at
FORGIVEN = 0.15  #: alpha that a pixel may stand above the level at which it is connected


class ColourError(NamedTuple):
    """How far colours in 0..1 are from the true ones.

    Attributes:
        mad: mean absolute difference.
        mse: mean squared difference.
    """

    mad: float
    mse: float


def sad(truth: Alpha, prediction: Alpha) -> float:
    """Sum of absolute differences, in thousands.

    Args:
        truth: ``(H, W)`` uint8, 255 = object.
        prediction: ``(H, W)`` likewise.

    Raises:
        InputError: the sizes differ, or one is not uint8.
    """
    _require_alike(truth, prediction)
    return cv2.norm(truth, prediction, cv2.NORM_L1) / 255 / THOUSAND


def mad(truth: Alpha, prediction: Alpha) -> float:
    """Mean absolute difference, 0..1; arguments and errors as of `sad`."""
    return sad(truth, prediction) * THOUSAND / truth.size


def mse(truth: Alpha, prediction: Alpha) -> float:
    """Mean squared difference, 0..1; arguments and errors as of `sad`."""
    _require_alike(truth, prediction)
    return cv2.norm(truth, prediction, cv2.NORM_L2SQR) / 255**2 / truth.size


def gradient(truth: Alpha, prediction: Alpha) -> float:
    """Sum of squared differences of the gradients' lengths, in thousands.

    The gradients are derivatives of a Gaussian of sigma 1.4, the filter scaled to unit energy; the frame is
    continued by its edge. Unlike in the first Matlab tool, mattes are not stretched to 0..1 before.

    Args:
        truth: ``(H, W)`` uint8, 255 = object.
        prediction: ``(H, W)`` likewise.

    Raises:
        InputError: the sizes differ, or one is not uint8.
    """
    _require_alike(truth, prediction)
    # Beyond the filter's reach from where they differ the gradients are equal. Twice the reach, so that
    # gradients which count don't see where the picture is cut.
    box = _box(cv2.absdiff(truth, prediction), 2 * (_filters()[0].size // 2))
    if box is None:
        return 0.0
    return cv2.norm(_steepness(truth[box]), _steepness(prediction[box]), cv2.NORM_L2SQR) / THOUSAND


def connectivity(truth: Alpha, prediction: Alpha) -> float:
    """Sum of absolute differences of how well pixels are connected to the object, in thousands.

    The object is the largest connected part that both mattes share at a level; a pixel that leaves it at a
    lower level than its alpha is a loose one, and its degree of connection falls by the difference.

    Args:
        truth: ``(H, W)`` uint8, 255 = object.
        prediction: ``(H, W)`` likewise.

    Raises:
        InputError: the sizes differ, or one is not uint8.
    """
    _require_alike(truth, prediction)
    box = _box(cv2.max(truth, prediction), 0)
    if box is None:
        return 0.0
    truth, prediction = truth[box], prediction[box]
    shared = cv2.min(truth, prediction)
    level = np.zeros(shared.shape, np.float32)
    connected = np.ones(shared.shape, np.bool_)
    for step in range(1, STEPS + 1):
        connected &= _largest_part(shared >= np.ceil(255 * step / STEPS))
        level[connected] = step / STEPS
    return float(np.abs(_looseness(truth, level) - _looseness(prediction, level)).sum(dtype=float)) / THOUSAND


def dtssd(truth: Alpha, prediction: Alpha, truth_before: Alpha, prediction_before: Alpha) -> float:
    """Flicker: 100 times the root mean squared difference of the changes since the frame before.

    Args:
        truth: ``(H, W)`` uint8, 255 = object.
        prediction: ``(H, W)`` likewise.
        truth_before: of the frame before.
        prediction_before: likewise.

    Raises:
        InputError: the sizes differ, or one is not uint8.
    """
    for other in (prediction, truth_before, prediction_before):
        _require_alike(truth, other)
    true_change = cv2.subtract(truth, truth_before, dtype=cv2.CV_16S)
    change = cv2.subtract(prediction, prediction_before, dtype=cv2.CV_16S)
    return float(100 / 255 * np.sqrt(cv2.norm(true_change, change, cv2.NORM_L2SQR) / truth.size))


def colour_error(truth: Alpha, true_foreground: Frame, foreground: Frame) -> ColourError | None:
    """Error of the object's own colour at the edge: where the true alpha is neither 0 nor 1.

    Args:
        truth: ``(H, W)`` uint8, 255 = object.
        true_foreground: ``(H, W, 3)`` uint8, right wherever ``truth`` is above 0.
        foreground: ``(H, W, 3)`` uint8.

    Returns:
        Means over pixels and channels; None where there is no edge.

    Raises:
        InputError: the sizes differ, or one is not uint8.
    """
    _require_alike(true_foreground, foreground)
    _require_alike(truth, true_foreground[..., 0])
    edge = (truth > 0) & (truth < 255)
    if not edge.any():
        return None
    difference = cv2.absdiff(true_foreground[edge], foreground[edge]) / 255.0
    return ColourError(float(difference.mean()), float((difference**2).mean()))


@dataclass(frozen=True)
class MattingScores:
    """Means over the frames of a sequence; NaN where nothing could be measured.

    Attributes:
        sad: sum of absolute differences of alpha, in thousands.
        mad: mean absolute difference of alpha.
        mse: mean squared difference of alpha.
        gradient: in thousands.
        connectivity: in thousands.
        dtssd: over all frames but the first.
        colour_mad: absolute error of the object's colour at the edge, 0..1.
        colour_mse: squared error of the object's colour at the edge, 0..1.
    """

    sad: float
    mad: float
    mse: float
    gradient: float
    connectivity: float
    dtssd: float
    colour_mad: float
    colour_mse: float


class MattingScore:
    """Scores a sequence as its frames come, holding no more than one of them.

    Example:
        >>> alpha = np.full((4, 4), 255, np.uint8)
        >>> score = MattingScore()
        >>> score.add(alpha, alpha)
        >>> score.scores().sad
        0.0
    """

    def __init__(self) -> None:
        self._sums = {field.name: 0.0 for field in fields(MattingScores)}
        self._counts = dict.fromkeys(self._sums, 0)
        self._before: tuple[Alpha, Alpha] | None = None

    def add(
        self,
        truth: Alpha,
        prediction: Alpha,
        true_foreground: Frame | None = None,
        foreground: Frame | None = None,
    ) -> None:
        """Take the next frame; nothing is kept of the arrays but copies of the mattes.

        Args:
            truth: ``(H, W)`` uint8, 255 = object.
            prediction: ``(H, W)`` likewise.
            true_foreground: ``(H, W, 3)`` uint8 the object's own colours; without them, or without
                ``foreground``, colours are not scored.
            foreground: ``(H, W, 3)`` uint8.

        Raises:
            InputError: sizes differ, from the frame before too, or one is not uint8.
        """
        found = {
            "sad": sad(truth, prediction),
            "mad": mad(truth, prediction),
            "mse": mse(truth, prediction),
            "gradient": gradient(truth, prediction),
            "connectivity": connectivity(truth, prediction),
        }
        if self._before is not None:
            found["dtssd"] = dtssd(truth, prediction, *self._before)
        if true_foreground is not None and foreground is not None:
            colours = colour_error(truth, true_foreground, foreground)
            if colours is not None:
                found |= {"colour_mad": colours.mad, "colour_mse": colours.mse}
        for name, value in found.items():
            self._sums[name] += value
            self._counts[name] += 1
        self._before = truth.copy(), prediction.copy()

    def scores(self) -> MattingScores:
        """Means over the frames so far.

        Raises:
            InputError: no frame came.
        """
        if not self._counts["sad"]:
            raise InputError("no frame of the mattes to score; give one or more")
        means = {
            name: total / self._counts[name] if self._counts[name] else float("nan")
            for name, total in self._sums.items()
        }
        return MattingScores(**means)


def mean_scores(scores: list[MattingScores]) -> MattingScores:
    """Means over sequences, each counting the same; NaN where any is."""
    names = [field.name for field in fields(MattingScores)]
    return MattingScores(**{name: float(np.mean([getattr(one, name) for one in scores])) for name in names})


def _require_alike(truth: NDArray[Any], prediction: NDArray[Any]) -> None:
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8:
        raise InputError(
            f"mattes and colours are uint8, got {truth.dtype} and {prediction.dtype}; convert them"
        )
    if truth.shape != prediction.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (truth.shape, prediction.shape)]
        raise InputError(f"the truth is {sizes[0]} but the prediction is {sizes[1]}; give mattes of one size")


def _box(values: NDArray[Any], margin: int) -> tuple[slice, slice] | None:
    """The box around all pixels that are not zero, with a margin; None where there are none."""
    x, y, width, height = cv2.boundingRect(values)
    if not width:
        return None
    return np.s_[max(y - margin, 0) : y + height + margin, max(x - margin, 0) : x + width + margin]


@lru_cache(maxsize=1)
def _filters() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A Gaussian and its derivative, ``(9,)`` each, their outer product of unit energy."""
    tail = 0.01  # the filter ends where the Gaussian falls below
    reach = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * tail))))
    x = np.arange(-reach, reach + 1)
    bell = np.exp(-(x**2) / (2 * SIGMA**2))
    slope = -x * bell
    return bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)


def _steepness(alpha: Alpha) -> NDArray[np.float32]:
    """``(H, W)`` length of the gradient."""
    bell, slope = _filters()
    values = np.float32(1 / 255) * alpha
    across = cv2.sepFilter2D(values, cv2.CV_32F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(values, cv2.CV_32F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _largest_part(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(H, W)`` the largest part connected by the sides of pixels; the first of equal ones."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.view(np.uint8), connectivity=4)
    if count < 2:
        return inside
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.bool_)


def _looseness(alpha: Alpha, level: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(H, W)`` by how much alpha stands above its level of connection, 0 if by little."""
    above = np.float32(1 / 255) * alpha - level
    return np.where(above >= FORGIVEN, above, np.float32(0))
