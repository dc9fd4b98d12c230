import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from maskstream.network import checkpoints  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.network.presets import preset  # noqa: E402
from maskstream.runtime.pytorch import TorchRuntime, load_checkpoint  # noqa: E402
from maskstream.streaming.memory import MemoryPolicy  # noqa: E402
from maskstream.streaming.segmenter import VideoSegmenter  # noqa: E402
from tests.helpers.published_stm import published_state_dict  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.golden]


@pytest.fixture(scope="module")
def runtime(golden_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TorchRuntime:
    """The published file, as ``nn.DataParallel`` saved it."""
    path = tmp_path_factory.mktemp("stm") / "STM_weights.pth"
    torch.save(published_state_dict(golden_folder, prefix="module."), path)
    return load_checkpoint(path, device="cpu")


def test_converted_keys_are_exactly_the_networks(golden_folder: Path) -> None:
    converted = checkpoints.convert_stm(published_state_dict(golden_folder))
    assert set(converted) == set(SegmentationNetwork(preset("stm")).state_dict())
    assert len(converted) == 558


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["odd", "aligned"])
def test_streaming_reproduces_the_published_network(
    runtime: TorchRuntime, golden_folder: Path, clip: str
) -> None:
    with np.load(golden_folder / "stm" / "parity.npz") as reference:
        frames, first = reference[f"{clip}_frames"], reference[f"{clip}_first_mask"]
        expected = reference[f"{clip}_probabilities"]
    found = probabilities(runtime, frames, first)
    error = np.abs(found - expected).max((1, 2, 3))
    equal = (found.argmax(1) == expected.argmax(1)).mean((1, 2))
    if clip == "aligned":
        assert (error <= 1e-4).all(), error
        assert (equal >= 0.9999).all(), equal
        return
    # The made-up weights saturate and feed back: on a processor that sums in another order, what is a
    # millionth at first is a tenth after six frames. That much, and no more, may differ.
    rounding = np.max(
        [
            np.abs(probabilities(shaken(runtime, seed), frames, first) - found).max((1, 2, 3))
            for seed in (0, 1)
        ],
        0,
    )
    assert rounding[1] < 0.02, rounding  # else the comparison says nothing
    assert (error <= np.maximum(1e-3, 5 * rounding)).all(), (error, rounding)
    assert (equal[:3] >= 0.999).all(), equal


def probabilities(runtime: TorchRuntime, frames: np.ndarray, first: np.ndarray) -> np.ndarray:
    """``(N, K + 1, H, W)`` of all frames, the background first."""
    segmenter = VideoSegmenter(runtime, size="native", policy=MemoryPolicy.stm())
    found = []
    for index, frame in enumerate(frames):
        objects = segmenter.step(frame, None if index else first).probabilities
        found.append(np.concatenate([1 - objects.sum(0, keepdims=True), objects]))
    return np.array(found)


def shaken(runtime: TorchRuntime, seed: int) -> TorchRuntime:
    """The same network with every weight moved by as much as rounding would."""
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(runtime.network)
    with torch.no_grad():
        for weight in network.parameters():
            weight *= 1 + 6e-8 * torch.randn(weight.shape, generator=generator).sign()
    return TorchRuntime(network, device="cpu")
