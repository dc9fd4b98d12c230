"""Published ImageNet weights for trunks, and trunks without norms."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from maskstream.errors import InputError  # noqa: E402
from maskstream.network import pretrained  # noqa: E402
from maskstream.network.backbone import TimmTrunk, _import_timm  # noqa: E402
from maskstream.network.pretrained import PACKAGES, fold_norms, load_published, published_weights  # noqa: E402

pytestmark = pytest.mark.torch


def with_statistics(module: torch.nn.Module) -> torch.nn.Module:  # type: ignore[name-defined]
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean = torch.randn(norm.num_features, generator=generator) / 10
            norm.running_var = torch.rand(norm.num_features, generator=generator) + 0.5
            norm.weight.data = torch.rand(norm.num_features, generator=generator) + 0.5
            norm.bias.data = torch.randn(norm.num_features, generator=generator) / 10
    return module.eval()


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_features_equal_those_of_the_published_network_on_its_own_input(name: str) -> None:
    path = published_weights(name)
    if path is None:
        pytest.skip(f"the package {PACKAGES[name]} of the extra 'pretrained' is not installed")
    published = _import_timm().create_model(name).eval()
    weights = torch.load(path, weights_only=True).values()
    published.load_state_dict(dict(zip(published.state_dict(), weights, strict=True)))
    for norm in published.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eps = 1e-3
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    trunk = TimmTrunk(name, finest=2, pretrained=True, norms=False).eval()
    mean, std = (torch.tensor(each)[:, None, None] for each in (trunk.mean, trunk.std))
    with torch.no_grad():
        x = published.bn1(published.conv_stem((255 * image - 127) / 128))
        for stage in published.blocks[:5]:
            x = stage(x)
        features = trunk((image - mean) / std)
    torch.testing.assert_close(features[16], x, rtol=1e-4, atol=1e-3)


def test_folded_norms_compute_the_same() -> None:
    trunk = with_statistics(TimmTrunk("efficientnet_lite0", finest=2))
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = trunk(image)
        fold_norms(trunk)
        after = trunk(image)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in trunk.modules())
    for stride, feature in before.items():
        torch.testing.assert_close(after[stride], feature, rtol=1e-4, atol=1e-4)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    whole = _import_timm().create_model("efficientnet_lite0")
    with pytest.raises(InputError, match="not the published weights"):
        load_published(whole, whole, tmp_path / "other.pth")


def test_networks_that_no_package_holds_have_no_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda package: None)
    assert published_weights("efficientnet_lite0") is None
    assert published_weights("resnet50") is None


def test_frozen_stages_are_the_finest_and_depthwise_filters_stay() -> None:
    trunk = TimmTrunk("efficientnet_lite0", finest=4, norms=False)
    trunk.freeze(4, depthwise=True)
    trained = {name for name, each in trunk.named_parameters() if each.requires_grad}
    assert not [
        name for name in trained if name.startswith(("body.conv_stem", "body.blocks.0", "body.blocks.1"))
    ]
    assert {name.split(".")[2] for name in trained} == {"2", "3", "4"}
    assert not [name for name in trained if "conv_dw" in name]
    trunk.freeze(0, depthwise=False)
    assert all(each.requires_grad for each in trunk.parameters())


def test_networks_without_stages_in_a_row_cannot_be_frozen_in_part() -> None:
    trunk = TimmTrunk("resnet18", finest=4)
    with pytest.raises(InputError, match="frozen_stride"):
        trunk.freeze(4, depthwise=False)


def test_strided_depthwise_convolutions_are_computed_in_single_precision() -> None:
    trunk = TimmTrunk("efficientnet_lite0", finest=4)
    strided = [
        m for m in trunk.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1 and m.stride[0] > 1
    ]
    seen = []
    for module in strided:
        module.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        trunk(torch.rand(1, 3, 64, 64))
    assert len(strided) == 3  # to 1/4, 1/8 and 1/16
    assert seen == [torch.float32] * 3


def test_weights_that_cannot_be_had_are_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskstream.network.backbone.published_weights", lambda name: None)
    timm = _import_timm()
    made = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: object) -> object:
        if pretrained:
            raise OSError("offline\nmore")
        return made(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match=r"efficientnet_lite0.*offline.*maskstream\[pretrained\]") as caught:
        TimmTrunk("efficientnet_lite0", finest=4, pretrained=True)
    assert "\n" not in str(caught.value)


def test_the_live_preset_is_trained_as_suits_its_trunk() -> None:
    from maskstream.network.presets import TRAINING, preset
    from maskstream.training.config import TrainConfig

    assert preset("live").pretrained
    assert TrainConfig.from_dict({"steps": 1, **TRAINING["live"]}).frozen_stride == 4
