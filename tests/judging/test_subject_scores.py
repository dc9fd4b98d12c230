"""IoU of found subjects, the share that is good, false alarms."""

import math

import numpy as np
import pytest

from maskstream.datasets.readers import VOID, LabelledImage
from maskstream.judging.subject_scores import (
    alarm_share,
    good_share,
    mean_iou,
    score_subjects,
    subject_iou,
)


def label_map(rows, value=1):
    labels = np.zeros((8, 8), np.uint8)
    labels[rows] = value
    return labels


def image(name, labels):
    return LabelledImage(name, lambda: (np.zeros((*labels.shape, 3), np.uint8), labels))


def test_iou_takes_all_objects_as_one_and_leaves_void_out() -> None:
    labels = label_map(slice(0, 2))
    labels[2:4] = 7
    assert subject_iou(label_map(slice(0, 4)), labels) == 1
    assert subject_iou(label_map(slice(0, 8)), labels) == 0.5
    assert subject_iou(label_map(slice(0, 2)), labels) == 0.5
    assert subject_iou(None, labels) == 0
    labels[4:] = VOID
    assert subject_iou(label_map(slice(0, 8)), labels) == 1


def test_images_with_and_without_somebody_count_apart() -> None:
    found = {"a/0": label_map(slice(0, 4)), "a/1": label_map(slice(0, 1)), "b/0": None, "b/1": label_map(3)}
    truth = label_map(slice(0, 4))
    images = [image("a/0", truth), image("a/1", truth), image("b/0", 0 * truth), image("b/1", 0 * truth)]
    masks = iter(found.values())
    scores = score_subjects(lambda _: next(masks), images)
    assert [score.iou for score in scores] == [1, 0.25, None, None]
    assert mean_iou(scores) == pytest.approx(0.625)
    assert good_share(scores) == 0.5
    assert alarm_share(scores) == 0.5
    assert [score.found for score in scores] == [0.5, 0.125, 0, 0.125]


def test_without_any_image_of_a_kind_there_is_no_figure() -> None:
    scores = score_subjects(lambda _: None, [image("b/0", label_map(slice(0, 0)))])
    assert math.isnan(mean_iou(scores))
    assert math.isnan(good_share(scores))
    assert alarm_share(scores) == 0
    assert math.isnan(alarm_share(score_subjects(lambda _: None, [image("a/0", label_map(0))])))
