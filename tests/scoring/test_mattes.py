"""The measures of mattes: hand-worked cases, what they are blind to and what not, and streaming."""

import time
from itertools import pairwise

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.scoring import mattes
from maskstream.scoring.mattes import MattingScore, mean_scores

MEASURES = (mattes.sad, mattes.mad, mattes.mse, mattes.gradient, mattes.connectivity)


def blank(value=0, shape=(40, 60)):
    return np.full(shape, value, np.uint8)


def block(value=255, box=np.s_[10:30, 10:30]):
    alpha = blank()
    alpha[box] = value
    return alpha


def soft(seed=0, shape=(40, 60)):
    noise = np.random.default_rng(seed).random(shape, np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "alpha", [blank(), blank(255), block(), soft()], ids=["none", "all", "block", "soft"]
)
def test_a_perfect_matte_has_no_error(measure, alpha) -> None:
    assert measure(alpha, alpha.copy()) == 0


def test_sums_and_means_are_those_worked_out_by_hand() -> None:
    truth, prediction = block(255, np.s_[0:10, 0:10]), block(204, np.s_[0:10, 0:10])
    assert mattes.sad(truth, prediction) == pytest.approx(100 * 0.2 / 1000)
    assert mattes.mad(truth, prediction) == pytest.approx(100 * 0.2 / 2400)
    assert mattes.mse(truth, prediction) == pytest.approx(100 * 0.04 / 2400)


def dented(alpha):
    """Another alpha in a few pixels only, so that most of the picture need not be looked at."""
    changed = alpha.copy()
    changed[20:23, 30:32] = 255 - changed[20:23, 30:32]
    return changed


@pytest.mark.parametrize("prediction", [soft(2), dented(soft(1))], ids=["everywhere", "in a few pixels"])
def test_the_gradient_error_is_that_of_the_written_out_filter(prediction) -> None:
    x = np.arange(-4, 5)
    bell = np.exp(-(x**2) / (2 * 1.4**2))
    kernel = np.outer(bell, -x * bell)
    kernel /= np.sqrt((kernel**2).sum())

    def steepness(alpha):
        views = np.lib.stride_tricks.sliding_window_view(np.pad(alpha / 255, 4, mode="edge"), (9, 9))
        return np.hypot((views * kernel).sum((2, 3)), (views * kernel.T).sum((2, 3)))

    expected = ((steepness(soft(1)) - steepness(prediction)) ** 2).sum() / 1000
    assert mattes.gradient(soft(1), prediction) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_sees_slopes_and_not_levels() -> None:
    assert mattes.gradient(blank(200), blank(100)) == pytest.approx(0, abs=1e-9)
    assert mattes.gradient(block(), block(200)) > 0.01
    assert mattes.sad(blank(200), blank(100)) > 0


def test_connectivity_is_that_worked_out_by_hand() -> None:
    truth = block()
    prediction = block()
    prediction[2:4, 50:55] = 255  # ten loose pixels: they leave at the first level, their true alpha is 0
    assert mattes.connectivity(truth, prediction) == pytest.approx(10 / 1000)
    weaker = block()
    weaker[10:12, 10:30] = 102  # 0.4: these stay connected to level 0.4, so truth stands 0.6 above
    assert mattes.connectivity(truth, weaker) == pytest.approx(40 * 0.6 / 1000)


def test_small_differences_of_connection_are_forgiven() -> None:
    truth, prediction = block(255), block(230)  # 0.9 is a level of its own
    assert mattes.connectivity(truth, prediction) == 0


def test_a_loose_part_costs_more_than_the_same_alpha_at_the_object() -> None:
    truth = block(255)
    truth[10:30, 30:34] = 200
    attached, loose = truth.copy(), truth.copy()
    attached[10:30, 30:34] = 180
    loose[10:30, 30] = 0  # a gap leaves three columns loose
    loose[10:30, 31:34] = 193
    assert mattes.sad(truth, attached) < mattes.sad(truth, loose) < 3 * mattes.sad(truth, attached)
    assert mattes.connectivity(truth, loose) > 10 * mattes.connectivity(truth, attached)


