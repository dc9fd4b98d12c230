import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
onnxruntime = pytest.importorskip("onnxruntime")

from maskstream.errors import InputError  # noqa: E402
from maskstream.network.onnx_export import GRAPHS, export  # noqa: E402
from maskstream.runtime.onnx import OnnxRuntime  # noqa: E402
from maskstream.runtime.protocol import Memory  # noqa: E402
from maskstream.runtime.pytorch import TorchRuntime, info_for  # noqa: E402
from tests.helpers.tiny_networks import CONFIGS, TINY, make  # noqa: E402

pytestmark = pytest.mark.torch

KINDS = ["full-own-all-parts", "full-shared-dot", "light-shared-cosine", "light-shared-all-parts"]


@pytest.fixture(params=KINDS, scope="module")
def exported(request, tmp_path_factory):
    """A network, and the folder that it was exported to."""
    network = make(CONFIGS[request.param])
    folder = tmp_path_factory.mktemp("exported") / request.param
    export(network, folder, asdict(info_for(network.config)))
    return network, folder


def test_there_are_three_graphs_and_a_description(exported) -> None:
    network, folder = exported
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*(f"{graph}.onnx" for graph in GRAPHS), "model.json"])
    content = json.loads((folder / "model.json").read_text())
    assert content["name"] == "tiny"
    assert content["shared_key"] == network.config.shared_key
    assert content["config"]["value_dim"] == 16
    assert [path.name for path in folder.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize(
    ("size", "objects", "frames"), [((32, 48), 1, 1), ((64, 80), 3, 4), ((16, 112), 2, 2)]
)
def test_graphs_give_what_torch_gives_for_any_size_and_number(exported, size, objects, frames) -> None:
    network, folder = exported
    runtimes = [TorchRuntime(network, device="cpu"), OnnxRuntime(folder, threads=1)]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (frames + 1, *size, 3), np.uint8)
    masks, others = rng.random((2, frames + 1, objects, *size), np.float32)
    results = []
    for runtime in runtimes:
        entries = [
            runtime.memorize(image, runtime.encode(image), mask, other)
            for image, mask, other in zip(images[:-1], masks[:-1], others[:-1], strict=True)
        ]
        keys, shrinkages, values = zip(*entries, strict=True)
        stack = np.stack if isinstance(runtime, OnnxRuntime) else torch.stack
        shrinkage = None if shrinkages[0] is None else stack(shrinkages)
        memory = Memory(stack(keys), shrinkage, stack(values))
        assert memory.key.shape[:2] == (frames, 1 if network.config.shared_key else objects)
        results.append(runtime.segment(runtime.encode(images[-1]), memory, masks[-1]))
    assert results[0].shape == (objects, *size)
    assert results[0].std() > 0
    np.testing.assert_allclose(results[1], results[0], rtol=1e-3, atol=1e-4)


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    info = asdict(info_for(TINY))
    export(make(TINY), tmp_path / "net", info)
    before = (tmp_path / "net" / "encode.onnx").read_bytes()
    export(make(TINY, seed=1), tmp_path / "net", {**info, "name": "second"})
    assert (tmp_path / "net" / "encode.onnx").read_bytes() != before
    assert json.loads((tmp_path / "net" / "model.json").read_text())["name"] == "second"


def test_nothing_foreign_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is not empty and holds no exported network"):
        export(make(TINY), tmp_path / "photos", {})
    with pytest.raises(InputError, match="is a file"):
        export(make(TINY), tmp_path / "file", {})
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_tensors_that_the_graphs_share_have_the_same_names(exported) -> None:
    _, folder = exported
    session = {
        graph: onnxruntime.InferenceSession(str(folder / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
        for graph in GRAPHS
    }
    given = {node.name for node in session["encode"].get_outputs()}
    caller = {"frame", "masks", "others", "previous_masks"}
    for graph, extra in (
        ("memorize", set()),
        ("segment", {"memory_key", "memory_shrinkage", "memory_value"}),
    ):
        assert {node.name for node in session[graph].get_inputs()} <= given | caller | extra
