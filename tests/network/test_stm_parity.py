from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from published_stm import published_state_dict  # noqa: E402

from maskstream.network import checkpoints  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.network.presets import preset  # noqa: E402
from maskstream.runtime.pytorch import TorchRuntime, load_checkpoint  # noqa: E402
from maskstream.streaming.memory import MemoryPolicy  # noqa: E402
from maskstream.streaming.segmenter import VideoSegmenter  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.golden]


@pytest.fixture(scope="module")
def two_threads() -> Iterator[None]:
    """The made-up weights saturate: splitting sums over threads otherwise already changes the third digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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
@pytest.mark.usefixtures("two_threads")
def test_streaming_reproduces_the_published_network(
    runtime: TorchRuntime, golden_folder: Path, clip: str
) -> None:
    with np.load(golden_folder / "stm" / "parity.npz") as reference:
        frames, first = reference[f"{clip}_frames"], reference[f"{clip}_first_mask"]
        expected = reference[f"{clip}_probabilities"]
    segmenter = VideoSegmenter(runtime, size="native", policy=MemoryPolicy.stm())
    for index, frame in enumerate(frames):
        objects = segmenter.step(frame, None if index else first).probabilities
        found = np.concatenate([1 - objects.sum(0, keepdims=True), objects])
        assert np.abs(found - expected[index]).max() <= 1e-3, f"frame {index}"
        assert (found.argmax(0) == expected[index].argmax(0)).mean() >= 0.9999, f"frame {index}"
