"""Several segmenters on one stream: the mean of what each says by itself."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.runtime import load
from maskstream.streaming import ensemble
from maskstream.streaming.ensemble import EnsembleSegmenter, Member
from maskstream.streaming.segmentation import Segmentation, Segmenter
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.streaming.snapshot import read_snapshot, write_snapshot
from tests.helpers.colour_runtime import ColourRuntime, scene

ROWS = {1: 0, 2: 1, 7: 2, 300: 3}
FRAMES = 14


def moving(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy, and of a size that fits no cell, so that members of several scales disagree."""
    frame, labels = scene({i: (row, (index + row) % 6) for i, row in ROWS.items()}, 97, 131, cell=21)
    noise = np.random.default_rng(index).integers(0, 40, frame.shape, np.uint8)
    return np.minimum(frame // 2 + noise + 60, 255).astype(np.uint8), labels


def only(labels: np.ndarray, *ids: int) -> np.ndarray:
    return np.where(np.isin(labels, ids), labels, 0)


def follow(
    segmenter: Segmenter, start: int = 0, end: int = FRAMES, mirrored: bool = False
) -> list[Segmentation]:
    """Objects that come later, are corrected and removed; with a reference from outside."""
    results = []
    for index in range(start, end):
        frame, labels = moving(index)
        given = {0: only(labels, 1, 2), 4: only(labels, 7), 6: only(labels, 1), 9: only(labels, 300)}.get(
            index
        )
        if index == 3:
            picture, truth = moving(40)
            shown = picture, only(truth, 1)
            segmenter.add_reference(*(np.flip(array, 1) if mirrored else array for array in shown))
        if index == 11:
            segmenter.remove(2)
        if mirrored:
            frame, given = np.flip(frame, 1), None if given is None else np.flip(given, 1)
        results.append(segmenter.step(frame, given))
    return results


def four(runtime: ColourRuntime) -> EnsembleSegmenter:
    return EnsembleSegmenter.of([runtime], scales=[1, 1.5], flip=True, size=64)


def test_the_result_is_the_mean_of_separate_runs_at_full_size() -> None:
    runtime = ColourRuntime()
    single = [
        [np.flip(r.probabilities, 2) if mirrored else r.probabilities for r in runs]
        for size in (64, 96)
        for mirrored in (False, True)
        for runs in [follow(VideoSegmenter(runtime, size=size), mirrored=mirrored)]
    ]
    assert np.abs(single[0][8] - single[2][8]).max() > 0.1  # the members do disagree
    for index, result in enumerate(follow(four(runtime))):
        mean = np.mean([run[index] for run in single], axis=0)
        np.testing.assert_allclose(result.probabilities, mean, atol=1e-6)
        np.testing.assert_array_equal(result.low_res, result.probabilities)
        np.testing.assert_array_equal(result.probability(result.ids[-1]), result.probabilities[-1])
        shares = np.concatenate([1 - mean.sum(0, keepdims=True), mean])
        best = np.array([0, *result.ids])[shares.argmax(0)]
        second, first = np.sort(shares, 0)[-2:]
        clear = first - second > 1e-5
        np.testing.assert_array_equal(result.label_map[clear], best[clear])
        assert clear.mean() > 0.99
        assert (result.frame_index, result.ids) == (index, result.ids)
        assert result.timing.total >= result.timing.encode + result.timing.segment


def test_the_label_map_is_the_same_whether_probabilities_were_asked_for_or_not() -> None:
    for result in follow(four(ColourRuntime())):
        labels = result.label_map
        assert result.probabilities.shape == (len(result.ids), 97, 131)
        np.testing.assert_array_equal(result._make_label_map(), labels)


def test_an_ensemble_of_one_is_the_plain_segmenter_to_the_bit() -> None:
    plain = follow(VideoSegmenter(ColourRuntime()))
    for expected, result in zip(plain, follow(EnsembleSegmenter.of([ColourRuntime()])), strict=True):
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)
        np.testing.assert_array_equal(result.label_map, expected.label_map)
        assert result.ids == expected.ids
        assert result.seen == expected.seen


def test_a_flipped_member_on_mirrored_frames_is_the_plain_segmenter_to_the_bit() -> None:
    plain = follow(VideoSegmenter(ColourRuntime()))
    flipped = EnsembleSegmenter([Member(VideoSegmenter(ColourRuntime()), flip=True)])
    for expected, result in zip(plain, follow(flipped, mirrored=True), strict=True):
        np.testing.assert_array_equal(result.probabilities[..., ::-1], expected.probabilities)


@pytest.mark.parametrize("scales", [[1, 1.5], [1, 1.25, 1.5], [0.5, 0.75, 1, 1.25, 1.5]])
def test_given_masks_come_back_exactly_soft_ones_too(scales: list[float]) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (97, 131, 3), np.uint8)
    soft = rng.random((2, 97, 131), np.float32)
    soft /= soft.sum(0) * 1.01
    result = EnsembleSegmenter.of([ColourRuntime()], scales=scales, flip=True).step(frame, soft, ids=[300, 5])
    assert result.ids == (5, 300)
    np.testing.assert_array_equal(result.probabilities, soft[::-1])
    labels = rng.choice(np.array([0, 3, 200], np.uint8), (97, 131))
    result = EnsembleSegmenter.of([ColourRuntime()], scales=scales, flip=True).step(frame, labels)
    np.testing.assert_array_equal(result.label_map, labels)


