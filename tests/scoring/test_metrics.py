"""J and F: equal to the official tool, exact in the corner cases, and streaming."""

import json

import numpy as np
import pytest
from PIL import Image

from maskstream.errors import InputError
from maskstream.scoring.metrics import (
    SequenceScorer,
    boundary_f,
    jaccard,
    score_sequence,
    summary,
)


def square(top, left, side, shape=(60, 80)):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


@pytest.fixture(scope="module")
def golden(golden_folder):
    folder = golden_folder / "davis"
    expected = json.loads((folder / "expected.json").read_text())
    scores = {}
    for name in (folder / "DAVIS/ImageSets/2017/val.txt").read_text().split():
        truth, results = (
            [np.array(Image.open(path)) for path in sorted((root / name).glob("*.png"))]
            for root in (folder / "DAVIS/Annotations/480p", folder / "results")
        )
        scores[name] = score_sequence(truth, results, range(1, int(truth[0].max()) + 1))
    return expected, scores


@pytest.mark.golden
def test_every_figure_equals_the_official_tool(golden) -> None:
    expected, scores = golden
    names = [f"{name}_{i}" for name, of in scores.items() for i in of.ids]
    assert sorted(names) == sorted(expected["objects"])
    for name, of in scores.items():
        for i, j, f in zip(of.ids, of.j, of.f, strict=True):
            want = expected["objects"][f"{name}_{i}"]
            np.testing.assert_allclose(j, want["J"], rtol=0, atol=1e-6)
            np.testing.assert_allclose(f, want["F"], rtol=0, atol=1e-6)
            for measure, values in (("J", j), ("F", f)):
                want_statistics = [want[f"{measure}_{key}"] for key in ("mean", "recall", "decay")]
                np.testing.assert_allclose(summary(values), want_statistics, rtol=0, atol=1e-6)


@pytest.mark.golden
def test_the_global_mean_is_over_objects_not_sequences(golden) -> None:
    expected, scores = golden
    j = np.mean([row.mean() for of in scores.values() for row in of.j])
    f = np.mean([row.mean() for of in scores.values() for row in of.f])
    assert (j + f) / 2 == pytest.approx(expected["global_"]["J&F_mean"], abs=1e-6)


def test_jaccard_of_overlapping_squares() -> None:
    assert jaccard(square(0, 0, 10), square(0, 5, 10)) == pytest.approx(50 / 150)


def test_two_empty_masks_agree_and_one_empty_mask_scores_nothing() -> None:
    empty, full = square(0, 0, 0), square(10, 10, 20)
    assert (jaccard(empty, empty), boundary_f(empty, empty)) == (1, 1)
    assert (jaccard(full, empty), boundary_f(full, empty)) == (0, 0)
    assert (jaccard(empty, full), boundary_f(empty, full)) == (0, 0)


def test_a_mask_that_fills_the_frame_has_no_boundary() -> None:
    full = np.ones((20, 30), np.uint8)
    assert boundary_f(full, full) == 1
    assert boundary_f(full, square(5, 5, 8, full.shape)) == 0


@pytest.mark.parametrize(("shift", "expected"), [(1, 1), (20, 0)])
def test_boundaries_match_within_the_tolerance_only(shift, expected) -> None:
    assert boundary_f(square(10, 10, 15), square(10 + shift, 10, 15), bound=1) == pytest.approx(expected)


def test_the_tolerance_follows_the_diagonal_of_the_frame_not_of_the_box() -> None:
    small, large = (60, 80), (600, 800)  # one pixel, eight pixels
    assert boundary_f(square(10, 10, 30, small), square(13, 10, 30, small)) < 1
    assert boundary_f(square(10, 10, 30, large), square(13, 10, 30, large)) == 1


def test_f_is_the_same_wherever_the_objects_lie() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        pair = [square(*generator.integers(1, 30, 2), generator.integers(2, 25)) for _ in range(2)]  # type: ignore[call-arg]
        moved = [np.pad(mask, ((7, 33), (11, 29))) for mask in pair]
        assert boundary_f(*moved, bound=2) == boundary_f(*pair, bound=2)


def test_objects_are_scored_by_id_and_other_ids_are_background() -> None:
    truth, prediction = np.random.default_rng(0).choice([0, 2, 7, 255], (2, 40, 50)).astype(np.uint8)
    scores = score_sequence([truth] * 3, [prediction] * 3, [7, 2, 9])
    assert scores.ids == (7, 2, 9)
    assert scores.j[:, 0] == pytest.approx([jaccard(truth == i, prediction == i) for i in (7, 2, 9)])
    assert scores.j[2, 0] == scores.f[2, 0] == 1


def test_the_first_and_last_frames_are_left_out() -> None:
    right, wrong = square(10, 10, 20), square(40, 40, 20)
    scores = score_sequence([right] * 4, [wrong, right, right, wrong], [1])
    assert scores.j.tolist() == scores.f.tolist() == [[1, 1]]
    assert scores.jf_mean == 1


def test_statistics_of_a_ramp() -> None:
    mean, recall, decay = summary(np.linspace(1, 0, 101))
    assert mean == pytest.approx(0.5)
    assert recall == pytest.approx(50 / 101)
    assert decay == pytest.approx(0.75)


def test_decay_counts_frames_beyond_256() -> None:
    assert summary(np.linspace(1, 0, 401)).decay == pytest.approx(0.75)


def test_maps_of_different_sizes_name_frame_and_sizes() -> None:
    scorer = SequenceScorer([1])
    scorer.add(square(0, 0, 5), square(0, 0, 5))
    with pytest.raises(InputError, match=r"frame 1: .*80x60.*40x30"):
        scorer.add(square(0, 0, 5), square(0, 0, 5, (30, 40)))


def test_streams_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="the prediction ends at frame 3"):
        score_sequence([square(0, 0, 5)] * 4, [square(0, 0, 5)] * 3, [1])


def test_a_sequence_without_a_frame_to_score_is_refused() -> None:
    with pytest.raises(InputError, match="3 frames or more"):
        score_sequence([square(0, 0, 5)] * 2, [square(0, 0, 5)] * 2, [1])


def test_the_background_is_no_object() -> None:
    with pytest.raises(InputError, match="1 or more"):
        SequenceScorer([0, 1])
