import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.matte.config import KeyConfig, MatteConfig
from maskstream.matte.matting import Matting
from maskstream.matte.screen import find_key
from tests.helpers.drawn_mattes import (
    BLUE,
    DIM,
    GREEN,
    HEIGHT,
    WIDTH,
    YELLOW,
    as_seen,
    composite,
    disc,
    noisy,
    textured,
)

SKIN = (190, 130, 105)
SCREENS = {"green": GREEN, "blue": BLUE, "yellow": YELLOW, "dim": DIM}


def lit(colour):
    """A screen, lighter to the left."""
    shade = np.linspace(1.1, 0.8, WIDTH, dtype=np.float32)[None, :, None]
    return np.clip(np.float32(colour) * shade + np.zeros((HEIGHT, 1, 1), np.float32), 0, 255)


def before(screen, alpha=None):
    """A person before a screen."""
    alpha = disc(centre=(0.75, 0.5)) if alpha is None else alpha
    return noisy(composite(alpha, textured(SKIN, 1, contrast=6), lit(screen)), 1.5)


def keyed(frame, probability=None, **options):
    return Matting(MatteConfig(smooth=False, key=KeyConfig(**options)))(frame, probability)


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_found_and_its_colour_too(name) -> None:
    found = find_key(before(SCREENS[name]))
    assert found is not None
    expected, colour = np.array(SCREENS[name], float), np.array(found.colour, float)
    assert np.abs(colour / colour.sum() - expected / expected.sum()).max() < 0.03


def street():
    """Blocks of many colours."""
    blocks = np.random.default_rng(3).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    return cv2.resize(blocks, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def grey_wall():
    return noisy(np.full((HEIGHT, WIDTH, 3), 170, np.uint8), 3)


def wooden_wall():
    return noisy(np.full((HEIGHT, WIDTH, 3), (166, 138, 110), np.uint8), 3)


def leaves():
    return np.clip(textured((60, 120, 40), contrast=60), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("picture", [street, grey_wall, wooden_wall, leaves])
def test_no_screen_is_found_where_there_is_none(picture) -> None:
    assert find_key(picture()) is None


def test_a_key_without_a_screen_is_refused() -> None:
    with pytest.raises(InputError, match="no screen of one colour"):
        keyed(street())


def test_grey_is_no_key_colour() -> None:
    with pytest.raises(InputError, match="has no hue"):
        Matting(MatteConfig(key=KeyConfig(colour=(120, 121, 120))))


@pytest.mark.parametrize("name", SCREENS)
def test_the_key_alone_gives_alpha_and_no_screen_is_left(name) -> None:
    alpha = disc(centre=(0.75, 0.5), softness=2)
    made = keyed(before(SCREENS[name], alpha))
    assert np.abs(made.alpha / 255.0 - alpha).mean() < 0.01
    assert np.percentile(made.alpha[alpha == 0], 99.8) == 0  # a dim screen may leave a speck
    assert np.percentile(made.alpha[alpha == 1], 1) > 240


def test_a_half_transparent_object_is_half_transparent() -> None:
    alpha = 0.5 * disc(centre=(0.75, 0.5))
    made = keyed(composite(alpha, np.float32((150, 150, 150)), lit(GREEN)), tolerance=0.0, floor=0.0)
    assert made.alpha[135, 160] == pytest.approx(128, abs=20)


def with_green_shirt():
    """A person in the screen's own green, and a patch of another colour far away."""
    frame = before(GREEN)
    cv2.circle(frame, (160, 135), 20, GREEN, -1)
    frame[10:30, 10:40] = SKIN
    return frame


def test_the_objects_own_green_is_kept_and_keeps_its_colour() -> None:
    frame = with_green_shirt()
    made = keyed(frame, as_seen(disc(centre=(0.75, 0.5))))
    shirt = slice(120, 150), slice(150, 170)
    assert (made.alpha[shirt] == 255).all()
    assert np.abs(made.foreground[shirt].astype(int) - frame[shirt]).max() <= 2
    assert keyed(frame).alpha[135, 160] == 0


def test_whatever_is_far_from_the_object_goes() -> None:
    frame = with_green_shirt()
    assert (keyed(frame).alpha[15:25, 15:35] > 200).all()
    assert not keyed(frame, as_seen(disc(centre=(0.75, 0.5)))).alpha[:40, :60].any()


def test_the_key_draws_the_edge_that_the_network_missed() -> None:
    alpha = disc(centre=(0.75, 0.5))
    rough = as_seen(disc(centre=(0.75, 0.5), radius=0.28))
    made = keyed(before(GREEN, alpha), rough)
    assert np.abs(made.alpha / 255.0 - alpha).sum() < 0.02 * alpha.sum()


def test_spill_is_taken_off_the_object() -> None:
    grey = np.full((HEIGHT, WIDTH, 3), (120, 150, 122), np.float32)  # lit by the screen
    frame = composite(disc(centre=(0.75, 0.5)), grey, lit(GREEN))
    plain, cleaned = (keyed(frame, spill=spill).foreground[130, 160].astype(int) for spill in (0, 1))
    assert plain[1] - plain[0] == 30
    assert cleaned[1] - cleaned[0] < 8
    assert abs(int(cleaned.sum()) - int(plain.sum())) <= 6


def test_an_object_that_is_nowhere_leaves_nothing() -> None:
    made = keyed(before(GREEN), np.zeros((60, 106), np.float32))
    assert not made.alpha.any()
