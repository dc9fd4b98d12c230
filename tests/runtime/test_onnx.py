"""Exported graphs are wired by name, run without spinning threads, and refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the train extra: pip install 'maskstream[train]'")

from maskstream.errors import InputError
from maskstream.runtime import onnx as runtime_onnx
from maskstream.runtime.load import load_model
from maskstream.runtime.onnx import OnnxRuntime
from maskstream.streaming.segmenter import VideoSegmenter
from tests.helpers.colour_graphs import write_colour_network


def squares(shift: int) -> tuple[np.ndarray, np.ndarray]:
    frame, labels = np.full((64, 96, 3), 128, np.uint8), np.zeros((64, 96), np.uint8)
    for object_id, colour in ((3, (220, 30, 30)), (5, (30, 30, 220))):
        top, left = 16 * (object_id - 3), 16 * shift
        frame[top : top + 16, left : left + 16] = colour
        labels[top : top + 16, left : left + 16] = object_id
    return frame, labels


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_colour_network(tmp_path / "colours")


def test_a_network_follows_objects(network: Path) -> None:
    segmenter = VideoSegmenter(network)
    for index in range(8):
        frame, labels = squares(index % 6)
        result = segmenter.step(frame, labels if index == 0 else None)
        np.testing.assert_array_equal(result.label_map, labels)


def test_a_key_of_encode_serves_where_memorize_makes_none(network: Path) -> None:
    runtime = OnnxRuntime(network, threads=1)
    frame = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    features = runtime.encode(frame)
    entry = runtime.memorize(
        frame, features, np.ones((2, 32, 48), np.float32), np.zeros((2, 32, 48), np.float32)
    )
    means = frame.reshape(2, 16, 3, 16, 3).mean((1, 3)).reshape(1, 6, 3)
    np.testing.assert_allclose(entry.key, means, rtol=1e-5)
    assert entry.shrinkage is None
    assert entry.value.shape == (2, 1, 6)


def test_a_key_of_memorize_comes_first(tmp_path: Path) -> None:
    runtime = OnnxRuntime(write_colour_network(tmp_path / "own", own_keys=True), threads=1)
    frame = np.full((16, 32, 3), 7, np.uint8)
    masks = np.ones((1, 16, 32), np.float32)
    entry = runtime.memorize(frame, runtime.encode(frame), masks, masks)
    np.testing.assert_allclose(entry.key, np.full((1, 2, 3), 7))


def test_frames_that_are_views_are_taken(network: Path) -> None:
    runtime = OnnxRuntime(network, threads=1)
    frame = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    flipped = runtime.encode(frame[:, ::-1])["query"].numpy()
    np.testing.assert_array_equal(flipped, runtime.encode(frame[:, ::-1].copy())["query"].numpy())


def test_sessions_do_not_spin_and_use_the_threads_asked_for(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = runtime_onnx.ort.InferenceSession

    def session(path: str, options: object, **rest: object) -> object:
        seen.append(options)
        return real(path, options, **rest)

    monkeypatch.setattr(runtime_onnx.ort, "InferenceSession", session)
    OnnxRuntime(network, threads=3)
    assert len(seen) == 3
    for options in seen:
        assert options.intra_op_num_threads == 3
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_default_threads_are_one_a_core_and_at_most_four(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(siblings: list[str]) -> int:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(len(siblings))), raising=False)
        monkeypatch.setattr(runtime_onnx, "_siblings", siblings.__getitem__)
        return runtime_onnx.default_threads()

    assert threads(["0"]) == 1
    assert threads(["0", "1"]) == 2
    assert threads(["0-1", "0-1"]) == 2
    assert threads(["0-1", "0-1", "2-3", "2-3", "4-5", "4-5"]) == 3
    assert threads([str(i) for i in range(64)]) == 4


def refused(message: str, path: object, **options: object) -> None:
    with pytest.raises(InputError) as error:
        load_model(path, **options)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_network_is_said_in_one_line(network: Path) -> None:
    refused("no such network; shipped are: ", "nonesuch")
    refused("no such network", network / "absent")
    refused("no model.json", network.parent)
    refused("no such file", "weights.safetensors")
    refused("unknown runtime 'tpu'", network, runtime="tpu")
    refused("device 'abacus'", network, device="abacus")
    refused("ONNX Runtime here has no CUDA", network, device="cuda")
    refused("threads is 0", network, threads=0)
    (network / "segment.onnx").write_bytes(b"not a graph")
    refused("segment.onnx: not a usable ONNX graph", network)
    (network / "segment.onnx").unlink()
    refused("no segment.onnx", network)
    (network / "model.json").write_text("{}")
    refused("does not name a network", network)
    (network / "model.json").write_text("{")
    refused("model.json: cannot be read", network)
