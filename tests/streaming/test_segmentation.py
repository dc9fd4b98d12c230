"""Results at full size: the likeliest of all objects and the background, wherever the network looked."""

import numpy as np
import pytest

from maskstream.streaming.segmentation import Prediction, Segmentation, Timing


def segmentation(
    planes: np.ndarray, ids: tuple[int, ...], seen: tuple[slice, slice] | None = None
) -> Segmentation:
    size = planes.shape[1:]
    if seen is None:
        seen = slice(0, size[0]), slice(0, size[1])
        whole = size
    else:
        whole = (size[0] + 10, size[1] + 20)
    return Segmentation(Prediction(ids, planes, planes, None, whole, seen), 0, Timing())


def likeliest(planes: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """By the rule itself: the first of the likeliest, unless the background is as likely."""
    background = np.ones(planes.shape[1:], np.float32)
    for plane in planes:
        background -= plane
    labels = np.array(ids)[planes.argmax(0)]
    return np.where(background >= planes.max(0), 0, labels)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_likeliest_wins_and_the_background_has_the_rest(count: int) -> None:
    rng = np.random.default_rng(count)
    planes = rng.random((count, 40, 60), np.float32) ** count
    planes /= np.maximum(1, planes.sum(0))
    planes[:, :5] = np.float32(0.5) / count  # as likely as the background
    planes[:, 5:10] = 0.5 if count == 1 else np.float32(1) / count  # as likely as each other
    planes[0, 10] = np.nextafter(np.float32(0.5), np.float32(1))
    planes[1:, 10] = 0
    ids = tuple(range(3, 3 + count))
    np.testing.assert_array_equal(segmentation(planes, ids).label_map, likeliest(planes, ids))


def test_outside_of_what_was_seen_there_is_nothing() -> None:
    planes = np.ones((1, 30, 40), np.float32)
    result = segmentation(planes, (1000,), (slice(4, 34), slice(8, 48)))
    expected = np.zeros((40, 60), np.int32)
    expected[4:34, 8:48] = 1000
    assert result.label_map.dtype == np.int32
    np.testing.assert_array_equal(result.label_map, expected)


def test_without_objects_all_is_background() -> None:
    result = segmentation(np.zeros((0, 30, 40), np.float32), ())
    assert not result.label_map.any()
    assert result.label_map.shape == (30, 40)
