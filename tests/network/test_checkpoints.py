import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from maskstream.errors import InputError  # noqa: E402
from maskstream.network import checkpoints  # noqa: E402
from tests.helpers.tiny_networks import CONFIGS, TINY, inputs, make, stream  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", ["full-own-all-parts", "light-shared-cosine"])
def test_a_saved_network_comes_back_equal_in_evaluation_mode(name, tmp_path: Path) -> None:
    network = make(CONFIGS[name])
    checkpoints.save(network, tmp_path / "net.safetensors", {"step": "7"})
    loaded = checkpoints.load(tmp_path / "net.safetensors")
    assert loaded.config == network.config
    assert not loaded.training
    data = inputs(batch=1, objects=2)
    with torch.no_grad():
        assert torch.equal(stream(loaded, *data)[2], stream(network, *data)[2])
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_config_and_notes_are_inside(tmp_path: Path) -> None:
    checkpoints.save(make(TINY), tmp_path / "net.safetensors", {"step": "7"})
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["step"] == "7"
    assert json.loads(metadata["config"])["decoder_width"] == [16, 8, 8, 4]


def test_loading_never_asks_for_pretrained_weights(tmp_path: Path) -> None:
    network = make(TINY)
    network.config = replace(TINY, pretrained=True)
    checkpoints.save(network, tmp_path / "net.safetensors")
    assert not checkpoints.load(tmp_path / "net.safetensors").config.pretrained


def test_published_keys_are_renamed_with_and_without_module() -> None:
    weight = torch.ones(1)
    published = {"Encoder_Q.res3.0.conv1.weight": weight, "Decoder.RF2.ResMM.conv2.bias": weight}
    expected = {"image_encoder.trunk.body.layer2.0.conv1.weight", "decoder.merges.1.block.conv2.bias"}
    assert set(checkpoints.convert_stm(published)) == expected
    assert set(checkpoints.convert_stm({f"module.{k}": v for k, v in published.items()})) == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that are no networks, named after what is wrong with them."""
    tmp_path = tmp_path_factory.mktemp("broken")
    network = make(TINY)
    state, config = network.state_dict(), json.dumps(TINY.to_dict())
    checkpoints.save(network, tmp_path / "whole.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights at all")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file(state, tmp_path / "bare.safetensors")
    save_file(state, tmp_path / "newer.safetensors", {"config": json.dumps({"hue": 3})})
    save_file(state, tmp_path / "garbled.safetensors", {"config": "{"})
    other = {k: v for k, v in state.items() if not k.startswith("decoder.")}
    save_file(other, tmp_path / "lacking.safetensors", {"config": config})
    (tmp_path / "text.pth").write_text("not weights at all")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save(network, tmp_path / "object.pth")
    torch.save({"weights": [1, 2]}, tmp_path / "list.pth")
    torch.save(dict(state), tmp_path / "ours.pth")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.safetensors", "no such file"),
        ("text.safetensors", "not a safetensors file, or cut short"),
        ("short.safetensors", "not a safetensors file, or cut short"),
        ("bare.safetensors", "no network config inside"),
        ("newer.safetensors", "no field is called 'hue'"),
        ("garbled.safetensors", "the network config inside cannot be used"),
        ("lacking.safetensors", "weights don't fit the network 'tiny': Missing key"),
        ("text.pth", "is broken, or holds more than tensors"),
        ("empty.pth", "is broken, or holds more than tensors"),
        ("object.pth", "is broken, or holds more than tensors"),
        ("list.pth", "holds no plain state dict"),
        ("ours.pth", "not an STM checkpoint: unexpected key"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(folder, name, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        checkpoints.load(folder / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300 + len(str(folder))
