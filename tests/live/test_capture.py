"""The capture with sources that misbehave; limits are generous, since machines are loaded."""

import threading
import time
from contextlib import closing
from itertools import pairwise

import av
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live import capture as room
from maskstream.live.audio import AudioTap
from maskstream.live.capture import Capture, Health
from maskstream.live.sources.source import SourceEnded, SourceError

PATIENT = 20.0  # seconds until a test gives up


def picture(number, width=64, height=36):
    """Noise with a number in it, as a camera's pictures never are equal."""
    image = np.random.default_rng(number).integers(0, 200, (height, width, 3), dtype=np.uint8)
    image[0, 0] = number % 250
    return image


class Fake:
    """A source whose openings are written down as generators of pictures; the last one serves on.

    A generator may block and raise.
    """

    def __init__(self, *openings, may_rest=False, patience=PATIENT, frame_rate=30.0):
        self.name, self.may_rest, self.patience = "fake", may_rest, patience
        self.openings, self.frame_rate = openings, frame_rate
        self.opened = []  # when
        self.hears = []
        self.closed = 0

    def open(self, request, hear):
        self.opened.append(time.monotonic())
        opening = self.openings[min(len(self.opened), len(self.openings)) - 1]
        self.hears.append(hear)
        return FakeFeed(self, opening())


class FakeFeed:
    sound = False
    pixel_aspect = 1.0

    def __init__(self, source, pictures):
        self.source, self.pictures, self.frame_rate = source, pictures, source.frame_rate

    def grab(self):
        self.image = next(self.pictures, None)
        if self.image is None:
            raise SourceError("fake: it gives no pictures any more")

    def picture(self):
        return self.image.copy()

    def close(self):
        self.source.closed += 1


def numbers(pause=0.01, start=0, count=10**6):
    for number in range(start, start + count):
        yield picture(number)
        time.sleep(pause)


def wait_for(said):
    """Wait until something is so; fails if it never is."""
    end = time.monotonic() + PATIENT
    while not said():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


@pytest.fixture
def hasty(monkeypatch):
    """Shorter waits than usual, still longer than a loaded machine makes a thread wait."""
    waits = {"_SILENT": 0.3, "_SAME": 0.3, "_GIVE_UP": 1.0, "_STEADY": 0.3, "_DELAYS": (0.05, 0.4)}
    for name, wait in waits.items():
        monkeypatch.setattr(room, name, wait)


def test_importing_it_waits_for_nothing_heavy(heavy_imports) -> None:
    assert heavy_imports("import maskstream.live.capture") == []


def test_the_newest_frame_wins_however_slow_the_taker() -> None:
    with closing(Capture(Fake(lambda: numbers(0.002)))) as capture:
        assert capture.wait_ready(PATIENT)
        taken = []
        for _ in range(5):
            time.sleep(0.1)
            newest = capture._index
            taken.append(capture.frames.get(PATIENT))
            assert taken[-1].index >= newest - 1
        assert capture.frames.dropped > 0
        assert all(a.index < b.index for a, b in pairwise(taken))


def test_each_frame_is_stamped_as_it_arrives_in_order() -> None:
    with closing(Capture(Fake(numbers))) as capture:
        taken = []
        for _ in range(20):
            before = time.monotonic()
            taken.append(capture.frames.get(PATIENT))
            assert taken[-1].captured <= time.monotonic()
        assert taken[-1].captured > before - PATIENT
        assert all(a.captured < b.captured for a, b in pairwise(taken))
        assert all(frame.image[0, 0, 0] == frame.index % 250 for frame in taken)


def test_the_first_frame_is_kept_for_who_comes_late() -> None:
    with closing(Capture(Fake(numbers))) as capture:
        assert capture.first is None or capture.first.index == 0
        wait_for(lambda: capture._index > 5)
        assert capture.first.index == 0
        assert np.array_equal(capture.first.image, picture(0))


def test_a_frame_stays_as_it_is_while_others_come() -> None:
    with closing(Capture(Fake(lambda: numbers(0.001)))) as capture:
        frame = capture.frames.get(PATIENT)
        before = frame.image.copy()
        wait_for(lambda: capture._index > frame.index + 20)
        assert np.array_equal(frame.image, before)


def test_a_source_that_falls_silent_is_stalled_within_a_second_or_so() -> None:
    hang = threading.Event()

    def silent():
        yield from numbers(count=5)
        hang.wait(PATIENT)

    with closing(Capture(Fake(silent))) as capture:
        assert capture.wait_ready(PATIENT)
        silent_since = time.monotonic()
        wait_for(lambda: capture.health is Health.STALLED)
        assert "no new picture" in capture.why
        assert 0.5 < time.monotonic() - silent_since < 5
        hang.set()