def test_parts_that_touch_at_corners_only_are_apart() -> None:
    truth = blank()
    truth[10:20, 10:20] = truth[20:25, 20:25] = 255
    bridged = truth.copy()
    bridged[19, 20] = 255
    # With four neighbours the small square hangs loose in both mattes, so only the new pixel counts.
    assert mattes.connectivity(truth, bridged) == pytest.approx(1 / 1000)


def test_flicker_is_the_change_that_the_truth_has_not() -> None:
    still = block()
    assert mattes.dtssd(still, block(51), still, block(51)) == 0
    moved = block(255, np.s_[10:30, 12:32])
    assert mattes.dtssd(moved, moved, still, still) == 0
    expected = 100 * np.sqrt(400 * 0.2**2 / 2400)
    assert mattes.dtssd(still, block(204), still, still) == pytest.approx(expected)
    assert mattes.dtssd(still, still, still, block(204)) == pytest.approx(expected)


def test_colours_count_at_the_edge_only() -> None:
    truth = block()
    truth[10, 10:30] = 128
    colours = np.full((40, 60, 3), 100, np.uint8)
    wrong = colours.copy()
    wrong[truth == 0] = 255
    wrong[truth == 255] = 0
    assert mattes.colour_error(truth, colours, wrong) == (0, 0)
    wrong[10, 10:20, 0] = 151
    error = mattes.colour_error(truth, colours, wrong)
    assert error.mad == pytest.approx(0.2 / 6)
    assert error.mse == pytest.approx(0.04 / 6)
    assert mattes.colour_error(block(), colours, wrong) is None


def test_a_sequence_is_scored_by_the_means_of_its_frames() -> None:
    truths, predictions = [soft(i) for i in range(4)], [soft(i + 10) for i in range(4)]
    colours = np.zeros((40, 60, 3), np.uint8)
    score = MattingScore()
    buffer = blank()
    for truth, prediction in zip(truths, predictions, strict=True):
        buffer[:] = prediction  # as a matting reuses its arrays
        score.add(truth, buffer, colours, colours)
    scores = score.scores()
    pairs = list(zip(truths, predictions, strict=True))
    for measure in MEASURES:
        want = np.mean([measure(*pair) for pair in pairs])
        assert getattr(scores, measure.__name__) == pytest.approx(want)
    changes = [mattes.dtssd(*now, *before) for before, now in pairwise(pairs)]
    assert scores.dtssd == pytest.approx(np.mean(changes))
    assert (scores.colour_mad, scores.colour_mse) == (0, 0)


def test_what_was_not_measured_is_no_number() -> None:
    score = MattingScore()
    score.add(block(), block())
    assert np.isnan([score.scores().dtssd, score.scores().colour_mad]).all()
    with pytest.raises(InputError, match="no frame"):
        MattingScore().scores()


def test_sequences_count_the_same_whatever_their_length() -> None:
    short, long = MattingScore(), MattingScore()
    short.add(block(), block(0))
    for _ in range(3):
        long.add(block(), block())
    assert mean_scores([short.scores(), long.scores()]).sad == pytest.approx(0.2)


@pytest.mark.parametrize("measure", MEASURES)
def test_other_sizes_and_types_are_refused(measure) -> None:
    with pytest.raises(InputError, match="60x40 but the prediction is 60x41"):
        measure(blank(), blank(shape=(41, 60)))
    with pytest.raises(InputError, match="float32"):
        measure(blank(), blank().astype(np.float32))


def test_a_large_frame_is_scored_in_well_under_a_second() -> None:
    truth, prediction = soft(0, (720, 1280)), soft(1, (720, 1280))
    colours = np.zeros((720, 1280, 3), np.uint8)
    score = MattingScore()
    start = time.process_time()
    score.add(truth, prediction, colours, colours)
    assert time.process_time() - start < 2
