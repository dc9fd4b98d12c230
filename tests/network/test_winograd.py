"""The convolution with fewer multiplications."""

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.network import winograd  # noqa: E402
from maskstream.network.blocks import Conv3x3  # noqa: E402

pytestmark = pytest.mark.torch


def direct(x, weight, bias):
    return torch.nn.functional.conv2d(x, weight, bias, padding=1)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (16, 31), (33, 8)])
@pytest.mark.parametrize("strip", [1, 2**30])
def test_it_is_the_same_convolution(size, strip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "WORK_BYTES", strip)
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, *size).double(), torch.randn(5, 3, 3, 3).double(), torch.randn(5)
    found = winograd.conv3x3(x, weight, bias.double())
    torch.testing.assert_close(found, direct(x, weight, bias.double()), rtol=0, atol=1e-12)
    torch.testing.assert_close(winograd.conv3x3(x, weight, None), direct(x, weight, None), rtol=0, atol=1e-12)


def test_single_precision_loses_a_few_millionths() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 128, 64, 64), torch.randn(128, 128, 3, 3)
    exact = direct(x.double(), weight.double(), None)
    assert (winograd.conv3x3(x, weight, None) - exact).abs().max() < 1e-5 * exact.abs().max()


def test_it_is_taken_for_wide_and_large_maps_at_inference_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def convolved(x, weight, bias):
        taken.append(tuple(x.shape))
        return direct(x, weight, bias)

    monkeypatch.setattr(winograd, "conv3x3", convolved)
    wide, narrow = Conv3x3(128, 128), Conv3x3(64, 128)
    large, small = (1, 128, 64, 64), (1, 128, 63, 64)
    wide(torch.zeros(large))
    with torch.no_grad():
        wide(torch.zeros(large))
    with torch.inference_mode():
        wide(torch.zeros(small))
        narrow(torch.zeros(1, 64, 64, 64))
        assert taken == []
        wide(torch.zeros(large))
    assert taken == [large]
