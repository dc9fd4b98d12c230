import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from dataclasses import replace  # noqa: E402

from maskstream.clips import colour_changes  # noqa: E402
from maskstream.clips.clip_config import ClipConfig  # noqa: E402
from maskstream.clips.randomness import Draws  # noqa: E402

pytestmark = pytest.mark.torch

STILL = ClipConfig(
    brightness=0, contrast=0, saturation=(1, 1), hue=0, tone=0, grey=0, noise=0, soften=0, compress=0,
    exposure=0, shake=0,
)  # fmt: skip


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


@pytest.mark.parametrize("loss", ["noise", "soften", "compress", "shake"])
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


def test_exposure_jumps_once_for_good_or_for_one_frame():
    frames = torch.full((64, 5, 3, 8, 8), 0.3)
    draws = Draws(torch.Generator().manual_seed(5), torch.device("cpu"))
    colour_changes.jitter(frames, replace(STILL, exposure=1.0), draws)
    level = frames.mean((2, 3, 4))
    assert torch.allclose(level[:, 0], torch.tensor(0.3), atol=1e-5)
    changes = (torch.diff(level, dim=1).abs() > 1e-4).sum(1)
    assert set(changes.tolist()) <= {0, 1, 2}
    flashes = (level[:, -1] - 0.3).abs() < 1e-4
    assert 0.1 < flashes.float().mean() < 0.6
    assert level.max() > 0.4
    assert level.min() < 0.22


def test_compression_coarsens_colour_more_than_brightness():
    generator = torch.Generator().manual_seed(0)
    grey = torch.rand(1, 1, 1, 32, 32, generator=generator).expand(1, 1, 3, 32, 32)
    tinted = 0.5 + 0.3 * (torch.rand(1, 1, 1, 32, 32, generator=generator) - 0.5) * torch.tensor(
        [1.0, -0.5, 1.0]
    ).view(3, 1, 1)
    lost = []
    for frames in (grey, tinted):
        coded = frames.clone()
        config = replace(STILL, compress=1.0, compress_step=(0.01, 0.011))
        colour_changes.degrade(coded, config, Draws(torch.Generator().manual_seed(0), torch.device("cpu")))
        lost.append(((coded - frames).std() / frames.std()).item())
    assert lost[0] < 0.15
    assert lost[1] > 2 * lost[0]


def test_compression_takes_any_size():
    frames = torch.rand(1, 2, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    before = frames.clone()
    draws = Draws(torch.Generator().manual_seed(0), torch.device("cpu"))
    colour_changes.degrade(frames, replace(STILL, compress=1.0), draws)
    assert not torch.equal(frames, before)
    assert (frames.mean() - before.mean()).abs() < 0.02


def test_a_shaken_frame_is_blurred_along_a_line_and_stays_in_place():
    frames = torch.zeros(1, 6, 3, 64, 64)
    frames[..., 30:34, 30:34] = 1
    config = replace(STILL, shake=1.0, shake_length=(0.1, 0.11))
    colour_changes.degrade(frames, config, Draws(torch.Generator().manual_seed(0), torch.device("cpu")))
    place = torch.arange(64) + 0.5
    for frame in frames[0, :, 0]:
        mass = frame.sum()
        assert mass == pytest.approx(16, rel=0.05)
        assert (frame.sum(0) @ place / mass, frame.sum(1) @ place / mass) == pytest.approx((32, 32), abs=0.3)
    assert frames.amax((2, 3, 4)).min() < 0.7
