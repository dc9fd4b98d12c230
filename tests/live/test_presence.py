"""Whether what a network marks is the subject."""

import numpy as np
import pytest

from maskstream.live.presence import Certainty, Doubt, Presence, Small
from maskstream.replacement.replacer import Found

SHAPE = (360, 640)
FRAME = 1 / 30


def found(*boxes, size=(90, 160)):
    """A result that marks boxes of (left, top, width, height), in hundredths of the picture."""
    probability = np.zeros(size, np.float32)
    height, width = size
    for left, top, wide, tall in boxes:
        rows = slice(top * height // 100, (top + tall) * height // 100)
        probability[rows, left * width // 100 : (left + wide) * width // 100] = 0.9
    return Found(probability)


PERSON = (40, 20, 20, 80)  # 16 % of the picture
CRUMB = (70, 60, 10, 10)  # 1 %


def never(small):
    return False


def always(small):
    return True


@pytest.fixture
def presence():
    presence = Presence(SHAPE)
    presence.usual = 0.16
    presence.begin(found(PERSON), 0.0)
    assert presence.certainty is Certainty.SURE
    return presence


def leave(presence, *left_behind, time=1.0):
    """The person walks out to the right, past the crumbs that the network finds."""
    for x in range(40, 100, 4):
        time += FRAME
        last = presence.judge(found((x, 20, min(20, 100 - x), 80), *left_behind), time, never)
    for _ in range(30):
        time += FRAME
        last = presence.judge(found(*left_behind), time, never)
    return last


@pytest.mark.parametrize("side", [3, 5, 10, 15], ids=lambda side: f"{side * side / 100} %")
def test_crumbs_of_the_room_are_not_the_subject(presence, side) -> None:
    judged = leave(presence, (10, 60, side, side))
    assert judged.certainty is Certainty.AWAY
    assert not judged.found.probability.any()


def test_crumbs_on_the_way_out_are_not_either(presence) -> None:
    judged = leave(presence, (90, 80, 10, 15))
    assert judged.certainty is Certainty.AWAY


def test_parts_that_appear_apart_are_left_out_and_the_subject_stays_as_it_is(presence) -> None:
    stranger = (5, 10, 18, 60)
    judged = presence.judge(found(PERSON, stranger), FRAME, never)
    assert judged.certainty is Certainty.SURE
    assert (judged.found.probability == found(PERSON).probability).all()


def test_what_grows_out_of_the_subject_belongs_to_it(presence) -> None:
    for length in range(1, 15):
        judged = presence.judge(found(PERSON, (60, 40, length, 10)), length * FRAME, never)
    assert (judged.found.probability == found(PERSON, (60, 40, 14, 10)).probability).all()


@pytest.mark.parametrize("box", [(0, 0, 100, 100), (10, 0, 80, 100), (45, 60, 8, 40)])
def test_what_grows_or_shrinks_at_a_jump_is_in_doubt_until_it_is_as_before(presence, box) -> None:
    judged = presence.judge(found(box), FRAME, never)
    assert judged.found is None
    assert judged.certainty is Certainty.DOUBT
    judged = presence.judge(found(PERSON), 2 * FRAME, never)
    assert judged.certainty is Certainty.DOUBT  # once may be chance
    assert presence.judge(found(PERSON), 3 * FRAME, never).certainty is Certainty.SURE


def test_in_a_new_light_the_room_is_never_believed_and_the_subject_is(presence) -> None:
    presence.doubt(Doubt.LIGHT, 1.0)
    for number in range(90):
        judged = presence.judge(found((0, 0, 40, 100), (60, 0, 40, 100)), 1 + number * FRAME, never)
        assert judged.found is None
    for number in range(2):
        judged = presence.judge(found(PERSON), 4 + number * FRAME, never)
    assert judged.certainty is Certainty.SURE


def test_another_look_ends_a_doubt_where_results_agree_with_it(presence) -> None:
    presence.doubt(Doubt.LIGHT, 1.0)
    elsewhere = (10, 20, 20, 80)
    presence.expect(Small.of(found(elsewhere).probability.astype(bool).astype(np.uint8)))
    assert presence.judge(found(PERSON), 1.1, never).certainty is Certainty.DOUBT
    presence.judge(found(elsewhere), 1.2, never)
    assert presence.judge(found(elsewhere), 1.3, never).certainty is Certainty.SURE


def test_who_is_away_is_back_only_if_it_was_not_there_all_the_time(presence) -> None:
    leave(presence)
    for number in range(10):
        assert presence.judge(found(PERSON), 5 + number * FRAME, never).certainty is Certainty.AWAY
    presence.judge(found(PERSON), 6.0, always)
    assert presence.judge(found(PERSON), 6.1, always).certainty is Certainty.SURE


def test_a_subject_that_comes_nearer_or_goes_farther_away_stays(presence) -> None:
    for number in range(300):
        height = round(55 + 40 * np.sin(number / 50))
        judged = presence.judge(found((40, 100 - height, 20, height)), number * FRAME, never)
        assert judged.certainty is Certainty.SURE


def test_after_pictures_that_show_nothing_a_subject_that_has_moved_on_is_believed(presence) -> None:
    presence.doubt(Doubt.BLANK, 1.0)
    assert presence.judge(found((70, 20, 20, 80)), 1.2, never).certainty is Certainty.DOUBT
    assert presence.judge(found((72, 20, 20, 80)), 1.3, never).certainty is Certainty.SURE


def test_a_result_of_a_window_counts_at_its_place() -> None:
    presence = Presence(SHAPE)
    presence.usual = 0.25
    window = slice(0, 180), slice(320, 640)
    judged = presence.begin(Found(np.full((90, 160), 0.9, np.float32), window), 0.0)
    assert judged.certainty is Certainty.SURE
    assert presence.last.area == pytest.approx(0.25, abs=0.01)
    assert presence.last.inside[:45, 80:].all()


def test_who_touches_the_subject_in_passing_does_not_stay_with_it(presence):
    for number, left in enumerate(range(60, 84, 2)):
        judged = presence.judge(found(PERSON, (left, 50, 15, 45)), number * FRAME, never)
    assert judged.certainty is Certainty.SURE
    assert (judged.found.probability == found(PERSON).probability).all()


def test_two_people_who_are_the_subject_stay_though_they_touch_and_part(presence):
    presence = Presence(SHAPE)
    presence.usual = 0.22
    presence.begin(found(PERSON, (70, 50, 15, 45)), 0.0)
    for number, left in enumerate([*range(70, 58, -2), *range(60, 84, 2)]):
        judged = presence.judge(found(PERSON, (left, 50, 15, 45)), number * FRAME, never)
        assert (judged.found.probability == found(PERSON, (left, 50, 15, 45)).probability).all()