def test_what_a_flipped_member_has_seen_is_told_in_the_frames_own_columns() -> None:
    frame, labels = scene({1: (1, 1)}, 160, 240, cell=20)
    plain = VideoSegmenter(ColourRuntime(), window=2)
    both = EnsembleSegmenter.of([ColourRuntime()], flip=True, window=2)
    rows, columns = plain.step(frame, labels).seen
    assert columns.stop < 160  # a window, on the left
    seen = both.step(frame, labels)
    assert (rows, columns) == seen.seen
    assert seen.low_res.shape == (1, rows.stop - rows.start, columns.stop - columns.start)


def test_an_object_in_one_row_of_the_picture_is_labelled_where_it_is() -> None:
    segmenter = EnsembleSegmenter.of([ColourRuntime()], flip=True)
    for index in range(8):
        frame, labels = scene({1: (0, index % 6), 2: (2, (index + 3) % 6)})
        result = segmenter.step(frame, labels if index == 0 else None)
        np.testing.assert_array_equal(result.label_map, labels)
    segmenter.reset()
    assert segmenter.ids == ()
    assert segmenter.memory_bytes == 0
    empty = segmenter.step(frame)
    assert empty.frame_index == 0
    assert not empty.label_map.any()
    assert empty.probabilities.shape == (0, 64, 96)


def test_from_any_frame_on_a_restored_ensemble_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole = follow(four(ColourRuntime()))
    for stop in (0, 1, 5, 10, 12):
        stopped, path = four(ColourRuntime()), tmp_path / f"{stop}.npz"
        follow(stopped, end=stop)
        write_snapshot(path, stopped, {"frame": stop})
        other = four(ColourRuntime())
        other.step(*scene({7: (0, 0)}))  # what it knew before is forgotten
        assert read_snapshot(path, other) == {"frame": stop}
        for expected, result in zip(whole[stop:], follow(other, stop), strict=True):
            np.testing.assert_array_equal(result.probabilities, expected.probabilities)
            assert result.frame_index == expected.frame_index


def test_the_state_of_another_kind_is_refused() -> None:
    runtime = ColourRuntime()
    plain, both, one = VideoSegmenter(runtime), four(runtime), EnsembleSegmenter.of([runtime])
    with pytest.raises(InputError, match="saved state is of network 'an ensemble of 4, 2 flipped'"):
        plain.restore(*both.state())
    with pytest.raises(InputError, match="is of 'colours', not 'an ensemble of 1, 0 flipped'"):
        one.restore(*plain.state())
    with pytest.raises(InputError, match=r"is of 'an ensemble of 4, .* not 'an ensemble of 1"):
        one.restore(*both.state())


def test_memory_is_bounded_over_a_thousand_frames() -> None:
    runtime = ColourRuntime()
    segmenter = EnsembleSegmenter.of([runtime], scales=[1, 1.5], flip=True, size=32)
    frames = [scene({1: (0, i), 2: (2, 5 - i)}, 48, 96) for i in range(6)]
    tracemalloc.start()
    try:
        for index in range(1000):
            segmenter.step(frames[index % 6][0], frames[0][1] if index == 0 else None).label_map  # noqa: B018
            runtime.calls.clear()
            if index == 100:
                held, traced = segmenter.memory_bytes, _traced()
        assert segmenter.memory_bytes == held
        assert held == sum(member.segmenter.memory_bytes for member in segmenter.members)
        assert _traced() - traced < 50_000  # one result of the network's size a frame would be 30 megabytes
    finally:
        tracemalloc.stop()


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_full_size_planes_are_made_one_at_a_time() -> None:
    frame = np.zeros((540, 960, 3), np.uint8)
    labels = np.zeros((540, 960), np.uint8)
    for object_id in range(1, 11):
        labels[:, 90 * object_id : 90 * object_id + 60] = object_id
    segmenter = EnsembleSegmenter.of([ColourRuntime()], scales=[1, 1.25, 1.5], flip=True)
    segmenter.step(frame, labels)
    result = segmenter.step(frame)
    tracemalloc.start()
    result.label_map  # noqa: B018
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 540 * 960 * 4  # 10 objects of 6 members at once would be 60 planes


def test_networks_are_loaded_once_and_shared_by_all_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def network(name: str) -> ColourRuntime:
        loaded.append(name)
        return ColourRuntime()

    monkeypatch.setattr(ensemble, "load_model", network)
    made = EnsembleSegmenter.of(["a", "b"], scales=[1, 2], flip=True)
    assert loaded == ["a", "b"]
    segmenters = [member.segmenter for member in made.members]
    assert len({id(segmenter.model) for segmenter in segmenters}) == 2
    assert [segmenter.size for segmenter in segmenters] == [64, 64, 128, 128] * 2
    assert [member.flip for member in made.members] == [False, True] * 4


