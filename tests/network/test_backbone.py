from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.errors import InputError  # noqa: E402
from maskstream.network.backbone import TimmTrunk  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from tests.helpers.tiny_networks import TINY, inputs, stream  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]  # importing timm takes seconds


@pytest.mark.parametrize("backbone", ["resnet18", "resnest14d", "mobilenetv3_small_050"])
def test_networks_run_and_train_on_timm_backbones(backbone) -> None:
    torch.manual_seed(0)
    network = SegmentationNetwork(replace(TINY, backbone=backbone, refinement=True)).train()
    _, memory, logits = stream(network, *inputs(batch=2, objects=2, width=64), index=torch.tensor([0, 1]))
    assert memory.value.shape == (2, 16, 2 * 3 * 4)
    assert logits.shape == (2, 48, 64)
    logits.square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("backbone", ["resnet18", "resnest14d"])
def test_masks_enter_before_the_first_norm_of_networks_with_a_conv1(backbone) -> None:
    trunk = TimmTrunk(backbone, finest=16, masks=True).eval()
    frame, masks, others = inputs(batch=1, objects=1, width=64)
    with torch.no_grad():
        plain = trunk(frame, torch.zeros_like(masks), torch.zeros_like(others))[16]
        torch.testing.assert_close(plain, trunk(frame)[16])
        assert not torch.allclose(trunk(frame, masks, others)[16], plain)


NARROW = {"channels": [8, 16, 32, 64], "layers": [1, 2, 3, 1], "stem_width": 8, "base_width": 128}


def test_options_make_a_narrow_resnest_with_the_widths_of_the_plain_trunk() -> None:
    arguments = {"finest": 2, "masks": True, "arguments": NARROW}
    trunk = TimmTrunk("resnest14d", **arguments).eval()
    assert trunk.channels == {2: 16, 4: 32, 8: 64, 16: 128}
    assert sum(p.numel() for p in trunk.parameters()) < 300_000
    frame, masks, others = inputs(batch=1, objects=1, width=64)
    with torch.no_grad():
        sizes = {stride: tuple(f.shape[2:]) for stride, f in trunk(frame, masks, others).items()}
    assert sizes == {s: (48 // s, 64 // s) for s in (2, 4, 8, 16)}


def test_a_network_on_a_narrow_resnest_trains() -> None:
    torch.manual_seed(0)
    light = {"memory_encoder": "light", "shared_key": True}
    config = replace(TINY, backbone="resnest14d", backbone_options=NARROW, refinement=True, **light)
    network = SegmentationNetwork(config).train()
    _, _, logits = stream(network, *inputs(batch=2, objects=2, width=64), index=torch.tensor([0, 1]))
    logits.square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("options", [{"colour": 1}, {"channels": [8, 16]}, {"features_only": True}])
def test_options_that_a_backbone_does_not_take_are_named(options) -> None:
    with pytest.raises(InputError, match="'resnest14d' can't be made with these backbone_options") as error:
        TimmTrunk("resnest14d", finest=4, arguments=options)
    assert "\n" not in str(error.value)


def test_features_are_told_by_their_stride_not_their_place() -> None:
    trunk = TimmTrunk("dla34", finest=4).eval()  # its first feature is at 1/1
    with torch.no_grad():
        features = trunk(torch.rand(1, 3, 64, 96))
    for stride, feature in features.items():
        assert feature.shape == (1, trunk.channels[stride], 64 // stride, 96 // stride)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("resnet1", "unknown backbone 'resnet1'"),
        ("vit_tiny_patch16_224", "has no features at 1/4"),
        ("coatnet_pico_rw_224", "doesn't turn frames of any size into features"),
    ],
)
def test_backbones_that_cannot_be_used_are_named(backbone, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        SegmentationNetwork(replace(TINY, backbone=backbone))
    assert "\n" not in str(error.value)
