"""Given masks are checked and competing probabilities add up."""

from __future__ import annotations

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.runtime.aggregation import soft_aggregate
from maskstream.streaming.objects import let_given_win, parse_masks, sum_of_others


def stm_rule(logits: np.ndarray) -> np.ndarray:
    """The published code's arithmetic, in double precision; background first."""
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    p = np.concatenate([np.prod(1 - p, 0, keepdims=True), p]).clip(1e-7, 1 - 1e-7)
    odds = p / (1 - p)
    return odds / odds.sum(0)


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("scale", [1, 10, 100])
def test_aggregation_is_stms_rule_with_its_clamps(count: int, scale: float) -> None:
    logits = (np.random.default_rng(count).standard_normal((count, 8, 9)) * scale).astype(np.float32)
    expected = stm_rule(logits)
    result = soft_aggregate(logits)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected[1:], atol=2e-6)
    np.testing.assert_allclose(1 - result.sum(0), expected[0], atol=2e-6)


def test_aggregation_does_not_change_its_input() -> None:
    logits = np.full((2, 2, 2), 3, np.float32)
    soft_aggregate(logits)
    assert (logits == 3).all()


def test_a_lone_object_of_even_odds_stays_even() -> None:
    assert soft_aggregate(np.zeros((1, 1, 1), np.float32)).item() == 0.5


def test_others_are_the_clamped_sum_of_all_but_oneself() -> None:
    p = np.array([0.9, 0.4, 0.3], np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(sum_of_others(p).ravel(), [0.7, 1.0, 1.0], atol=1e-6)


def test_given_masks_win_and_the_rest_share_what_is_left() -> None:
    predicted = np.array([0.8, 0.5], np.float32).reshape(2, 1, 1)
    result = let_given_win(predicted, [1], np.array([[[0.75]]], np.float32))
    np.testing.assert_allclose(result.ravel(), [0.2, 0.75])


def test_a_label_map_gives_its_ids_ascending_with_holes() -> None:
    label_map = np.zeros((4, 5), np.uint16)
    label_map[0, 0], label_map[1, 1] = 300, 7
    given = parse_masks(label_map, None, 4, 5)
    assert given.ids == (7, 300)
    assert given.masks.dtype == np.bool_
    assert given.masks[1, 0, 0]
    assert given.masks.sum() == 2


def test_ids_pick_objects_of_a_label_map() -> None:
    label_map = np.array([[1, 2, 3]])
    assert parse_masks(label_map, [3, 1], 1, 3).ids == (1, 3)


def test_one_bool_mask_is_object_one_or_the_given_one() -> None:
    mask = np.ones((2, 2), bool)
    assert parse_masks(mask, None, 2, 2).ids == (1,)
    assert parse_masks(mask, 9, 2, 2).ids == (9,)


def test_masks_follow_their_ids_into_ascending_order() -> None:
    masks = np.zeros((2, 1, 2), np.float32)
    masks[0, 0, 0], masks[1, 0, 1] = 0.25, 0.75
    given = parse_masks(masks, [5, 2], 1, 2)
    assert given.ids == (2, 5)
    np.testing.assert_array_equal(given.masks[:, 0], [[0, 0.75], [0.25, 0]])


def test_overlapping_masks_share_the_pixel() -> None:
    given = parse_masks(np.ones((2, 1, 1), bool), [1, 2], 1, 1)
    np.testing.assert_allclose(given.masks.ravel(), [0.5, 0.5])


def test_a_known_object_may_be_given_an_empty_mask() -> None:
    assert parse_masks(np.zeros((1, 2, 2), bool), [4], 2, 2, known=[4]).ids == (4,)


ONE = np.ones((1, 2, 2), bool)


@pytest.mark.parametrize(
    ("masks", "ids", "message"),
    [
        (np.ones((3, 2), np.uint8), None, "masks of shape (3, 2) on a frame of 2x2"),
        (np.ones((2,), np.uint8), None, "masks of shape (2,)"),
        (np.zeros((2, 2), np.uint8), None, "all background"),
        (np.full((2, 2), -3), None, "object id -3 is not a positive integer"),
        (np.ones((2, 2), np.float32), None, "a label map of float32"),
        (np.array([[1, 1], [0, 0]]), [1, 2], "first mask of object 2 is empty"),
        (ONE, None, "need ids"),
        (ONE, [1, 2], "1 masks but 2 ids"),
        (np.ones((2, 2), bool), [1, 2], "1 masks but 2 ids"),
        (ONE, [0], "object id 0 is not a positive integer"),
        (ONE, [1.5], "object id 1.5 is not a positive integer"),
        (ONE, ["a"], "object id a is not a positive integer"),
        (ONE, [2**31], "not a positive integer"),
        (np.ones((2, 2, 2), bool), [3, 3], "given twice"),
        (np.zeros((1, 2, 2), bool), [1], "first mask of object 1 is empty"),
        (np.full((1, 2, 2), 255, np.uint8), [1], "outside 0..1"),
        (np.full((1, 2, 2), np.nan), [1], "outside 0..1"),
        (np.full((1, 2, 2), "x"), [1], "give bool, or floats"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(masks: np.ndarray, ids: list[int], message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_masks(masks, ids, 2, 2)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
