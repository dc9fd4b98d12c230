"""Jumps of light and colour, and pictures that show nothing."""

import numpy as np
import pytest

from maskstream.live.scene import Light, is_blank, small_of

ROOM = np.random.default_rng(1).integers(20, 230, (36, 64, 3)).repeat(10, 0).repeat(10, 1)


def room(light=1.0, grey=0.0, seed=0):
    """A room of many colours, in more or less light, with a sensor's noise."""
    image = ROOM.astype(np.float32)
    image = (1 - grey) * image + grey * image.mean(2, keepdims=True)
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return small_of(np.clip(light * image + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def light():
    light = Light()
    for number in range(30):
        assert not light.jumps(room(seed=number), number / 30)
    return light


@pytest.mark.parametrize("share", [0.03, 0.06, 0.2, 0.5, 1.8])
def test_a_lamp_that_goes_out_or_on_is_a_jump_and_so_is_its_end(light, share) -> None:
    assert light.jumps(room(share), 1.0)
    assert light.is_unlike or share in (0.5, 1.8)
    assert not light.jumps(room(share, seed=1), 1.03)
    assert light.jumps(room(), 1.1)


def test_a_camera_that_turns_to_grey_and_back_is_a_jump(light) -> None:
    assert light.jumps(room(grey=1.0), 1.0)
    assert not light.jumps(room(grey=1.0), 1.03)
    assert light.jumps(room(), 1.1)


def test_what_a_cameras_own_exposure_does_is_none(light) -> None:
    for number in range(90):
        assert not light.jumps(room(1 - 0.5 * number / 90, seed=number), 1 + number / 30)


def test_somebody_who_walks_through_a_quarter_of_the_picture_is_none(light) -> None:
    small = room()
    small[9:, 24:44] = (30, 20, 60)
    assert not light.jumps(small, 1.0)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 0, 255), (120, 121, 119)])
def test_a_picture_of_one_colour_shows_nothing(colour) -> None:
    noise = np.random.default_rng(0).normal(0, 3, (360, 640, 3))
    assert is_blank(small_of(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)))


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
def test_a_room_does_though_it_be_dark(share) -> None:
    assert is_blank(room(share)) == (share < 0.06)
