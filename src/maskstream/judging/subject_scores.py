"""How well subjects are found in single images: IoU, the share that is good, and false alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame
from maskstream.datasets.readers import VOID, LabelledImage

#: A frame ``(H, W, 3)`` uint8 RGB to its label map ``(H, W)``, 0 = no subject; None: there is none.
Find = Callable[[Frame], Frame | None]

GOOD = 0.8  #: an IoU above it is good enough to start from


@dataclass(frozen=True)
class SubjectScore:
    """What was found in one image.

    Attributes:
        image: its name, the set before the slash.
        iou: 0..1; None where there is no subject.
        found: share of the image that was taken for the subject.
    """

    image: str
    iou: float | None
    found: float

    @property
    def false_alarm(self) -> bool:
        """Whether somebody was found where nobody is."""
        return self.iou is None and self.found > 0


def subject_iou(found: Frame | None, labels: Frame) -> float:
    """IoU of a mask with all objects of a label map; void counts as nothing.

    Args:
        found: ``(H, W)``, not 0 where the subject is; None: nobody.
        labels: ``(H, W)`` uint8, 255 = void.
    """
    known, truth = labels != VOID, (labels > 0) & (labels != VOID)
    mask: NDArray[Any] = np.zeros_like(truth) if found is None else (found > 0) & known
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def score_subjects(find: Find, images: Iterable[LabelledImage]) -> list[SubjectScore]:
    """Find the subject of each image; those without a labelled object have none.

    Images of which only the objects mean something (``paste_only``) are scored like all others: whoever
    doesn't want them leaves them out.
    """
    scores = []
    for image in images:
        frame, labels = image.load()
        found = find(np.ascontiguousarray(frame))
        area = 0.0 if found is None else float((found > 0).mean())
        empty = not ((labels > 0) & (labels != VOID)).any()
        scores.append(SubjectScore(image.name, None if empty else subject_iou(found, labels), area))
    return scores


def mean_iou(scores: Sequence[SubjectScore]) -> float:
    """Over the images where somebody is; nan if there are none."""
    known = [score.iou for score in scores if score.iou is not None]
    return mean(known) if known else float("nan")


def good_share(scores: Sequence[SubjectScore]) -> float:
    """Share of the images with an IoU above ``GOOD``, of those where somebody is; nan if there are none."""
    known = [score.iou > GOOD for score in scores if score.iou is not None]
    return mean(known) if known else float("nan")


def alarm_share(scores: Sequence[SubjectScore]) -> float:
    """Share of the empty images in which somebody was found; nan if there are none."""
    empty = [score.false_alarm for score in scores if score.iou is None]
    return mean(empty) if empty else float("nan")
