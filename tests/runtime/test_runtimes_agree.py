"""ONNX Runtime and PyTorch give the same results for every kind of network; torch has its own errors."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.runtime.load import load_model
from maskstream.streaming.memory import MemoryPolicy
from maskstream.streaming.segmenter import VideoSegmenter

pytestmark = pytest.mark.torch

SMALL = {
    "backbone": "plain",
    "trunk_widths": (4, 8, 8, 8),
    "trunk_depths": (0, 1, 1, 1),
    "mask_widths": (4, 4, 8, 8),
    "key_dim": 8,
    "value_dim": 8,
    "aspp_width": 4,
    "decoder_width": (8, 8, 8, 8),
}
PARTS = {"spatial_constraint": True, "aspp": True, "refinement": True, "previous_mask_skip": True}
NETWORKS = {
    "own-keys-dot": {"memory_encoder": "full", "similarity": "dot"},
    "own-keys-l2-all-parts": {"memory_encoder": "full", "similarity": "l2", **PARTS},
    "shared-keys-l2": {"memory_encoder": "light", "shared_key": True, "similarity": "l2"},
    "shared-keys-cosine-all-parts": {
        "memory_encoder": "light",
        "shared_key": True,
        "similarity": "cosine",
        "decoder_norm": True,
        "skip_depth": 0,
        **PARTS,
    },
}


def make_network(name: str):
    import torch

    from maskstream.network.config import NetworkConfig
    from maskstream.network.model import SegmentationNetwork

    torch.manual_seed(0)
    return SegmentationNetwork(NetworkConfig(name=name, **SMALL, **NETWORKS[name])).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_and_torch_agree_over_a_stream(name: str, tmp_path: Path) -> None:
    from maskstream.network.onnx_export import export
    from maskstream.runtime.pytorch import TorchRuntime, info_for

    network = make_network(name)
    info = replace(info_for(network.config), default_size=48)
    torch_runtime = TorchRuntime(network, info, device="cpu")
    export(network, tmp_path / "exported", asdict(info))
    onnx_runtime = load_model(tmp_path / "exported", threads=1)
    assert onnx_runtime.info == info

    rng = np.random.default_rng(1)
    policy = MemoryPolicy(every=2, max_frames=2)
    first, second = (VideoSegmenter(runtime, policy=policy) for runtime in (torch_runtime, onnx_runtime))
    masks = {0: rng.integers(0, 3, (70, 90)), 2: np.pad(np.full((20, 30), 9), ((25, 25), (30, 30)))}
    for index in range(5):
        frame = rng.integers(0, 255, (70, 90, 3), np.uint8)
        if index == 4:  # another shape
            frame = rng.integers(0, 255, (90, 70, 3), np.uint8)
        results = [segmenter.step(frame, masks.get(index)) for segmenter in (first, second)]
        assert results[0].ids == results[1].ids
        np.testing.assert_allclose(results[0].low_res, results[1].low_res, atol=2e-4)
        if index == 1:
            assert results[0].low_res.std() > 1e-3


def test_a_checkpoint_runs_as_the_network_that_was_saved(tmp_path: Path) -> None:
    from maskstream.network import checkpoints
    from maskstream.runtime.pytorch import TorchRuntime

    network = make_network("shared-keys-cosine-all-parts")
    checkpoints.save(network, tmp_path / "net.safetensors")
    loaded = load_model(tmp_path / "net.safetensors", runtime="torch", device="cpu")
    frame = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    expected = TorchRuntime(network, device="cpu").encode(frame)
    np.testing.assert_array_equal(loaded.encode(frame).key, expected.key)
    assert loaded.info.name == "shared-keys-cosine-all-parts"
    assert loaded.info.shared_key
    assert not loaded.info.has_shrinkage


def test_half_precision_stays_close() -> None:
    from maskstream.runtime.pytorch import TorchRuntime

    network = make_network("shared-keys-cosine-all-parts")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 64, 64, 3), np.uint8)
    results = []
    for half in (False, True):
        segmenter = VideoSegmenter(TorchRuntime(network, device="cpu", half=half))
        segmenter.step(frames[0], np.pad(np.ones((32, 32), bool), 16))
        results.append([segmenter.step(frame).low_res for frame in frames[1:]])
    np.testing.assert_allclose(results[0], results[1], atol=0.05)
    assert results[0][0].dtype == results[1][0].dtype == np.float32


@pytest.mark.parametrize("name", NETWORKS)
def test_objects_are_the_same_a_few_at_a_time_and_all_together(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskstream.runtime import pytorch

    network = make_network(name)
    rng = np.random.default_rng(0)
    frames, label_map = rng.integers(0, 255, (4, 48, 64, 3), np.uint8), rng.integers(0, 6, (48, 64))
    results, calls = [], []
    for work in (2**30, 1):
        monkeypatch.setattr(pytorch, "WORK_BYTES", {"cpu": work})
        runtime = pytorch.TorchRuntime(network, device="cpu")
        segmenter = VideoSegmenter(runtime, size="native", policy=MemoryPolicy(every=2), window=0)
        segmenter.step(frames[0], label_map)
        results.append([segmenter.step(frame).low_res for frame in frames[1:]])
        calls.append(len(runtime._parts(np.zeros((5, 48, 64), np.float32))))
    assert calls == [1, 5]
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_half_precision_memory_takes_half_the_bytes_and_changes_little(name: str) -> None:
    from maskstream.runtime.pytorch import TorchRuntime

    network = make_network(name)
    rng = np.random.default_rng(0)
    frames, label_map = rng.integers(0, 255, (6, 48, 64, 3), np.uint8), rng.integers(0, 3, (48, 64))
    results, held = [], []
    for half in (False, True):
        runtime = TorchRuntime(network, device="cpu", half_memory=half)
        segmenter = VideoSegmenter(runtime, size="native", policy=MemoryPolicy(every=2), window=0)
        segmenter.step(frames[0], label_map)
        results.append([segmenter.step(frame).low_res for frame in frames[1:]])
        bank = segmenter._groups[0].bank.read()
        held.append(bank.key.nbytes + bank.value.nbytes)
    assert held[1] == held[0] / 2
    np.testing.assert_allclose(results[0], results[1], atol=0.02)
    assert not np.array_equal(results[0], results[1])


def test_half_precision_memory_needs_torch() -> None:
    with pytest.raises(InputError, match="torch runtime"):
        load_model("live", half_memory=True)


def test_what_torch_cannot_use_is_said_in_one_line(tmp_path: Path) -> None:
    from maskstream.runtime.pytorch import TorchRuntime

    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path / "absent.pth", runtime="torch")
    with pytest.raises(InputError, match=r"needs a \.safetensors or \.pth"):
        load_model("live", runtime="torch")
    with pytest.raises(InputError, match="device 'abacus' cannot be used") as error:
        TorchRuntime(make_network("own-keys-dot"), device="abacus")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_held_of_features_is_all_that_memorizing_needs(name: str, tmp_path: Path) -> None:
    from maskstream.network.onnx_export import export
    from maskstream.runtime.pytorch import TorchRuntime, info_for

    network = make_network(name)
    export(network, tmp_path / "exported", asdict(info_for(network.config)))
    frame = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    masks = np.random.default_rng(1).random((2, 48, 64), np.float32)
    for runtime in (
        TorchRuntime(network, device="cpu"),
        load_model(tmp_path / "exported", runtime="onnx", threads=1),
    ):
        features = runtime.encode(frame)
        held = runtime.for_memory(features)
        for whole, part in zip(
            runtime.memorize(frame, features, masks, 1 - masks),
            runtime.memorize(frame, held, masks, 1 - masks),
            strict=True,
        ):
            np.testing.assert_array_equal(whole, part)
        names = held._fields if hasattr(held, "_fields") else held
        assert not [name for name in names if name.startswith("skip") and name != "skips"]
        assert not getattr(held, "skips", ())
