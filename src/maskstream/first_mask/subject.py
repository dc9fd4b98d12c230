"""Detect who or what a frame is of, people first, with a small network and without any hint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from maskstream.arrays import Floats, Frame
from maskstream.errors import InputError
from maskstream.runtime.load import ONNX_PROVIDERS, SUBJECT_GRAPH, WEIGHTS
from maskstream.runtime.onnx import session_options
from maskstream.runtime.protocol import ModelInfo
from maskstream.runtime.speed import milliseconds

SHIPPED = "subject"
LONGEST = 2.5  #: the network is shown at most this many times its short side; longer frames are squeezed


@dataclass(frozen=True)
class SubjectRules:
    """When a pixel, a part and a frame count.

    Attributes:
        probability: from which a pixel is of the subject.
        speck: a part smaller than this share of the largest part is none.
        hole: a hole smaller than this share of the subject is filled.
        least_area: a subject smaller than this share of the frame does not count.
        least_score: one of which the network is less sure does not count.
    """

    probability: float = 0.5
    speck: float = 0.08
    hole: float = 0.01
    least_area: float = 0.003
    least_score: float = 0.75


RULES = SubjectRules()


@dataclass(frozen=True)
class Subject:
    """Who or what a frame is of.

    Attributes:
        mask: ``(H, W)`` uint8 label map of the frame's size; 1 is the subject.
        probability: ``(h, w)`` float32, 0..1, at the network's size; parts that don't count are 0.
        score: how sure the network is of the pixels in the mask: the mean of their probability.
    """

    mask: Frame
    probability: Floats
    score: float


def find_subject(frame: Frame, *, largest: bool = False) -> Subject | None:
    """Find the subject of a frame with the network that came with the package, on one thread.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.
        largest: only the largest part; otherwise several people are one subject.

    Returns:
        The subject, or None: there is none.

    Raises:
        InputError: the network did not come with this package.
    """
    return _shipped_finder()(frame, largest=largest)


class SubjectFinder:
    """A subject network that is ready to run. One thread at a time; it keeps nothing between calls.

    Args:
        folder: of the exported network; None: the one that came with the package.
        threads: for the work inside an operator.
        device: ``"cpu"``, ``"cuda"``, ``"coreml"``.
        rules: what counts.

    Raises:
        InputError: the folder holds no subject network, or ONNX Runtime has no such device.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        threads: int = 1,
        device: str = "cpu",
        rules: SubjectRules = RULES,
    ) -> None:
        folder = WEIGHTS / SHIPPED if folder is None else Path(folder)
        path = folder / SUBJECT_GRAPH
        if not path.is_file():
            raise InputError(f"{folder}: no {SUBJECT_GRAPH}; give the folder of an exported subject network")
        if device not in ONNX_PROVIDERS:
            raise InputError(
                f"device {device!r} is unknown to ONNX Runtime; choose {', '.join(ONNX_PROVIDERS)}"
            )
        self.info = ModelInfo.read(folder)
        self.rules = rules
        try:
            self._session: Any = ort.InferenceSession(
                str(path), session_options(threads), providers=ONNX_PROVIDERS[device]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise InputError(f"{path}: not a usable ONNX graph ({str(error).splitlines()[0]})") from error

    def probability(self, frame: Frame) -> Floats:
        """``(H, W, 3)`` uint8 RGB to ``(h, w)`` float32, a quarter of the network's input."""
        small = shown(frame, self.info)
        found: Floats = self._session.run(None, {"frame": small[None]})[0][0]
        return found

    def __call__(self, frame: Frame, *, largest: bool = False) -> Subject | None:
        """See ``find_subject``."""
        return subject_of(self.probability(frame), frame.shape[:2], self.rules, largest=largest)


def time_of_a_subject(folder: str | Path, threads: int, repeats: int = 50) -> tuple[float, str]:
    """How long the subject of a 720p frame takes to be found, here and now.

    Args:
        folder: of an exported subject network.
        threads: of the CPU.
        repeats: the median counts.

    Returns:
        Milliseconds, and what was timed, in words.
    """
    finder = SubjectFinder(folder, threads=threads)
    frame = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    lines, columns = input_size(frame.shape, finder.info)
    taken = milliseconds(lambda: finder(frame), repeats)
    return taken, f"the subject of a frame of 1280x720, seen at {columns}x{lines}"


def input_size(shape: Sequence[int], info: ModelInfo) -> tuple[int, int]:
    """(height, width) that a frame of this height and width is shown at: about the network's short side."""
    height, width = shape[:2]
    short = info.default_size or min(height, width)
    scale = short / min(height, width)
    lines, columns = (
        max(1, round(min(side * scale, LONGEST * short) / info.stride)) * info.stride
        for side in (height, width)
    )
    return lines, columns


def shown(frame: Frame, info: ModelInfo) -> Frame:
    """What the network sees of a frame."""
    height, width = input_size(frame.shape, info)
    shrinks = height <= frame.shape[0] and width <= frame.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (width, height), interpolation=how), np.uint8)


def subject_of(
    probability: Floats, shape: Sequence[int], rules: SubjectRules = RULES, *, largest: bool = False
) -> Subject | None:
    """The subject that a map of probability shows: specks dropped, small holes filled.

    Args:
        probability: ``(h, w)`` float32, 0..1.
        shape: height and width of the frame.
        rules: what counts.
        largest: only the largest part.

    Returns:
        The subject, or None: there is none.
    """
    inside = (probability > rules.probability).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    if not len(areas):
        return None
    keep = np.arange(len(areas)) == areas.argmax() if largest else areas >= rules.speck * areas.max()
    kept = np.concatenate([[False], keep])[parts]
    area = int(kept.sum())
    score = float(probability[kept].mean())
    if area < rules.least_area * inside.size or score < rules.least_score:
        return None
    clean = np.where((inside > 0) & ~kept, np.float32(0), probability)
    holes, inner, sizes, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    small = sizes[:, cv2.CC_STAT_AREA] < rules.hole * area
    small[0] = False
    if holes > 1:
        touches = np.unique(np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]]))
        small[touches] = False  # what opens to the border is no hole
        clean[small[inner]] = 1
    large = cv2.resize(clean, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    mask = (large > rules.probability).astype(np.uint8)
    return Subject(mask, clean.astype(np.float32, copy=False), score)


@lru_cache(maxsize=1)
def _shipped_finder() -> SubjectFinder:
    return SubjectFinder()
