"""Objects are marked, followed, corrected, removed and marked again, frame by frame."""

from __future__ import annotations

import re
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.streaming.memory import MemoryPolicy
from maskstream.streaming.segmenter import VideoSegmenter
from tests.helpers.colour_runtime import ColourRuntime, scene


def moving(index: int, *ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects that move to the right, each in its own row."""
    rows = {1: 0, 2: 1, 7: 2, 300: 3}
    return scene({object_id: (rows[object_id], (index + rows[object_id]) % 6) for object_id in ids})


def masks_memorized(runtime: ColourRuntime) -> list[np.ndarray]:
    return [arguments[0] for name, arguments in runtime.calls if name == "memorize"]


def test_objects_are_followed_under_their_own_ids() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    for index in range(14):
        frame, labels = moving(index, 2, 7, 300)
        result = segmenter.step(frame, labels if index == 0 else None)
        assert result.ids == segmenter.ids == (2, 7, 300)
        assert result.frame_index == index
        assert result.label_map.dtype == np.int32
        np.testing.assert_array_equal(result.label_map, labels)


@pytest.mark.parametrize(("shared_key", "has_shrinkage"), [(False, False), (True, True), (False, True)])
def test_every_form_of_keys_is_carried(shared_key: bool, has_shrinkage: bool) -> None:
    segmenter = VideoSegmenter(ColourRuntime(shared_key, has_shrinkage))
    for index in range(8):
        frame, labels = moving(index, 1, 2)
        result = segmenter.step(frame, labels if index == 0 else None)
    np.testing.assert_array_equal(result.label_map, labels)


def test_nothing_is_known_before_the_first_mask() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime)
    result = segmenter.step(scene({})[0])
    assert result.ids == ()
    assert result.label_map.shape == (64, 96)
    assert not result.label_map.any()
    assert result.probabilities.shape == (0, 64, 96)
    assert not runtime.calls
    frame, labels = moving(1, 1)
    assert segmenter.step(frame, labels).frame_index == 1


def test_stms_policy_memorizes_late_and_reads_every_fifth_and_the_previous() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime, policy=MemoryPolicy.stm())
    for index in range(14):
        frame, labels = moving(index, 1, 2)
        segmenter.step(frame, labels if index == 0 else None)
        # The last frame is memorized by the next step.
        assert runtime.count("memorize") == index
        expected = tuple(sorted({*range(0, index, 5), index - 1} - {-1}))
        assert segmenter.memory_frames == {1: expected, 2: expected}
    assert runtime.count("encode") == 14
    first = masks_memorized(runtime)[0]
    assert set(np.unique(first)) == {0.0, 1.0}


def test_soft_probabilities_not_labels_are_memorized_with_the_sum_of_the_others() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime)
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    blurred = (0.45 * moving(1, 1, 2)[0] + 0.55 * frame).astype(np.uint8)
    result = segmenter.step(blurred)
    assert ((result.low_res > 0.01) & (result.low_res < 0.99)).any()
    segmenter.step(frame)
    masks, others = [arguments for name, arguments in runtime.calls if name == "memorize"][1]
    np.testing.assert_array_equal(masks, result.low_res)
    np.testing.assert_allclose(others, result.low_res[::-1], atol=1e-6)


def test_without_the_previous_frame_memory_costs_one_call_in_every_k() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime, policy=MemoryPolicy(every=4, max_frames=2, previous=False))
    for index in range(13):
        frame, labels = moving(index, 1)
        result = segmenter.step(frame, labels if index == 0 else None)
    assert runtime.count("memorize") == 3
    assert segmenter.memory_frames == {1: (0, 4, 8)}
    np.testing.assert_array_equal(result.label_map, labels)


def test_the_previous_probabilities_go_to_the_next_segment() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime)
    frame, labels = moving(0, 1, 2)
    first = segmenter.step(frame, labels)
    second = segmenter.step(moving(1, 1, 2)[0])
    segmenter.step(frame)
    previous = [arguments[2] for name, arguments in runtime.calls if name == "segment"]
    np.testing.assert_array_equal(previous[0], first.low_res)
    np.testing.assert_array_equal(previous[1], second.low_res)


def test_a_given_mask_comes_back_exactly_at_full_size() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (97, 131, 3), np.uint8)
    labels = rng.choice(np.array([0, 3, 200], np.uint8), (97, 131))
    result = VideoSegmenter(ColourRuntime()).step(frame, labels)
    assert result.low_res.shape == (2, 64, 80)
    assert result.label_map.dtype == np.uint8
    np.testing.assert_array_equal(result.label_map, labels)
    np.testing.assert_array_equal(result.probabilities, labels == np.array([3, 200])[:, None, None])


def test_objects_are_added_while_others_are_predicted() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime)
    for index in range(12):
        frame, labels = moving(index, 1, 2) if index < 7 else moving(index, 1, 2, 300)
        masks = {0: labels, 7: np.where(labels == 300, 300, 0)}.get(index)
        result = segmenter.step(frame, masks)
        np.testing.assert_array_equal(result.label_map, labels)
    assert segmenter.ids == (1, 2, 300)
    # Frames before its own say nothing of the new object.
    assert segmenter.memory_frames[300] == (7, 10)
    assert segmenter.memory_frames[1] == (0, 5, 10)


def test_objects_of_two_frames_equal_two_segmenters_up_to_aggregation() -> None:
    both, early, late = (VideoSegmenter(ColourRuntime()) for _ in range(3))
    for index in range(13):
        frame, labels = moving(index, 1, 7)
        first, second = ({0: np.where(labels == i, i, 0)}.get(index - at) for i, at in ((1, 0), (7, 6)))
        result = both.step(frame, first if first is not None else second)
        alone = early.step(frame, first), late.step(frame, second)
    assert both.memory_frames == early.memory_frames | late.memory_frames
    for position, single in enumerate(alone):
        np.testing.assert_allclose(result.low_res[position], single.low_res[0], atol=0.02)
    np.testing.assert_array_equal(result.label_map, alone[0].label_map + alone[1].label_map)


def test_a_corrected_object_is_what_was_given_and_the_others_are_predicted() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    frame, labels = moving(1, 1, 2)
    wrong = np.zeros_like(labels)
    wrong[48:, :40] = 1
    wrong[16:24, 32:48] = 1  # half of object 2
    result = segmenter.step(frame, wrong)
    np.testing.assert_array_equal(result.label_map == 1, wrong == 1)
    np.testing.assert_array_equal(result.label_map == 2, (labels == 2) & (wrong != 1))
    assert result.probability(2)[wrong == 1].max() == 0
    np.testing.assert_array_equal(result.probability(1), wrong == 1)


def test_a_correction_is_a_reference_of_its_object_only() -> None:
    policy = MemoryPolicy(every=5, max_frames=1, previous=False)
    segmenter = VideoSegmenter(ColourRuntime(), policy=policy)
    for index in range(12):
        frame, labels = moving(index, 1, 2)
        masks = {0: labels, 3: np.where(labels == 2, 2, 0)}.get(index)
        segmenter.step(frame, masks)
    assert segmenter.memory_frames == {1: (0, 10), 2: (0, 3, 10)}


def test_an_object_can_be_said_to_be_absent() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    result = segmenter.step(frame, np.zeros((1, 64, 96), bool), [2])
    np.testing.assert_array_equal(result.label_map, np.where(labels == 2, 0, labels))


def test_a_removed_object_frees_its_memory_and_may_come_back_as_new() -> None:
    segmenter = VideoSegmenter(ColourRuntime(shared_key=False))
    for index in range(7):
        frame, labels = moving(index, 1, 2, 7)
        segmenter.step(frame, labels if index == 0 else None)
    before = segmenter.memory_bytes
    segmenter.remove([2])
    assert segmenter.ids == (1, 7)
    assert segmenter.memory_bytes < before * 0.75
    frame, labels = moving(7, 1, 2, 7)
    result = segmenter.step(frame)
    np.testing.assert_array_equal(result.label_map, np.where(labels == 2, 0, labels))
    frame, labels = moving(8, 1, 2, 7)
    segmenter.step(frame, np.where(labels == 2, 2, 0))
    frame, labels = moving(9, 1, 2, 7)
    np.testing.assert_array_equal(segmenter.step(frame).label_map, labels)
    assert segmenter.memory_frames[2] == (8,)


def test_an_object_removed_before_its_frame_was_memorized_is_gone() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    segmenter.remove(1)
    assert segmenter.step(moving(1, 1, 2)[0]).ids == (2,)
    segmenter.remove({2})
    assert segmenter.memory_bytes == 0
    assert segmenter.step(frame).ids == ()


def test_an_object_that_left_is_found_again() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    for _ in range(12):
        result = segmenter.step(scene({2: (1, 1)})[0])
        assert result.ids == (1, 2)
    assert result.probability(1).max() < 0.5
    frame, labels = moving(3, 1, 2)
    np.testing.assert_array_equal(segmenter.step(frame).label_map, labels)


def test_reference_frames_may_be_shown_before_the_start() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime)
    for shown in (scene({1: (3, 5)}), scene({2: (0, 0)}), scene({1: (2, 2)})):
        result = segmenter.add_reference(*shown)
        np.testing.assert_array_equal(np.where(np.isin(result.label_map, shown[1]), shown[1], 0), shown[1])
    frame, labels = moving(0, 1, 2)
    result = segmenter.step(frame)
    assert result.frame_index == 0
    np.testing.assert_array_equal(result.label_map, labels)
    assert segmenter.memory_frames == {1: (-1, -1), 2: (-1,)}
    assert not [arguments[2] for name, arguments in runtime.calls if name == "segment"][-1].any()


def test_a_reference_shown_between_steps_takes_no_place_in_time() -> None:
    plain, shown = VideoSegmenter(ColourRuntime()), VideoSegmenter(ColourRuntime())
    for index in range(9):
        frame, labels = moving(index, 1)
        for segmenter in (plain, shown):
            result = segmenter.step(frame, labels if index == 0 else None)
            if index == 3 and segmenter is shown:
                segmenter.add_reference(*scene({1: (2, 2), 2: (0, 5)}, 97, 131))
    assert result.frame_index == 8
    assert plain.memory_frames[1] == (0, 5, 7)
    assert shown.memory_frames == {1: (0, 3, 5, 7), 2: (3, 5, 7)}
    np.testing.assert_array_equal(result.label_map, labels)


def test_reset_forgets_everything() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1, 2)
    first = segmenter.step(frame, labels)
    segmenter.step(frame)
    segmenter.reset()
    assert segmenter.ids == ()
    assert segmenter.memory_bytes == 0
    again = segmenter.step(frame, labels)
    assert again.frame_index == 0
    np.testing.assert_array_equal(again.label_map, first.label_map)


def test_frames_of_another_size_keep_the_memory_where_the_network_size_is_the_same() -> None:
    segmenter = VideoSegmenter(ColourRuntime(), size="native")
    frame, labels = scene({1: (1, 1)}, 60, 90)
    segmenter.step(frame, labels)
    segmenter.step(frame)
    frame, labels = scene({1: (1, 2)}, 64, 96)
    result = segmenter.step(frame)
    assert segmenter.memory_frames == {1: (0, 1)}
    np.testing.assert_array_equal(result.label_map, labels)
    frame, labels = scene({1: (2, 2)}, 128, 192, 32)
    segmenter = VideoSegmenter(ColourRuntime(), size=64)
    segmenter.step(*moving(0, 1))
    np.testing.assert_array_equal(segmenter.step(frame).label_map > 0, labels > 0)


def test_frames_of_another_shape_are_segmented_from_references_and_the_last_frame() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    for index in range(8):
        places = {1: (0, index % 4), 2: (1, 1)} if index < 4 else {2: (1, 1)}
        frame, labels = scene(places, 64, 128, 32)
        segmenter.step(frame, labels if index == 0 else None)
    frame, labels = scene({1: (3, 1), 2: (0, 1)}, 128, 64, 32)
    # Object 1 had left: it is found by the reference frame, not by the last one.
    result = segmenter.step(frame)
    np.testing.assert_array_equal(result.label_map, labels)
    assert segmenter.memory_frames == {1: (0, 7), 2: (0, 7)}
    np.testing.assert_array_equal(segmenter.step(frame).label_map, labels)


@pytest.mark.parametrize("previous", [True, False])
def test_the_network_size_can_be_changed_while_running(previous: bool) -> None:
    policy = MemoryPolicy(every=5, max_frames=2, previous=previous)
    segmenter = VideoSegmenter(ColourRuntime(), policy=policy)
    sizes = {3: 32, 6: "native", 9: None}
    for index in range(12):
        frame, labels = scene({1: (1, index % 3), 2: (0, 2)}, 128, 192, 64)
        if index in sizes:
            segmenter.size = sizes[index]  # type: ignore[assignment]
        result = segmenter.step(frame, labels if index == 0 else None)
        assert (result.label_map != labels).mean() < 0.02
    assert result.low_res.shape == (2, 64, 96)
    assert segmenter.size == 64


def test_memory_is_constant_over_two_thousand_frames() -> None:
    runtime = ColourRuntime()
    segmenter = VideoSegmenter(runtime, policy=MemoryPolicy(every=5, max_frames=4))
    frames = [scene({1: (0, index % 2), 2: (1, 0)}, 32, 32) for index in range(6)]
    tracemalloc.start()
    try:
        for index in range(2000):
            frame, labels = frames[index % 6]
            segmenter.step(frame, labels if index in (0, 9) else None)
            runtime.calls.clear()
            if index == 99:
                held, traced, allocated = segmenter.memory_bytes, _traced(), runtime.allocated
        assert segmenter.memory_bytes == held
        assert runtime.allocated == allocated
        assert _traced() - traced < 20_000  # one mask a frame would be eight megabytes
    finally:
        tracemalloc.stop()
    assert segmenter.memory_frames[1] == (0, 9, 1980, 1985, 1990, 1995, 1998)


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def test_full_size_results_are_made_once_and_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from maskstream.streaming import segmentation

    resized: list[int] = []
    real = segmentation.resize
    monkeypatch.setattr(segmentation, "resize", lambda *a: resized.append(1) or real(*a))
    segmenter = VideoSegmenter(ColourRuntime(), size=32)
    frame, labels = moving(0, 1, 2)
    segmenter.step(frame, labels)
    result = segmenter.step(frame)
    assert not resized
    assert result.label_map is result.label_map
    assert len(resized) == 2
    assert result.probabilities is result.probabilities
    assert len(resized) == 4
    result.probability(2)
    assert len(resized) == 4


def test_probabilities_not_labels_come_back_to_full_size() -> None:
    segmenter = VideoSegmenter(ColourRuntime(), size=32)
    frame, labels = scene({1: (1, 1)}, 128, 192, 32)
    segmenter.step(frame, labels)
    result = segmenter.step(frame)
    assert result.low_res.shape == (1, 32, 48)
    assert result.probabilities.shape == (1, 128, 192)
    assert len(np.unique(result.probabilities)) > 4
    np.testing.assert_array_equal(result.label_map == 1, result.probabilities[0] > 0.5)


def test_timing_tells_the_networks_calls_apart() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1)
    first = segmenter.step(frame, labels).timing
    second = segmenter.step(frame).timing
    assert first.segment == first.memorize == 0
    assert min(second.encode, second.memorize, second.segment) > 0
    assert second.total >= second.encode + second.memorize + second.segment


def test_a_step_that_fails_in_the_network_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = ColourRuntime()
    tried, plain = VideoSegmenter(runtime), VideoSegmenter(ColourRuntime())
    for index in range(6):
        frame, labels = moving(index, 1, 2, 7)
        masks = {0: np.where(labels == 7, 0, labels), 3: np.where(labels >= 2, labels, 0)}.get(index)
        with monkeypatch.context() as patch:
            patch.setattr(runtime, "segment", lambda *a: 1 / 0)
            if index:
                with pytest.raises(ZeroDivisionError):
                    tried.step(frame, masks)
        results = tried.step(frame, masks), plain.step(frame, masks)
        assert results[0].frame_index == index
        np.testing.assert_array_equal(results[0].low_res, results[1].low_res)
    assert tried.memory_frames == plain.memory_frames


def test_the_callers_buffers_may_be_used_again() -> None:
    reused, fresh = VideoSegmenter(ColourRuntime(), size="native"), VideoSegmenter(ColourRuntime())
    buffer = np.empty((64, 96, 3), np.uint8)
    for index in range(8):
        frame, labels = moving(index, 1, 2)
        buffer[:] = frame
        results = (
            reused.step(buffer, labels if index == 0 else None),
            fresh.step(frame, labels if not index else None),
        )
        buffer[:] = 0
        np.testing.assert_array_equal(results[0].low_res, results[1].low_res)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "a frame of float32"),
        (np.zeros((4, 4), np.uint8), "a frame of shape (4, 4)"),
        (np.zeros((4, 4, 4), np.uint8), "a frame of shape (4, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "a frame of shape (0, 4, 3)"),
        ("clip.mp4", "a frame of str"),
    ],
)
def test_what_is_no_frame_is_said_in_one_line(frame: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        VideoSegmenter(ColourRuntime()).step(frame)  # type: ignore[arg-type]
    assert message in str(error.value)


def test_other_bad_input_is_refused_and_changes_nothing() -> None:
    segmenter = VideoSegmenter(ColourRuntime())
    frame, labels = moving(0, 1)
    with pytest.raises(InputError, match="masks of shape"):
        segmenter.step(frame, labels[1:])
    with pytest.raises(InputError, match="ids without masks"):
        segmenter.step(frame, ids=[1])
    with pytest.raises(InputError, match=r"object 5 cannot be removed.*known: none"):
        segmenter.remove(5)
    with pytest.raises(InputError, match="size is 3"):
        segmenter.size = 3
    result = segmenter.step(frame, labels)
    assert result.frame_index == 0
    with pytest.raises(InputError, match="object 4 is not known; known: 1"):
        result.probability(4)


def small_square(
    at: int, side: int = 40, shape: tuple[int, int] = (192, 320)
) -> tuple[np.ndarray, np.ndarray]:
    """A frame with a red square, and its label map."""
    frame = np.full((192, 320, 3), 40, np.uint8)
    labels = np.zeros((192, 320), np.uint8)
    labels[64 : 64 + side, at : at + side] = 1
    frame[labels == 1] = (250, 30, 30)
    return frame, labels


def test_a_window_follows_a_small_object_and_its_result_stands_in_the_whole_frame() -> None:
    segmenter = VideoSegmenter(ColourRuntime(), size=96, window=2)
    segmenter.step(*small_square(20))
    for at in range(24, 264, 8):
        frame, labels = small_square(at)
        result = segmenter.step(frame)
        rows, columns = result.seen
        assert (rows.stop - rows.start) * 2 < 192
        assert columns.start <= at
        assert columns.stop >= at + 40
        assert result.low_res.shape == (1, 96, 160)
        found = result.label_map == 1
        assert (found & (labels == 1)).sum() / (found | (labels == 1)).sum() > 0.5


def test_a_lost_object_is_searched_for_in_the_whole_frame() -> None:
    segmenter = VideoSegmenter(ColourRuntime(), size=96, window=2)
    segmenter.step(*small_square(20))
    empty = np.full((192, 320, 3), 40, np.uint8)
    for _ in range(3):
        result = segmenter.step(empty)
    assert result.seen == (slice(0, 192), slice(0, 320))
    frame, labels = small_square(256)
    assert (segmenter.step(frame).label_map[labels == 1] == 1).mean() > 0.5
    assert segmenter.step(frame).seen[0].stop - segmenter.step(frame).seen[0].start < 96


def test_masks_given_outside_the_window_widen_it() -> None:
    segmenter = VideoSegmenter(ColourRuntime(), size=96, window=2)
    segmenter.step(*small_square(20))
    frame, labels = small_square(24)
    labels[160:180, 280:300] = 2
    labels[labels == 1] = 0
    result = segmenter.step(frame, labels)
    np.testing.assert_array_equal(result.label_map == 2, labels == 2)
    assert (result.low_res[1] > 0.5).any()


def test_at_native_size_or_without_a_window_the_whole_frame_is_seen() -> None:
    for arguments in ({"size": "native", "window": 2}, {"size": 96, "window": 0}):
        segmenter = VideoSegmenter(ColourRuntime(), **arguments)
        segmenter.step(*small_square(20))
        assert segmenter.step(small_square(24)[0]).seen == (slice(0, 192), slice(0, 320))


@pytest.mark.parametrize("window", [-1, 0.5, 1000])
def test_an_impossible_window_is_refused(window: float) -> None:
    with pytest.raises(InputError, match="window is"):
        VideoSegmenter(ColourRuntime(), window=window)


@pytest.mark.parametrize("policy", [None, MemoryPolicy(every=2, max_frames=3, previous=True)])
def test_settling_between_frames_changes_no_result(policy: MemoryPolicy | None) -> None:
    at_once, later = (VideoSegmenter(ColourRuntime(), policy=policy) for _ in range(2))
    for index in range(14):
        frame, labels = moving(index, 1, 2, 7)
        given = {0: np.where(labels == 7, 0, labels), 4: np.where(labels == 7, 7, 0), 9: labels}.get(index)
        results = [segmenter.step(frame, given) for segmenter in (at_once, later)]
        np.testing.assert_array_equal(results[0].probabilities, results[1].probabilities)
        at_once.settle()
        if index == 11:
            for segmenter in (at_once, later):
                segmenter.remove(2)
    at_once.settle()
    later.settle()
    assert at_once.memory_frames == later.memory_frames


def test_a_binary_mask_of_255_is_no_label_map_of_object_255() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    inside = np.zeros((40, 60), bool)
    inside[10:20, 10:20] = True
    segmenter = VideoSegmenter(ColourRuntime())
    with pytest.raises(InputError, match=r"0 and 255 only.*give a bool mask"):
        segmenter.step(frame, inside * 255)
    assert segmenter.step(frame, inside * 255, ids=255).ids == (255,)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ("first.png", "masks of shape () on a frame"),
        ([[1, 2], [3]], "masks that are no array"),
        (np.full((40, 60), None), "a label map of object: give integers"),
        (object(), "masks of shape () on a frame"),
    ],
)
def test_masks_that_are_no_array_are_refused_in_one_line(masks: object, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        VideoSegmenter(ColourRuntime()).step(np.zeros((40, 60, 3), np.uint8), masks)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_ids_and_models_of_another_kind_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"ids are 1\.5: give one id"):
        VideoSegmenter(ColourRuntime()).remove(1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a model of int: give its name"):
        VideoSegmenter(7)  # type: ignore[arg-type]


def test_threads_that_share_one_segmenter_are_refused_while_one_is_at_work() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(ColourRuntime):
        def encode(self, frame: Frame) -> Any:
            begun.set()
            assert go_on.wait(30)
            return super().encode(frame)

    frame, labels = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8)
    labels[10:20, 10:20] = 1
    segmenter = VideoSegmenter(Slow())
    segmenter.step(frame, labels)
    with ThreadPoolExecutor(1) as other:
        step = other.submit(segmenter.step, frame)
        assert begun.wait(30)
        for call in (
            lambda: segmenter.step(frame),
            lambda: segmenter.add_reference(frame, labels),
            lambda: segmenter.remove(1),
            segmenter.reset,
            segmenter.settle,
            segmenter.state,
        ):
            with pytest.raises(InputError, match="this segmenter is at work in another thread"):
                call()
        go_on.set()
        assert step.result().ids == (1,)
    assert segmenter.step(frame).frame_index == 2  # it is free again, and lost nothing
