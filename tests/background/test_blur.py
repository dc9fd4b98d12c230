import cv2
import numpy as np
import pytest

from maskstream.background.blur import BlurBackground
from maskstream.matte.matting import Matte
from tests.helpers.numbered_clips import plain


def square(height=240, width=320, top=80, left=120, side=80):
    """A red square before a grey room."""
    frame = plain(120, height=height, width=width)
    alpha = np.zeros((height, width), np.uint8)
    window = np.s_[top : top + side, left : left + side]
    frame[window], alpha[window] = (255, 0, 0), 255
    return frame, Matte(alpha, frame)


@pytest.mark.parametrize("falloff", [0.0, 0.7])
@pytest.mark.parametrize("strength", [0.005, 0.03, 0.2])
def test_the_colours_of_the_object_do_not_get_into_the_blur(strength, falloff) -> None:
    frame, matte = square()
    blurred = BlurBackground(strength, falloff).at(frame, matte, None)
    assert np.abs(blurred.astype(int) - 120)[matte.alpha == 0].max() <= 1


def test_nor_do_they_where_the_edge_is_soft() -> None:
    frame, matte = square()
    alpha = cv2.GaussianBlur(matte.alpha, (0, 0), 2)
    share = alpha[..., None] / 255
    mixed = (share * (255, 0, 0) + (1 - share) * 120).round().astype(np.uint8)
    blurred = BlurBackground().at(mixed, Matte(alpha, frame), None)
    assert np.abs(blurred.astype(int) - 120)[alpha < 128].max() <= 3


def test_behind_the_object_the_background_is_filled_in() -> None:
    frame, matte = square()
    blurred = BlurBackground(0.01).at(frame, matte, None)
    assert np.abs(blurred.astype(int) - 120).max() <= 2


def test_the_room_gets_blurred_as_much_as_asked() -> None:
    frame = plain(0, height=240, width=320)
    frame[:, 160:] = 200
    matte = Matte(np.zeros((240, 320), np.uint8), frame)
    for strength in (0.01, 0.03, 0.1):
        row = BlurBackground(strength).at(frame, matte, None)[120, :, 0].astype(float) / 200
        # The step has become a normal distribution: 16 % to 84 % is two standard deviations.
        sigma = (np.argmax(row > 0.841) - np.argmax(row > 0.159)) / 2
        assert sigma == pytest.approx(strength * 240, rel=0.15, abs=0.6)


def roughness(rows):
    return float(np.abs(np.diff(rows.astype(int), axis=1)).mean())


def test_with_a_falloff_the_blur_grows_from_the_foot_upwards() -> None:
    frame = np.random.default_rng(0).integers(0, 2, (240, 320, 1), np.uint8).repeat(3, 2) * 200
    alpha = np.zeros((240, 320), np.uint8)
    alpha[100:200, 140:180] = 255
    blurred = BlurBackground(0.04, 1.0).at(frame, Matte(alpha, frame), None)
    top, middle, foot, below = (roughness(blurred[y : y + 20, :120]) for y in (0, 100, 180, 215))
    assert top < middle < foot
    assert foot == pytest.approx(below, rel=0.3)


def test_the_foot_is_followed_slowly() -> None:
    frame = np.random.default_rng(0).integers(0, 2, (240, 320, 1), np.uint8).repeat(3, 2) * 200

    def with_foot(row):
        alpha = np.zeros((240, 320), np.uint8)
        alpha[:row, 140:180] = 255
        return Matte(alpha, frame)

    background = BlurBackground(0.04, 1.0)
    before = background.at(frame, with_foot(220), None).copy()
    after = background.at(frame, with_foot(120), None).copy()
    there = BlurBackground(0.04, 1.0).at(frame, with_foot(120), None)
    wall = np.s_[:, :100]
    jump = np.abs(there[wall].astype(int) - before[wall]).mean()
    assert 0 < np.abs(after[wall].astype(int) - before[wall]).mean() < 0.3 * jump


def test_a_frame_full_of_the_object_is_no_error() -> None:
    frame = plain(255, 0, 0)
    blurred = BlurBackground().at(frame, Matte(np.full((48, 64), 255, np.uint8), frame), None)
    assert not blurred.any()


def test_a_sliver_of_the_room_is_enough_to_fill_all() -> None:
    frame = plain(255, 0, 0, height=240, width=320)
    alpha = np.full((240, 320), 255, np.uint8)
    frame[:, :12], alpha[:, :12] = 120, 0
    blurred = BlurBackground().at(frame, Matte(alpha, frame), None)
    assert np.abs(blurred.astype(int) - 120).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (1, 77), (53, 1), (37, 51), (48, 64)])
@pytest.mark.parametrize("falloff", [0.0, 1.0])
def test_every_size_can_be_blurred(size, falloff) -> None:
    background = BlurBackground(0.05, falloff)
    for height, width in (size, (20, 30), size):
        frame = plain(90, height=height, width=width)
        blurred = background.at(frame, Matte(np.zeros((height, width), np.uint8), frame), None)
        assert blurred.shape == (height, width, 3)
        assert np.abs(blurred.astype(int) - 90).max() <= 1


def test_a_blurred_frame_stays_until_two_calls_later() -> None:
    background = BlurBackground()
    first, second = (
        background.at(plain(level), Matte(np.zeros((48, 64), np.uint8), plain(level)), None)
        for level in (50, 90)
    )
    assert abs(int(first[0, 0, 0]) - 50) <= 1
    assert abs(int(second[0, 0, 0]) - 90) <= 1