def test_a_reading_that_hangs_is_abandoned_and_what_it_gives_later_ignored(hasty) -> None:
    hang, late = threading.Event(), threading.Event()

    def hanging():
        yield from numbers(count=5)
        hang.wait(PATIENT)
        late.set()
        while True:
            yield np.full((36, 64, 3), 255, np.uint8)

    source = Fake(hanging, lambda: numbers(start=1000))
    with closing(Capture(source)) as capture:
        wait_for(lambda: len(source.opened) == 2 and capture.health is Health.LIVE)
        first = capture.frames.get(PATIENT)
        hang.set()
        assert late.wait(PATIENT)
        frames = [capture.frames.get(PATIENT) for _ in range(20)]
        assert not any(frame.image.min() == 255 for frame in frames)
        assert [first.index, *(f.index for f in frames)] == sorted({first.index, *(f.index for f in frames)})
        wait_for(lambda: source.closed == 1)  # the abandoned one let go


def test_a_camera_that_repeats_its_last_picture_is_stalled_and_opened_anew(hasty) -> None:
    def repeating():
        yield from numbers(count=5)
        while True:
            yield picture(4)
            time.sleep(0.01)

    source = Fake(repeating, lambda: numbers(start=1000))
    healths = set()
    with closing(Capture(source)) as capture:

        def recovered():
            healths.add(capture.health)
            return len(source.opened) == 2 and capture.health is Health.LIVE

        wait_for(recovered)
        assert Health.STALLED in healths


def test_a_source_that_may_rest_is_live_though_nothing_moves(hasty) -> None:
    def still():
        while True:
            yield picture(1)
            time.sleep(0.01)

    source = Fake(still, may_rest=True)
    with closing(Capture(source)) as capture:
        assert capture.wait_ready(PATIENT)
        wait_for(lambda: capture._index > 60)
        assert len(source.opened) == 1


def test_the_same_picture_after_opening_anew_is_still_a_repetition(hasty) -> None:
    def still():
        while True:
            yield picture(1)
            time.sleep(0.01)

    source = Fake(still)
    with closing(Capture(source)) as capture:
        wait_for(lambda: len(source.opened) == 3)
        begun = capture._index
        wait_for(lambda: capture._index > begun + 2)
        assert capture.health is not Health.LIVE


@pytest.mark.parametrize("error", [SourceError("fake: unplugged"), RuntimeError("odd\nerror"), MemoryError()])
def test_an_error_is_told_in_a_line_and_recovered_from(hasty, error) -> None:
    def failing():
        yield from numbers(count=5)
        raise error

    source = Fake(failing, lambda: numbers(0.01, start=1000))
    with closing(Capture(source)) as capture:
        wait_for(lambda: capture.health is Health.LOST)
        assert capture.why.startswith("fake: ")
        assert "\n" not in capture.why
        wait_for(lambda: capture.health is Health.LIVE)
        frame = capture.frames.get(PATIENT)
        assert frame.index >= 4
        assert len(source.opened) == 2


def test_what_can_not_be_opened_at_first_is_opened_later(hasty) -> None:
    def refusing():
        raise SourceError("fake: refused")
        yield

    source = Fake(refusing, refusing, numbers)
    with closing(Capture(source)) as capture:
        assert capture.wait_ready(PATIENT)
        assert len(source.opened) == 3


def test_the_waits_between_openings_grow_to_a_limit(hasty) -> None:
    def refusing():
        raise SourceError("fake: refused")
        yield

    source = Fake(refusing)
    with closing(Capture(source)) as capture:
        assert not capture.wait_ready(0.01)
        wait_for(lambda: len(source.opened) >= 6)
        gaps = np.diff(source.opened)
        assert (gaps[:5] >= [0.05, 0.1, 0.2, 0.4, 0.4]).all()
        assert capture.health is Health.LOST
        assert capture.why == "fake: refused"


def test_readings_that_hang_do_not_pile_up(hasty) -> None:
    hang = threading.Event()

    def hanging():
        hang.wait(PATIENT)
        yield picture(0)

    source = Fake(hanging, patience=0.05)
    with closing(Capture(source)) as capture:
        wait_for(lambda: len(source.opened) == 3)
        time.sleep(1.0)
        assert len(source.opened) == 3
        assert capture.health is Health.LOST
        hang.set()
        wait_for(lambda: len(source.opened) > 3)


def test_what_the_user_can_mend_is_raised_and_not_tried_again(hasty) -> None:
    def wrong():
        raise InputError("fake: no such thing")
        yield

    source = Fake(wrong)
    with closing(Capture(source)) as capture:
        with pytest.raises(InputError, match="no such thing"):
            capture.wait_ready(PATIENT)
        assert capture.health is Health.ENDED
        assert capture.why == "fake: no such thing"
        time.sleep(0.3)
        assert len(source.opened) == 1


