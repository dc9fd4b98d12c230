"""Sinks side by side: each sees the newest frame, and none can harm another."""

import threading
import time
from itertools import pairwise

import pytest

from maskstream.errors import InputError
from maskstream.live.sinks import NotYet, SinkRunner, Traits
from maskstream.live.sinks.sink import picture_of
from tests.helpers.sink_tools import SIZE, eventually, sealed


class Recorder:
    def __init__(self, name="good", traits=None):
        self.name = name
        self.shown, self.threads, self.opened, self.closed = [], set(), 0, 0
        if traits is not None:
            self.traits = traits

    def open(self, size, fps, audio):
        self.opened += 1
        self.args = (size, fps, audio)

    def show(self, frame, time):
        picture_of(frame)
        self.threads.add(threading.get_ident())
        self.shown.append((frame, time))

    def close(self):
        self.closed += 1


class Failing(Recorder):
    """Fails in a call: the first times, or always."""

    def __init__(self, call, error, times=10**9, **more):
        super().__init__("bad", **more)
        self.call, self.error, self.times = call, error, times

    def _maybe(self, call):
        if call == self.call and self.times > 0:
            self.times -= 1
            raise self.error

    def open(self, *args):
        super().open(*args)
        self._maybe("open")

    def show(self, *args):
        self._maybe("show")
        super().show(*args)

    def close(self):
        super().close()
        self._maybe("close")


class Hanging(Recorder):
    def __init__(self, call):
        super().__init__("hangs")
        self.call, self.release = call, threading.Event()

    def open(self, *args):
        super().open(*args)
        if self.call == "open":
            self.release.wait(60)

    def show(self, *args):
        super().show(*args)
        if self.call == "show":
            self.release.wait(60)

    def close(self):
        super().close()
        if self.call == "close":
            self.release.wait(60)


@pytest.fixture
def run():
    """Opens a runner of some sinks; closed at the end."""
    runners = []

    def start(*sinks, **options):
        runner = SinkRunner(sinks, **options)
        runners.append(runner)
        runner.open(SIZE, 30.0, None)
        return runner

    yield start
    for runner in runners:
        runner.close()


def show_until(runner, condition):
    frame, number = sealed(), iter(range(10**9))

    def shown():
        runner.show(frame, next(number) / 30)
        return condition()

    return eventually(shown)


def test_each_sink_is_opened_shown_and_closed_in_a_thread_of_its_own(run) -> None:
    one, other = Recorder("one"), Recorder("other")
    runner = run(one, other)
    show_until(runner, lambda: len(one.shown) > 3 and len(other.shown) > 3)
    assert runner.status == {"one": "ok", "other": "ok"}
    runner.close()
    assert one.args == (SIZE, 30.0, None)
    assert one.closed == other.closed == 1
    assert len(one.threads) == len(other.threads) == 1
    assert not one.threads & other.threads
    assert threading.get_ident() not in one.threads


def test_a_slow_sink_gets_the_newest_frame_and_its_drops_are_counted(run) -> None:
    slow = Recorder()
    gate = threading.Event()
    record = slow.show

    def show(frame, time):
        gate.wait(60)
        record(frame, time)

    slow.show = show
    runner = run(slow)
    runner.show(sealed(), 0.0)
    eventually(lambda: runner._lanes[0]._frames._item is None)
    for number in range(1, 100):
        runner.show(sealed(), float(number))
    gate.set()
    eventually(lambda: len(slow.shown) == 2)
    assert [time for _, time in slow.shown] == [0.0, 99.0]
    assert runner.dropped == {"good": 98}


@pytest.mark.parametrize("call", ["open", "show"])
def test_a_failing_sink_is_given_up_and_leaves_the_others_alone(run, call) -> None:
    good, bad = Recorder(), Failing(call, OSError(28, "No space left on device"))
    runner = run(bad, good)
    show_until(runner, lambda: runner.given_up)
    before = len(good.shown)
    show_until(runner, lambda: len(good.shown) > before + 3)
    assert runner.status == {"bad": "No space left on device", "good": "ok"}
    assert runner.given_up == {"bad": "No space left on device"}
    assert (bad.opened, bad.closed) == (1, 1)


def test_a_sink_that_retries_is_opened_again_after_a_wait_that_doubles(run) -> None:
    bad = Failing("show", OSError("gone"), times=3, traits=Traits(retries=True))
    opened = []
    open_it = bad.open
    bad.open = lambda *args: (opened.append(time.monotonic()), open_it(*args))
    runner = run(bad, back_off=(0.05, 10.0))
    show_until(runner, lambda: bad.shown)
    assert len(opened) == 4
    waits = [later - earlier for earlier, later in pairwise(opened)]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True))
    assert runner.status == {"bad": "ok"}
    assert not runner.given_up


def test_what_the_user_must_mend_is_not_tried_again(run) -> None:
    bad = Failing("open", InputError("bad: no such thing"), traits=Traits(retries=True))
    runner = run(bad, back_off=(0.01, 0.01))
    eventually(lambda: runner.given_up)
    time.sleep(0.1)
    assert bad.opened == 1
    assert runner.status == {"bad": "bad: no such thing"}


def test_a_sink_that_can_not_show_yet_says_so_and_is_not_opened_again(run) -> None:
    late = Failing("show", NotYet("connecting"), times=5)
    runner = run(late)
    show_until(runner, lambda: runner.status == {"bad": "connecting"} or late.shown)
    show_until(runner, lambda: runner.status == {"bad": "ok"})
    assert (late.opened, late.closed) == (1, 0)


@pytest.mark.parametrize("call", ["open", "show", "close"])
def test_a_hanging_sink_stops_neither_the_others_nor_the_end(run, call) -> None:
    hanging, good = Hanging(call), Recorder()
    runner = run(hanging, good)
    show_until(runner, lambda: len(good.shown) > 5)
    start = time.monotonic()
    runner.show(sealed(), 1.0)
    assert time.monotonic() - start < 0.5
    start = time.monotonic()
    runner.close()
    assert time.monotonic() - start < 1.5
    assert good.closed == 1
    hanging.release.set()
    eventually(lambda: hanging.closed)


def test_a_hanging_sink_is_reported(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskstream.live.sinks.runner._HANGS", 0.1)
    hanging = Hanging("show")
    runner = run(hanging)
    runner.show(sealed(), 0.0)
    eventually(lambda: runner.status["hangs"].startswith("hangs for"))
    hanging.release.set()
    eventually(lambda: runner.status["hangs"] == "ok")


def test_a_sink_that_repeats_is_given_the_last_frame_again(run) -> None:
    repeats, plain = Recorder("repeats", Traits(repeats=True)), Recorder("plain")
    runner = run(repeats, plain)
    frame = sealed()
    runner.show(frame, 0.0)
    eventually(lambda: len(repeats.shown) > 2)
    assert {id(shown) for shown, _ in repeats.shown} == {id(frame)}
    assert len(plain.shown) == 1


def test_only_sealed_frames_are_taken(run) -> None:
    recorder = Recorder()
    runner = run(recorder)
    for leak in (sealed().image.copy(), None, object()):
        with pytest.raises(TypeError, match="sealed frames only"):
            runner.show(leak, 0.0)
    time.sleep(0.2)
    assert not recorder.shown


def test_two_sinks_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="asked for twice"):
        SinkRunner([Recorder(), Recorder()])


def test_closing_before_opening_closes_the_sinks() -> None:
    recorder = Recorder()
    SinkRunner([recorder]).close()
    assert recorder.closed == 1
