"""Finding the subject: the rules for a mask, and the network that came with the package."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.first_mask.subject import (
    RULES,
    SubjectFinder,
    find_subject,
    input_size,
    shown,
    subject_of,
)
from maskstream.runtime.load import WEIGHTS
from maskstream.runtime.protocol import ModelInfo

INFO = ModelInfo("tiny", default_size=192, stride=32)
SHAPE = (192, 320)


def probability(*boxes):
    """``(48, 80)``, sure in these boxes (y0, y1, x0, x1) and nowhere else."""
    found = np.full((48, 80), 0.02, np.float32)
    for y0, y1, x0, x1 in boxes:
        found[y0:y1, x0:x1] = 0.95
    return found


def test_the_mask_has_the_size_of_the_frame_and_the_place_of_the_subject() -> None:
    subject = subject_of(probability((10, 30, 20, 40)), SHAPE)
    assert subject.mask.shape == SHAPE
    assert subject.mask.dtype == np.uint8
    assert set(np.unique(subject.mask)) == {0, 1}
    assert subject.mask[44:116, 84:156].all()
    assert not subject.mask[:36].any()
    assert subject.score == pytest.approx(0.95)


def test_where_nobody_is_the_answer_is_none() -> None:
    assert subject_of(probability(), SHAPE) is None
    assert subject_of(probability((3, 5, 3, 5)), SHAPE) is None  # a speck alone
    unsure = np.where(probability((10, 30, 20, 40)) > 0.5, np.float32(0.55), np.float32(0.1))
    assert subject_of(unsure, SHAPE) is None
    assert subject_of(unsure, SHAPE, replace(RULES, least_score=0.5)) is not None


def test_specks_are_dropped_and_small_holes_filled() -> None:
    found = probability((10, 40, 20, 50), (2, 4, 2, 4))
    found[25:27, 30:32] = 0.1
    subject = subject_of(found, SHAPE)
    assert not subject.mask[:20, :40].any()
    assert (subject.probability[:6, :6] < 0.5).all()
    assert subject.mask[96:112, 116:132].all()


def test_a_large_hole_and_a_bay_at_the_border_stay() -> None:
    found = probability((10, 48, 20, 60))
    found[20:30, 30:40] = 0.1
    found[46:48, 50:52] = 0.1
    subject = subject_of(found, SHAPE)
    assert not subject.mask[90:110, 130:150].any()
    assert not subject.mask[-2:, 204:206].any()


def test_two_people_are_one_subject_unless_the_largest_is_asked_for() -> None:
    two = probability((10, 40, 5, 30), (15, 40, 50, 70))
    assert subject_of(two, SHAPE).mask[100, 240] == 1
    largest = subject_of(two, SHAPE, largest=True)
    assert largest.mask[100, 240] == 0
    assert largest.mask[100, 60] == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((720, 1280), (192, 352)),
        ((1280, 720), (352, 192)),
        ((480, 640), (192, 256)),
        ((100, 100), (192, 192)),
        ((100, 1000), (192, 480)),
        ((1, 5), (192, 480)),
    ],
)
def test_frames_of_any_shape_are_shown_at_about_the_networks_size(shape, expected) -> None:
    assert input_size(shape, INFO) == expected
    assert shown(np.zeros((*shape, 3), np.uint8), INFO).shape == (*expected, 3)


def test_a_folder_without_a_subject_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no subject\.onnx"):
        SubjectFinder(tmp_path)
    (tmp_path / "subject.onnx").write_bytes(b"nothing")
    (tmp_path / "model.json").write_text('{"name": "x", "default_size": 192, "stride": 32}')
    with pytest.raises(InputError, match="not a usable ONNX graph"):
        SubjectFinder(tmp_path)
    with pytest.raises(InputError, match="unknown to ONNX Runtime"):
        SubjectFinder(tmp_path, device="abacus")


needs_network = pytest.mark.skipif(
    not (WEIGHTS / "subject" / "subject.onnx").is_file(), reason="no subject network is shipped"
)


@needs_network
@pytest.mark.parametrize("value", [0, 128, 255])
def test_in_a_plain_frame_the_shipped_network_finds_nobody(value) -> None:
    assert find_subject(np.full((360, 640, 3), value, np.uint8)) is None


@needs_network
@pytest.mark.data
def test_the_shipped_network_finds_the_person_before_the_webcam_and_that_they_left(data_folder: Path) -> None:
    clip = cv2.VideoCapture(str(data_folder / "clips" / "person-yellow-screen.mp4"))
    _, first = clip.read()
    truth = cv2.imread(str(data_folder / "clips" / "person-yellow-screen-first.png"), cv2.IMREAD_UNCHANGED)
    subject = find_subject(cv2.cvtColor(first, cv2.COLOR_BGR2RGB))
    truth = (truth if truth.ndim == 2 else truth.max(2)) > 0
    both, either = ((subject.mask > 0) & truth).sum(), ((subject.mask > 0) | truth).sum()
    assert both / either > 0.85
