import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from dataclasses import replace  # noqa: E402

from maskstream.clips import colour_changes  # noqa: E402
from maskstream.clips.clip_config import ClipConfig  # noqa: E402
from maskstream.clips.randomness import Draws  # noqa: E402

pytestmark = pytest.mark.torch

STILL = ClipConfig(
    brightness=0, contrast=0, saturation=(1, 1), hue=0, tone=0, grey=0, noise=0, soften=0, compress=0
)


def changed(config, change):
    frames = torch.rand(4, 3, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    result = frames.clone()
    change(result, config, Draws(torch.Generator().manual_seed(2), torch.device("cpu")))
    return frames, result


def test_nothing_asked_changes_nothing():
    before, after = changed(STILL, colour_changes.jitter)
    assert torch.allclose(before, after, atol=1e-5)
    before, after = changed(STILL, colour_changes.degrade)
    assert torch.equal(before, after)


def test_jitter_keeps_the_range_and_mostly_holds_for_a_clip():
    before, after = changed(replace(ClipConfig(), grey=0), colour_changes.jitter)
    assert 0 <= after.min() <= after.max() <= 1
    shift = (after - before).mean((2, 3, 4))
    assert shift.std(1).mean() < shift.mean(1).std()


def test_grey_clips_have_equal_channels():
    _, after = changed(replace(STILL, grey=1.0), colour_changes.jitter)
    assert torch.allclose(after[:, :, 0], after[:, :, 2], atol=1e-5)


@pytest.mark.parametrize("loss", ["noise", "soften", "compress"])
def test_losses_are_mild_and_keep_the_range(loss):
    before, after = changed(replace(STILL, **{loss: 1.0}), colour_changes.degrade)
    assert 0 <= after.min() <= after.max() <= 1
    assert (before.mean((2, 3, 4)) - after.mean((2, 3, 4))).abs().max() < 0.05
    assert not torch.equal(before, after)


def test_compression_of_a_flat_picture_stays_flat():
    frames = torch.full((1, 1, 3, 16, 16), 0.5)
    colour_changes.degrade(
        frames, replace(STILL, compress=1.0), Draws(torch.Generator().manual_seed(0), torch.device("cpu"))
    )
    assert frames.std() < 1e-5
