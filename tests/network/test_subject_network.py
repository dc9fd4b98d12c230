"""The subject network: shapes, its start from another network's trunk, files, the exported graph."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
onnxruntime = pytest.importorskip("onnxruntime")

from maskstream.errors import InputError  # noqa: E402
from maskstream.network import checkpoints  # noqa: E402
from maskstream.network.onnx_export import export_subject  # noqa: E402
from maskstream.network.subject_config import SubjectConfig  # noqa: E402
from maskstream.network.subject_network import SubjectNetwork  # noqa: E402
from maskstream.runtime.pytorch import subject_info  # noqa: E402
from tests.helpers.tiny_networks import CONFIGS, make  # noqa: E402
from tests.helpers.tiny_subjects import TINY  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = SubjectNetwork(TINY)
    # Norms that do something, so that folding them is tested too.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.2)
    return network.eval()


@pytest.mark.parametrize("size", [(64, 96), (96, 32), (160, 288)])
def test_logits_come_at_a_quarter_of_any_size(network, size) -> None:
    logits = network(torch.rand(2, 3, *size))
    assert logits.shape == (2, size[0] // 4, size[1] // 4)
    assert torch.isfinite(logits).all()


def test_every_pixel_sees_the_whole_frame(network) -> None:
    frame = torch.rand(1, 3, 256, 256, requires_grad=True)
    network(frame)[0, 0, 0].backward()
    assert (frame.grad[0, :, -16:, -16:] != 0).any()


def test_a_file_gives_the_same_network(network, tmp_path: Path) -> None:
    checkpoints.save(network, tmp_path / "w.safetensors")
    again = checkpoints.load_subject(tmp_path / "w.safetensors")
    assert again.config == TINY
    frame = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(again(frame), network(frame), rtol=0, atol=0)


def test_it_starts_from_the_trunk_of_a_network_that_follows(tmp_path: Path) -> None:
    follows = make(CONFIGS["light-shared-all-parts"])
    checkpoints.save(follows, tmp_path / "f.safetensors")
    started = checkpoints.started_subject(tmp_path / "f.safetensors", TINY)
    for name, tensor in follows.image_encoder.trunk.state_dict().items():
        assert torch.equal(started.trunk.state_dict()[name], tensor)
    with pytest.raises(InputError, match="no trunk for 'tiny'"):
        checkpoints.started_subject(
            tmp_path / "f.safetensors", replace(TINY, trunk_widths=(4, 8, 8, 24), context_width=16)
        )


def test_it_starts_from_its_own_kind_only_if_equal(network, tmp_path: Path) -> None:
    checkpoints.save(network, tmp_path / "w.safetensors")
    started = checkpoints.started_subject(tmp_path / "w.safetensors", TINY)
    assert torch.equal(started.predict.weight, network.predict.weight)
    with pytest.raises(InputError, match="holds another network"):
        checkpoints.started_subject(tmp_path / "w.safetensors", replace(TINY, context_depth=2))


def test_each_kind_of_file_is_refused_where_the_other_is_meant(network, tmp_path: Path) -> None:
    checkpoints.save(network, tmp_path / "s.safetensors")
    checkpoints.save(make(CONFIGS["light-shared-cosine"]), tmp_path / "f.safetensors")
    with pytest.raises(InputError, match="holds no network that finds the subject"):
        checkpoints.load_subject(tmp_path / "f.safetensors")
    with pytest.raises(InputError, match="network config inside cannot be used"):
        checkpoints.load(tmp_path / "s.safetensors")
    with pytest.raises(InputError, match="no such file"):
        checkpoints.load_subject(tmp_path / "absent.safetensors")


def test_the_graph_gives_what_torch_gives_for_any_size(network, tmp_path: Path) -> None:
    export_subject(network, tmp_path / "out", asdict(subject_info(TINY)))
    session = onnxruntime.InferenceSession(tmp_path / "out" / "subject.onnx")
    rng = np.random.default_rng(0)
    for size in ((64, 96), (96, 64), (32, 160)):
        frame = rng.integers(0, 255, (1, *size, 3), np.uint8)
        (found,) = session.run(None, {"frame": frame})
        with torch.inference_mode():
            expected = network(torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 255).sigmoid()
        assert found.shape == (1, size[0] // 4, size[1] // 4)
        # Weights are in half precision.
        np.testing.assert_allclose(found, expected.numpy(), atol=5e-3)
    content = json.loads((tmp_path / "out" / "model.json").read_text())
    assert (content["name"], content["stride"]) == ("tiny", 32)
    assert content["parameters"] == sum(p.numel() for p in network.parameters())


def test_weights_are_stored_in_half_precision(tmp_path: Path) -> None:
    network = SubjectNetwork(SubjectConfig())
    export_subject(network, tmp_path / "out", asdict(subject_info(network.config)))
    assert (tmp_path / "out" / "subject.onnx").stat().st_size < 5_000_000


def test_impossible_configs_are_refused() -> None:
    with pytest.raises(InputError, match="every width"):
        SubjectConfig(context_width=0)
    with pytest.raises(InputError, match="no field is called 'key_dim'"):
        SubjectConfig.from_dict({"key_dim": 3})
