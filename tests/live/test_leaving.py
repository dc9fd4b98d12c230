"""Real people who leave photographed rooms, and light that fails: networks, matte and guard together."""

import sys
from pathlib import Path

import numpy as np
import pytest

from maskstream.runtime import load

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import leaving

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def material(data_folder):
    if not {"live", "subject"} <= set(load.shipped_models()) | {"subject"}:
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    return leaving.people_of(data_folder), leaving.places_of(data_folder)


@pytest.mark.parametrize("number", [2, 3])
def test_of_a_room_that_somebody_leaves_nothing_is_seen(material: Path, number) -> None:
    people, places = material
    shots = leaving.clip(places[number * 37 % len(places)], people[number], number)
    outcome = leaving.watch(leaving.Player(), shots, None, "")
    assert outcome.slate_after is not None
    assert outcome.slate_after <= leaving.SLATE_WITHIN
    assert outcome.slate_broken == 0
    assert not outcome.leaks
    assert outcome.back_after is not None
    assert outcome.back_after <= leaving.FOUND_WITHIN


def sitting(material, seconds):
    """Somebody who sits in a living room."""
    people, places = material
    for phase, shot in leaving.clip(places[3], people[4], 1):
        if phase != "sits" or seconds <= 0:
            return
        seconds -= 1 / leaving.FPS
        yield shot


def changed(image, how):
    match how:
        case "a fifth of the light" | "a twentieth of the light":
            image = image * (0.2 if "fifth" in how else 0.05)
        case "grey":
            image = np.repeat(image @ np.float32([[0.3], [0.59], [0.11]]), 3, 2)
        case "black":
            image = image * 0
        case "blue":
            image = image * 0 + np.float32([0, 0, 255])
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("how", ["a fifth of the light", "a twentieth of the light", "grey", "black", "blue"])
def test_when_light_or_colours_fail_the_slate_comes_and_then_the_subject_alone(material: Path, how) -> None:
    player, back = leaving.Player(), []
    for number, shot in enumerate(sitting(material, 2.0)):
        fails = 10 <= number < 20
        image = changed(shot.image.astype(np.float32), how) if fails else shot.image
        sealed = player.show(image)
        apart, beside = leaving.room_in(sealed, shot.person)
        assert apart + beside < 0.004
        if number == 10:
            assert sealed.slate is not None
        if sealed.slate is None and number >= 20:
            back.append(number)
    assert back
    assert back[0] <= 20 + leaving.FPS / 2


def test_a_stranger_who_walks_past_behind_is_left_out_and_does_not_stay(material) -> None:
    people, places = material
    cut = [people[number] for number in (4, 9)]
    near, far = (
        leaving.cv2.resize(person, None, fx=share * 360 / person.shape[0], fy=share * 360 / person.shape[0])
        for person, share in zip(cut, (0.9, 0.6), strict=True)
    )
    player, random = leaving.Player(), np.random.default_rng(0)
    for number in range(66):
        behind = leaving.paste(places[3], far, 13.0 * (number - 8) - 140, 0)
        shot = leaving.paste(behind.image, near, 230 + 4 * np.sin(0.2 * number), 0)
        noisy = shot.image + random.normal(0, 2.5, shot.image.shape)
        sealed = player.show(np.clip(noisy, 0, 255).astype(np.uint8))
        apart, beside = leaving.room_in(sealed, shot.person)
        touches = leaving.EDGE < 13 * (number - 8) < 560
        assert touches or apart + beside < 0.002
