from itertools import pairwise

import numpy as np
import pytest

from maskstream.background.compositor import CompositeConfig, Compositor
from maskstream.errors import InputError
from maskstream.matte.matting import Matte
from tests.helpers.numbered_clips import plain


def noise(seed, height=48, width=64, channels=(3,)):
    return np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)


def disc(height=96, width=128):
    """A soft disc, 0 at the frame's border."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return (255 * np.clip((0.35 * height - distance) / 6 + 0.5, 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("size", [(48, 64), (1, 1), (1, 90), (61, 1), (37, 53), (700, 333)])
def test_the_composite_is_that_of_the_formula(size) -> None:
    alpha, foreground, background = noise(0, *size, ()), noise(1, *size), noise(2, *size)  # type: ignore[call-arg]
    result = Compositor()(Matte(alpha, foreground), background)
    share = alpha[..., None] / 255
    exact = share * foreground + (1 - share) * background
    assert np.abs(result - exact).max() < 1


@pytest.mark.parametrize("size", [(48, 64), (37, 53), (700, 333)])
def test_where_alpha_is_0_or_255_nothing_is_rounded(size) -> None:
    alpha = (noise(0, *size, ()) > 127).astype(np.uint8) * 255  # type: ignore[call-arg]
    foreground, background = noise(1, *size), noise(2, *size)
    result = Compositor()(Matte(alpha, foreground), background)
    assert np.array_equal(result, np.where(alpha[..., None] == 255, foreground, background))


def test_a_small_object_leaves_all_around_it_alone() -> None:
    alpha, foreground, background = np.zeros((300, 500), np.uint8), noise(1, 300, 500), noise(2, 300, 500)
    alpha[101:150, 203:290] = noise(0, 49, 87, ())
    result = Compositor()(Matte(alpha, foreground), background)
    share = alpha[..., None] / 255
    assert np.abs(result - (share * foreground + (1 - share) * background)).max() < 1
    assert np.array_equal(result[alpha == 0], background[alpha == 0])


def test_without_an_object_the_background_is_all() -> None:
    background = noise(2)
    config = CompositeConfig(light_wrap=1, match_colour=1)
    result = Compositor(config)(Matte(np.zeros((48, 64), np.uint8), noise(1)), background)
    assert np.array_equal(result, background)
    assert result is not background


def test_inputs_are_left_alone() -> None:
    alpha, foreground, background = disc(), noise(1, 96, 128), noise(2, 96, 128)
    before = [array.copy() for array in (alpha, foreground, background)]
    Compositor(CompositeConfig(light_wrap=1, match_colour=1))(Matte(alpha, foreground), background)
    for array, then in zip((alpha, foreground, background), before, strict=True):
        assert np.array_equal(array, then)


def test_a_result_stays_until_two_calls_later() -> None:
    compositor, matte = Compositor(), Matte(np.zeros((48, 64), np.uint8), noise(1))
    first, second = compositor(matte, plain(1)), compositor(matte, plain(2))
    assert (first == 1).all()
    assert (second == 2).all()
    assert np.shares_memory(compositor(matte, plain(3)), first)


def test_the_frame_size_may_change() -> None:
    compositor = Compositor(CompositeConfig(light_wrap=1, match_colour=1))
    for size in ((48, 64), (200, 700), (1, 1), (48, 64)):
        matte = Matte(np.full(size, 255, np.uint8), noise(1, *size))
        assert compositor(matte, noise(2, *size)).shape == (*size, 3)


def test_a_background_of_another_size_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="background"):
        Compositor()(Matte(np.zeros((48, 64), np.uint8), plain(0)), plain(0, height=47))


# Light wrap


def test_light_of_the_background_reaches_over_the_edge_and_not_further() -> None:
    alpha, grey = disc(), plain(60, height=96, width=128)
    matte, bright = Matte(alpha, grey), plain(250, height=96, width=128)
    result = Compositor(CompositeConfig(light_wrap=1))(matte, bright).astype(int)
    without = Compositor()(matte, bright).astype(int)
    edge = (alpha > 200) & (alpha < 255)
    assert (result - without)[edge].min() > 20
    assert np.array_equal(result[44:52, 60:68], without[44:52, 60:68])
    assert np.array_equal(result[alpha == 0], without[alpha == 0])


def test_a_dark_background_gives_no_light() -> None:
    matte = Matte(disc(), plain(60, height=96, width=128))
    dark = plain(0, height=96, width=128)
    result = Compositor(CompositeConfig(light_wrap=1))(matte, dark).copy()
    assert np.array_equal(result, Compositor()(matte, dark))


def test_half_the_light_wrap_is_half_the_light() -> None:
    matte, bright = Matte(disc(), plain(60, height=96, width=128)), plain(250, height=96, width=128)
    none, half, full = (
        Compositor(CompositeConfig(light_wrap=amount))(matte, bright).astype(int) for amount in (0, 0.5, 1)
    )
    assert np.abs((full - none) - 2 * (half - none)).max() <= 2


# Matching colours


def matched(compositor, foreground, background):
    alpha = np.zeros(foreground.shape[:2], np.uint8)
    alpha[16:80, 32:96] = 255
    return compositor(Matte(alpha, foreground), background)[16:80, 32:96].astype(float)


def tinted(seed, *mean, contrast=20):
    values = np.random.default_rng(seed).normal(0, contrast, (96, 128, 1)) + np.array(mean)
    return values.clip(0, 255).astype(np.uint8)


def test_the_object_moves_towards_the_colours_of_the_background() -> None:
    cold, warm = tinted(0, 100, 110, 140), tinted(1, 170, 150, 110)
    before = cold[16:80, 32:96].mean((0, 1))
    after = matched(Compositor(CompositeConfig(match_colour=1)), cold, warm).mean((0, 1))
    assert after[0] - before[0] > 15
    assert (after[0] - after[2]) - (before[0] - before[2]) > 10
    assert abs(after - before).max() < 60  # it stays itself


def test_the_contrast_moves_as_well() -> None:
    flat, hard = tinted(0, 128, 128, 128, contrast=15), tinted(1, 128, 128, 128, contrast=45)
    after = matched(Compositor(CompositeConfig(match_colour=1)), flat, hard)
    assert 1.15 < after.std() / flat[16:80, 32:96].std() < 1.35


def test_equal_colours_are_left_alone() -> None:
    image = tinted(0, 120, 110, 100)
    after = matched(Compositor(CompositeConfig(match_colour=1)), image, tinted(5, 120, 110, 100))
    assert np.abs(after - image[16:80, 32:96]).mean() < 2


def test_a_background_that_flickers_does_not_make_the_object_flicker() -> None:
    compositor, image = Compositor(CompositeConfig(match_colour=1)), tinted(0, 120, 120, 120)
    means = [
        matched(compositor, image, plain(level, height=96, width=128)).mean() for level in [60, 200] * 20
    ]
    assert max(abs(a - b) for a, b in pairwise(means)) < 6


def test_a_lasting_change_is_followed() -> None:
    compositor, image = Compositor(CompositeConfig(match_colour=1)), tinted(0, 120, 120, 120)
    dark, bright = plain(60, height=96, width=128), plain(200, height=96, width=128)
    first = matched(compositor, image, dark).mean()
    for _ in range(100):
        last = matched(compositor, image, bright).mean()
    assert last - first > 30


def test_an_interrupted_job_goes_on_with_equal_results() -> None:
    image, background = tinted(0, 120, 120, 120), [tinted(k, 40 * k, 100, 90) for k in range(1, 6)]
    whole, first, second = (Compositor(CompositeConfig(match_colour=1)) for _ in range(3))
    expected = [matched(whole, image, each) for each in background]
    for each in background[:3]:
        matched(first, image, each)
    second.restore(first.state())
    for each, wanted in zip(background[3:], expected[3:], strict=True):
        assert np.array_equal(matched(second, image, each), wanted)


def test_a_new_scene_starts_anew() -> None:
    compositor, image = Compositor(CompositeConfig(match_colour=1)), tinted(0, 120, 120, 120)
    expected = matched(compositor, image, tinted(1, 200, 120, 60))
    matched(compositor, image, plain(0, height=96, width=128))
    compositor.reset()
    assert compositor.state() == {}
    assert np.array_equal(matched(compositor, image, tinted(1, 200, 120, 60)), expected)


@pytest.mark.parametrize("option", ["light_wrap", "match_colour"])
@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_an_amount_out_of_its_range_is_refused(option, amount) -> None:
    with pytest.raises(InputError, match="from 0"):
        CompositeConfig(**{option: amount})
