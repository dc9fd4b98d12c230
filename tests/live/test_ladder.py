import itertools

import pytest

from maskstream.errors import InputError
from maskstream.live.ladder import Ladder, Rung

RUNGS = (Rung(240), Rung(170), Rung(120), Rung(120, 2))


def climb(ladder, cost, seconds, start=0.0, rate=30):
    """Positions over time when a frame at 240 lines costs so many seconds."""
    positions = []
    for number in range(int(seconds * rate)):
        rung = ladder.rung
        ladder.took(cost * (rung.size / 240) ** 2, start + number / rate)
        positions.append(ladder.position)
    return positions


def test_a_machine_that_keeps_up_stays_on_top() -> None:
    assert set(climb(Ladder(1 / 30, RUNGS), 0.02, 20)) == {0}


def test_a_slow_one_steps_down_as_far_as_it_must_and_stays() -> None:
    positions = climb(Ladder(1 / 30, RUNGS), 0.06, 60)
    assert positions[-1] == 1
    assert positions.index(1) < 30
    # What doesn't fit is not tried every few seconds: it can be seen from below.
    assert sum(a != b for a, b in itertools.pairwise(positions)) == 1


def test_it_steps_up_again_when_there_is_room() -> None:
    ladder = Ladder(1 / 30, RUNGS)
    assert climb(ladder, 0.2, 5)[-1] == 3
    assert climb(ladder, 0.01, 30, start=5)[-1] == 0


def test_a_rung_that_fails_again_and_again_is_tried_ever_more_rarely() -> None:
    ladder, tries, now = Ladder(1 / 30, RUNGS[:2]), [], 0.0
    for _ in range(30 * 300):
        before = ladder.position
        # Cheaper below than its size tells, so that the rung above always seems to fit.
        ladder.took(0.04 if before == 0 else 0.005, now)
        now += 1 / 30
        if ladder.position < before:
            tries.append(now)
    waits = [b - a for a, b in itertools.pairwise(tries)]
    assert len(tries) < 15
    assert waits[0] < waits[2] < waits[4]


def test_one_slow_frame_changes_nothing() -> None:
    ladder = Ladder(1 / 30, RUNGS)
    climb(ladder, 0.02, 2)
    ladder.took(0.1, 2.0)
    assert ladder.position == 0


def test_the_last_rung_holds_whatever_happens() -> None:
    assert climb(Ladder(1 / 30, RUNGS), 5.0, 20)[-1] == 3


def test_it_tells_of_a_change() -> None:
    ladder = Ladder(1 / 30, RUNGS)
    changes = [ladder.took(1.0, n / 30) for n in range(200)]
    assert sum(changes) == 3


def test_without_rungs_there_is_no_ladder() -> None:
    with pytest.raises(InputError, match="one rung"):
        Ladder(0.1, ())