RUNTIME = ColourRuntime()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": []}, "no scales"),
        ({"scales": [1, 0]}, "scale 0 is not above 0"),
        ({"scales": [-1.5]}, "scale -1.5 is not above 0"),
        ({"scales": [float("nan")]}, "scale nan is not above 0"),
        ({"scales": [float("inf")]}, "scale inf is not above 0"),
        ({"scales": [1, 1.001]}, "scales 1 and 1.001 are both 64 lines"),
        ({"scales": [1, 2], "size": "native"}, "scales of colours at native size: give a size"),
        ({"scales": [0.1]}, "size is 6; give at least 16"),
        ({"models": []}, "no networks"),
        ({"models": [RUNTIME, RUNTIME]}, "colours is given twice"),
        ({"models": ["nonesuch"]}, "nonesuch: no such network"),
    ],
)
def test_nonsense_is_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        EnsembleSegmenter.of(**{"models": [RUNTIME], **arguments})


def test_members_must_be_several_and_fresh() -> None:
    segmenter = VideoSegmenter(RUNTIME)
    with pytest.raises(InputError, match="no members"):
        EnsembleSegmenter([])
    with pytest.raises(InputError, match="same segmenter twice"):
        EnsembleSegmenter([segmenter, Member(segmenter, flip=True)])
    segmenter.step(*scene({1: (0, 0)}))
    with pytest.raises(InputError, match="knows objects already"):
        EnsembleSegmenter([VideoSegmenter(RUNTIME), segmenter])


@pytest.mark.parametrize("flip_first", [False, True])
def test_bad_frames_and_masks_are_refused_and_change_nothing(flip_first: bool) -> None:
    runtime = ColourRuntime()
    segmenter = EnsembleSegmenter(
        [
            Member(VideoSegmenter(runtime), flip_first),
            Member(VideoSegmenter(runtime, size=96), not flip_first),
        ]
    )
    frame, labels = moving(0)
    segmenter.step(frame, only(labels, 1))
    bad = [
        ((None,), "a frame of NoneType"),
        ((frame[..., 0],), "a frame of shape"),
        ((frame.astype(float),), "a frame of float64"),
        ((frame, labels[:-1]), "masks of shape"),
        ((frame, 3), "masks of shape"),
        ((frame, labels == 9, 9), "first mask of object 9 is empty"),
    ]
    for arguments, message in bad:
        with pytest.raises(InputError, match=message):
            segmenter.step(*arguments)
        with pytest.raises(InputError):
            segmenter.add_reference(*arguments, *([labels] if len(arguments) == 1 else []))
    with pytest.raises(InputError, match="object 5 cannot be removed"):
        segmenter.remove([5])
    result = segmenter.step(moving(1)[0])
    assert (result.frame_index, result.ids) == (1, (1,))


def test_members_that_an_error_has_parted_are_not_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ColourRuntime(), ColourRuntime()
    segmenter = EnsembleSegmenter.of([first, second])
    frame, labels = moving(0)
    segmenter.step(frame, labels)
    with monkeypatch.context() as patch:
        patch.setattr(second, "segment", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            segmenter.step(frame)
    with pytest.raises(RuntimeError, match="out of step: reset them, or restore"):
        segmenter.step(frame)
    segmenter.reset()
    assert segmenter.step(frame, labels).frame_index == 0


def test_an_unknown_network_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=", ".join(load.shipped_models())):
        EnsembleSegmenter.of(["live", "nonesuch"])


def test_another_size_keeps_the_ratios_of_the_members() -> None:
    runtime = ColourRuntime()
    ensemble = EnsembleSegmenter.of([runtime], scales=[1.0, 1.5], size=64)
    assert ensemble.size == 64
    ensemble.size = 32
    assert [member.segmenter.size for member in ensemble.members] == [32, 48]


def test_settling_memorizes_now_what_the_next_step_would() -> None:
    frame, labels = moving(0)
    ensemble = EnsembleSegmenter.of([ColourRuntime()], flip=True)
    ensemble.step(frame, labels)
    ensemble.settle()
    assert all(frames for member in ensemble.members for frames in member.segmenter.memory_frames.values())


def test_threads_that_share_one_ensemble_are_refused_while_one_is_at_work() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(ColourRuntime):
        def encode(self, frame: Frame) -> Any:
            begun.set()
            assert go_on.wait(30)
            return super().encode(frame)

    frame, labels = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8)
    labels[10:20, 10:20] = 1
    both = EnsembleSegmenter([VideoSegmenter(ColourRuntime()), VideoSegmenter(Slow())])
    both.step(frame, labels)
    with ThreadPoolExecutor(1) as other:
        step = other.submit(both.step, frame)
        assert begun.wait(30)  # the first member is done and free again
        with pytest.raises(InputError, match="this ensemble is at work in another thread"):
            both.step(frame)
        go_on.set()
        assert step.result().ids == (1,)
    assert both.step(frame).frame_index == 2
