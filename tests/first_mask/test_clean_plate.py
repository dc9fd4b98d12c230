"""A clean plate finds who stepped in, whatever light and noise do, and nobody in an empty room."""

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.first_mask.clean_plate import CleanPlate

HEIGHT, WIDTH = 180, 320


def room(seed=0, gain=1.0, noise=4.0):
    """A wall with a shelf and a lamp, with noise of its own."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack((120 + columns / 6, 130 + rows / 5, 110 + columns / 8), 2)
    picture[40:60, 20:120] = (90, 60, 40)
    picture[20:50, 240:280] = (220, 210, 170)
    picture = picture * gain + np.random.default_rng(seed).normal(0, noise, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def person():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    body = ((columns - 160) / 50) ** 2 + ((rows - 180) / 90) ** 2 <= 1
    return body | (((columns - 160) / 22) ** 2 + ((rows - 70) / 30) ** 2 <= 1)


def with_person(frame, mask, gain=1.0):
    colours = np.where(np.arange(HEIGHT)[:, None, None] < 95, (200, 150, 130), (40, 60, 120)) * gain
    noise = np.random.default_rng(9).normal(0, 4, frame.shape)
    return np.where(mask[..., None], (colours + noise).clip(0, 255), frame).astype(np.uint8)


def overlap(label_map, mask):
    return ((label_map > 0) & mask).sum() / ((label_map > 0) | mask).sum()


@pytest.fixture
def plate():
    plate = CleanPlate()
    for seed in range(12):
        plate.learn(room(seed))
    return plate


def test_who_steps_in_is_found(plate) -> None:
    mask = person()
    label_map = plate.find(with_person(room(50), mask), object_id=4)
    assert label_map.dtype == np.uint8
    assert set(np.unique(label_map)) == {0, 4}
    assert overlap(label_map, mask) > 0.93


@pytest.mark.parametrize("gain", [0.8, 0.93, 1.0, 1.1])
def test_nobody_is_found_in_the_empty_room_at_any_exposure(plate, gain) -> None:
    assert plate.find(room(60, gain)) is None


@pytest.mark.parametrize("gain", [0.85, 1.1])
def test_exposure_may_change_when_somebody_steps_in(plate, gain) -> None:
    mask = person()
    assert overlap(plate.find(with_person(room(61, gain), mask, gain)), mask) > 0.9


def test_one_who_fills_more_than_half_of_the_frame_is_found(plate) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:, 40:250] = True
    frame = with_person(room(62, 0.9), mask, 0.9)
    assert overlap(plate.find(frame), mask) > 0.85


def test_a_shadow_on_the_wall_is_nobody(plate) -> None:
    frame = room(63).astype(np.float32)
    frame[60:150, 180:230] *= 0.7
    assert plate.find(frame.astype(np.uint8)) is None


def test_learning_bears_a_drift_of_exposure() -> None:
    plate = CleanPlate()
    for seed in range(12):
        plate.learn(room(seed, 1 - 0.015 * seed))
    mask = person()
    assert plate.frames == 12
    assert plate.find(room(70, 0.9)) is None
    assert overlap(plate.find(with_person(room(71), mask)), mask) > 0.9


def test_what_flickers_is_learnt_as_noise() -> None:
    plate = CleanPlate()
    rng = np.random.default_rng(5)
    for seed in range(25):
        frame = room(seed)
        frame[70:130, 200:260] = rng.integers(0, 255, 3)  # a screen
        plate.learn(frame)
    frame = room(80)
    frame[70:130, 200:260] = (200, 40, 90)
    assert plate.find(frame) is None


def test_one_frame_is_enough() -> None:
    plate = CleanPlate()
    plate.learn(room(1))
    mask = person()
    assert plate.find(room(2)) is None
    assert overlap(plate.find(with_person(room(3), mask)), mask) > 0.9


def test_nothing_learnt_is_refused() -> None:
    with pytest.raises(InputError, match="step out"):
        CleanPlate().find(room())


def test_frames_of_another_size_are_refused(plate) -> None:
    with pytest.raises(InputError, match="100x90 but the empty room was 320x180"):
        plate.find(np.zeros((90, 100, 3), np.uint8))
    with pytest.raises(InputError, match="learn it again"):
        plate.learn(np.zeros((90, 100, 3), np.uint8))
