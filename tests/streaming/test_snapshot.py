"""A segmenter that is written to a file and read again goes on as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.streaming.snapshot import read_snapshot, write_snapshot
from tests.helpers.colour_runtime import ColourRuntime, scene

FRAMES = 16
ROWS = {1: 0, 2: 1, 7: 2, 300: 3}
MARKED = {0: (1, 2), 4: (7,), 6: (1,), 9: (300, 2)}  #: objects come later, and some are corrected


def moving(index: int) -> tuple[np.ndarray, np.ndarray]:
    return scene({i: (row, (index + row) % 6) for i, row in ROWS.items()})


def go_on(segmenter: VideoSegmenter, start: int = 0, end: int = FRAMES) -> list[np.ndarray]:
    """Labels and probabilities of the frames from ``start`` to ``end - 1``."""
    results = []
    for index in range(start, end):
        frame, labels = moving(index)
        if index == 3:
            segmenter.add_reference(*scene({1: (1, 1)}))
        if index == 12:
            segmenter.remove(2)
        given = np.where(np.isin(labels, MARKED[index]), labels, 0) if index in MARKED else None
        result = segmenter.step(frame, given)
        results += [result.label_map, result.probabilities]
    return results


@pytest.mark.parametrize(("shared_key", "has_shrinkage"), [(True, False), (False, True)])
def test_from_any_frame_on_results_are_the_same_to_the_bit(
    tmp_path: Path, shared_key: bool, has_shrinkage: bool
) -> None:
    runtime = ColourRuntime(shared_key, has_shrinkage)
    whole = go_on(VideoSegmenter(runtime))
    for stop in range(FRAMES):
        stopped, path = VideoSegmenter(runtime), tmp_path / f"{stop}.npz"
        go_on(stopped, end=stop)
        write_snapshot(path, stopped, {"frame": stop})
        other = VideoSegmenter(runtime)
        other.step(*scene({300: (0, 0)}))  # what it knew before is forgotten
        assert read_snapshot(path, other) == {"frame": stop}
        assert other.memory_frames == stopped.memory_frames
        assert other.ids == stopped.ids
        rest = go_on(other, stop)
        for expected, result in zip(whole[2 * stop :], rest, strict=True):
            np.testing.assert_array_equal(result, expected)


def test_writing_one_changes_nothing(tmp_path: Path) -> None:
    runtime = ColourRuntime()
    whole = go_on(VideoSegmenter(runtime))
    segmenter = VideoSegmenter(runtime)
    step = segmenter.step

    def saved_step(*args: np.ndarray) -> object:
        write_snapshot(tmp_path / "snapshot.npz", segmenter, {})
        return step(*args)

    segmenter.step = saved_step  # type: ignore[method-assign]
    for expected, result in zip(whole, go_on(segmenter), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_the_file_is_whole_or_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, segmenter = tmp_path / "snapshot.npz", VideoSegmenter(ColourRuntime())
    write_snapshot(path, segmenter, {"frame": 1})

    def full(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(path, segmenter, {"frame": 2})
    assert read_snapshot(path, segmenter) == {"frame": 1}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def write_state(path: Path, **content: object) -> None:
    np.savez(path, __state__=np.frombuffer(json.dumps(content).encode(), np.uint8))


@pytest.mark.parametrize("cut", [0, 10, 1000, -30])
def test_a_damaged_file_is_one_line(tmp_path: Path, cut: int) -> None:
    path, segmenter = tmp_path / "snapshot.npz", VideoSegmenter(ColourRuntime())
    segmenter.step(*moving(0))
    write_snapshot(path, segmenter, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"snapshot\.npz: is no snapshot .* or damaged$"):
        read_snapshot(path, segmenter)


def test_other_files_networks_and_versions_are_refused(tmp_path: Path) -> None:
    path, runtime = tmp_path / "snapshot.npz", ColourRuntime()
    np.savez(path, frame=np.zeros(3))
    with pytest.raises(InputError, match="is no snapshot"):
        read_snapshot(path, VideoSegmenter(runtime))
    write_state(path, segmenter={}, note={})
    with pytest.raises(InputError, match="another version"):
        read_snapshot(path, VideoSegmenter(runtime))
    write_snapshot(path, VideoSegmenter(runtime), {})
    other = ColourRuntime()
    object.__setattr__(other.info, "name", "shapes")
    with pytest.raises(InputError, match="of network 'colours', not 'shapes'"):
        read_snapshot(path, VideoSegmenter(other))


def test_its_size_is_bounded_as_memory_is(tmp_path: Path) -> None:
    segmenter, sizes = VideoSegmenter(ColourRuntime()), []
    for index in range(60):
        frame, labels = moving(index)
        segmenter.step(frame, labels if index == 0 else None)
        if index % 20 == 19:
            write_snapshot(tmp_path / "snapshot.npz", segmenter, {})
            sizes.append((tmp_path / "snapshot.npz").stat().st_size)
    assert max(sizes) - min(sizes) < 200