def test_another_size_in_mid_stream_is_fitted_to_the_first() -> None:
    def changing():
        yield picture(0, 64, 36)
        for number in range(1, 10**6):
            yield picture(number, 100, 100) if number % 2 else picture(number, 32, 18)
            time.sleep(0.01)

    with closing(Capture(Fake(changing))) as capture:
        frames = [capture.frames.get(PATIENT) for _ in range(6)]
        assert capture.size == (64, 36)
        assert {frame.image.shape for frame in frames} == {(36, 64, 3)}
        assert all(frame.image.flags.c_contiguous for frame in frames)


def test_frames_come_in_the_size_that_was_wished_for() -> None:
    with closing(Capture(Fake(numbers), size=(50, 40))) as capture:
        assert capture.size == (50, 40)
        assert capture.frames.get(PATIENT).image.shape == (40, 50, 3)


def test_an_odd_size_is_made_even_without_resizing() -> None:
    def odd():
        for number in range(10**6):
            yield picture(number, 65, 37)
            time.sleep(0.01)

    with closing(Capture(Fake(odd))) as capture:
        frame = capture.frames.get(PATIENT)
        assert capture.size == (64, 36)
        assert np.array_equal(frame.image, picture(frame.index, 65, 37)[:36, :64])


def test_no_more_frames_come_than_were_wished_for() -> None:
    with closing(Capture(Fake(lambda: numbers(0.002)), fps=20)) as capture:
        stamps = [capture.frames.get(PATIENT).captured for _ in range(11)]
        assert stamps[-1] - stamps[0] > 0.4
        assert capture.frame_rate == 20


def test_a_file_ends_once_its_last_frame_was_shown(hasty) -> None:
    def short():
        yield from numbers(count=5)
        raise SourceEnded("the file has ended")

    source = Fake(short)
    with closing(Capture(source)) as capture:
        wait_for(lambda: capture.health is Health.ENDED)
        assert capture.frames.get(PATIENT).index == 4
        assert capture.why == "fake: the file has ended"
        assert capture.wait_ready(0)
        assert len(source.opened) == 1


@pytest.mark.parametrize("frames", [0, 3])
def test_closing_takes_less_than_a_second_whatever_hangs(frames) -> None:
    hang = threading.Event()

    def hanging():
        yield from numbers(count=frames)
        hang.wait(PATIENT)

    capture = Capture(Fake(hanging))
    assert capture.wait_ready(PATIENT if frames else 0.1) is bool(frames)
    begun = time.monotonic()
    capture.close()
    assert time.monotonic() - begun < 1.0
    assert capture.frames.closed
    hang.set()


def test_closing_releases_who_waits_and_lets_go_of_the_source() -> None:
    source, got = Fake(numbers), []
    capture = Capture(source)
    assert capture.wait_ready(PATIENT)
    capture.close()
    waiting = threading.Thread(target=lambda: got.append(capture.frames.get()))
    waiting.start()
    waiting.join(PATIENT)
    assert got == [None]
    wait_for(lambda: source.closed == 1)


@pytest.mark.parametrize("wrong", [{"size": (0, 10)}, {"fps": 0}, {"fps": float("nan")}])
def test_a_size_or_rate_that_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(InputError):
        Capture(Fake(numbers), **wrong)


def sound(samples=4800, rate=48000):
    frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
    frame.sample_rate = rate
    return frame


def test_only_the_last_seconds_of_sound_are_held() -> None:
    tap = AudioTap(seconds=1.0)
    reader = tap.reader()
    for number in range(1000):
        tap.put(number / 10, sound())
    assert tap.seconds == pytest.approx(1.0)
    taken = reader.take()
    assert [heard.captured for heard in taken] == [number / 10 for number in range(990, 1000)]
    assert reader.missed == 990
    assert reader.take() == []


def test_each_sink_reads_the_sound_at_its_own_pace() -> None:
    tap = AudioTap()
    one, other = tap.reader(), tap.reader()
    for number in range(10):
        tap.put(float(number), sound())
    assert [heard.captured for heard in one.take(until=3.5)] == [0, 1, 2, 3]
    assert [heard.captured for heard in one.take(until=5.0)] == [4, 5]
    assert len(other.take()) == 10
    assert len(one.take()) == 4


def test_sound_of_an_abandoned_reading_is_ignored(hasty) -> None:
    hang = threading.Event()

    def hanging():
        yield from numbers(count=3)
        hang.wait(PATIENT)

    source = Fake(hanging, numbers)
    with closing(Capture(source)) as capture:
        wait_for(lambda: len(source.hears) == 2 and capture.health is Health.LIVE)
        source.hears[0](1.0, sound())
        assert capture.audio is None
        source.hears[1](2.0, sound())
        assert [heard.captured for heard in capture.audio.reader().take()] == [2.0]
        hang.set()
