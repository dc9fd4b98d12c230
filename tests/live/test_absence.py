"""Whether who is found again has come back."""

import numpy as np
import pytest

from maskstream.live.absence import Absence

HEIGHT, WIDTH = 120, 200


def room(light=1.0, seed=0):
    """A chair before a striped wall, with a sensor's noise."""
    image = np.full((HEIGHT, WIDTH, 3), (150, 140, 120), np.float64)
    image[:, ::10] -= 30
    image[60:110, 20:60] = (60, 30, 20)
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.clip(light * image + noise, 0, 255).astype(np.uint8)


def box(rows, columns):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[rows, columns] = 1
    return mask


CHAIR = box(slice(60, 110), slice(20, 60))
PERSON = box(slice(20, 120), slice(90, 150))


def with_person(image):
    image = image.copy()
    image[PERSON > 0] = (40, 80, 190)
    return image


@pytest.fixture
def absence():
    absence = Absence(room(seed=1), 10.0)
    absence.learn(room(seed=2), 10.25)
    return absence


@pytest.mark.parametrize("light", [0.8, 1.0, 1.2], ids=["dimmer", "same", "brighter"])
def test_what_was_there_all_the_time_has_not_come(absence, light) -> None:
    assert not absence.is_over(room(light, seed=3), CHAIR)
    assert not absence.is_over(room(light, seed=3), PERSON)


@pytest.mark.parametrize("light", [0.8, 1.0, 1.2], ids=["dimmer", "same", "brighter"])
def test_who_comes_has(absence, light) -> None:
    frame = with_person(room(light, seed=3))
    assert absence.is_over(frame, PERSON)
    assert not absence.is_over(frame, CHAIR)


def test_an_empty_mask_is_nobody(absence) -> None:
    assert not absence.is_over(with_person(room(seed=3)), np.zeros((HEIGHT, WIDTH), np.uint8))


def test_after_a_while_nothing_more_is_learnt(absence) -> None:
    absence.learn(with_person(room(seed=4)), 11.5)  # somebody whom nobody found
    assert absence.is_over(with_person(room(seed=5)), PERSON)
