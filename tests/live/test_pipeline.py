"""The pipeline between a capture and sinks that are played: order, faults, control, and what never leaves."""

import threading
import time

import numpy as np
import pytest

from maskstream.background.sources import open_background
from maskstream.errors import InputError
from maskstream.live.capture import Captured, Health
from maskstream.live.guard import GuardConfig, Reason, Sealed
from maskstream.live.ladder import Rung
from maskstream.live.mailbox import Mailbox
from maskstream.live.pipeline import LiveConfig, LivePipeline
from maskstream.matte.config import MatteConfig
from maskstream.replacement.replacer import BackgroundReplacer

HEIGHT, WIDTH = 48, 80
SIDE = 12  #: of the subject, a square
ROOM, PERSON, BACKGROUND, SLATE = (250, 0, 250), (200, 190, 60), (0, 0, 255), (9, 9, 9)
FLOOR = (70, 0, 70)  #: of the room, in its lowest rows
PLAIN = MatteConfig(refine=False, smooth=False, foreground="none")
BITS = 8  #: of a frame's index, painted into the subject


def place_of(index):
    """Where the subject is in a frame: it jumps about, so that a mask of another frame can't fit."""
    return 4 + index * 17 % (WIDTH - SIDE - 8), 6 + index * 7 % (HEIGHT - SIDE - 12)


def mask_of(index):
    x, y = place_of(index)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + SIDE, x : x + SIDE] = 1
    return mask


def empty_room():
    image = np.full((HEIGHT, WIDTH, 3), ROOM, np.uint8)
    image[-6:] = FLOOR
    return image


def picture(index):
    """A coloured room, the subject, and the index on the subject in black and white."""
    image = empty_room()
    x, y = place_of(index)
    image[y : y + SIDE, x : x + SIDE] = PERSON
    for bit in range(BITS):
        image[y + 5, x + 2 + bit] = 255 if index >> bit & 1 else 0
    return image


class PlayedCapture:
    """Gives frames at a rate until it is closed, or ends after some."""

    def __init__(self, rate=100.0, frames=None, draw=picture):
        self.frames, self.health, self.why = Mailbox(), Health.LIVE, "played"
        self.frame_rate, self.audio = rate, None
        self.index = 0
        self._rate, self._left, self._draw = rate, frames, draw
        self._closed = threading.Event()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self):
        while not self._closed.wait(1 / self._rate):
            if self._resting.is_set():
                continue
            if self._left is not None and self.index >= self._left:
                self.health = Health.ENDED
                return
            self.frames.put(Captured(self._draw(self.index % 256), time.monotonic(), self.index))
            self.index += 1

    def rest(self, resting):
        (self._resting.set if resting else self._resting.clear)()

    def close(self):
        self._closed.set()
        self.frames.close()


class PlayedSinks:
    def __init__(self):
        self.shown, self.status, self.closed = [], {}, False

    def show(self, sealed, now):
        assert type(sealed) is Sealed
        self.shown.append((sealed, now))

    def close(self):
        self.closed = True

    @property
    def composites(self):
        return [sealed for sealed, _ in self.shown if sealed.slate is None]

    @property
    def reasons(self):
        return {sealed.slate for sealed, _ in self.shown}


class PlayedSegmenter:
    """Knows where the subject is by the index painted on it."""

    def __init__(self, before=lambda: None):
        self.size, self.sizes, self.given, self._before = 240, [], 0, before

    def step(self, frame, masks=None, ids=None):
        self._before()
        self.sizes.append(self.size)
        self.given += masks is not None
        index = read_index(frame)
        truth = np.zeros((HEIGHT, WIDTH), np.uint8) if index is None else mask_of(index)
        return Found(truth.astype(np.float32)[None])

    def add_reference(self, frame, masks, ids=None):
        self.given += 1

    def reset(self):
        pass

    def settle(self):
        pass

    def disbelieve(self):
        pass


class Found:
    ids, seen = (1,), (slice(0, HEIGHT), slice(0, WIDTH))

    def __init__(self, low_res):
        self.low_res = low_res


def read_index(image):
    """The index painted on the subject of a frame or composite; None: there is no subject."""
    found = np.argwhere((image == PERSON).all(-1))
    if not len(found):
        return None
    y, x = found.min(0)
    bits = image[y + 5, x + 2 : x + 2 + BITS, 0]
    return sum(1 << bit for bit, value in enumerate(bits) if value > 128)


def first_mask(frame):
    return mask_of(read_index(frame)) if read_index(frame) is not None else None


def made(capture=None, segmenter=None, first=first_mask, matte=PLAIN, **config):
    segmenter = segmenter or PlayedSegmenter()
    replacer = BackgroundReplacer(segmenter, open_background("blue"), matte=matte)
    sinks = PlayedSinks()
    slate = np.full((HEIGHT, WIDTH, 3), SLATE, np.uint8)
    config = LiveConfig(rest=config.pop("rest", False), **config)
    capture = capture or PlayedCapture()
    return LivePipeline(capture, replacer, first, slate, sinks, config), sinks


def run_until(pipeline, done, limit=20.0):
    """Run in a thread until something is so."""
    errors = []

    def run():
        try:
            pipeline.run()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    end = time.monotonic() + limit
    while not done() and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    is_done = done()
    pipeline.stop()
    thread.join(5)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
    return is_done


def shows_the_room(sealed):
    return any((sealed.image == colour).all(-1).any() for colour in (ROOM, FLOOR))


def test_the_slate_comes_first_and_then_the_composite() -> None:
    pipeline, sinks = made()
    assert run_until(pipeline, lambda: len(sinks.composites) > 5)
    assert sinks.closed
    last = sinks.composites[-1]
    assert tuple(last.image[0, 0]) == BACKGROUND
    assert read_index(last.image) is not None


def test_mask_n_is_on_frame_n_however_slow_the_network_is() -> None:
    random = np.random.default_rng(3)
    slow = PlayedSegmenter(before=lambda: time.sleep(random.uniform(0, 0.05)))
    pipeline, sinks = made(segmenter=slow)
    assert run_until(pipeline, lambda: len({id(s) for s in sinks.composites}) > 40)
    first = sinks.composites[0]  # of the first mask, whose edges are softened
    for sealed in sinks.composites:
        if sealed is first:
            continue
        index = read_index(sealed.image)
        expected = np.where(mask_of(index)[..., None] > 0, picture(index), BACKGROUND)
        assert np.array_equal(sealed.image, expected)  # to a pixel
    assert pipeline.status.dropped > 0


def test_the_room_never_leaves_whatever_fails_at_whichever_stage() -> None:
    random = np.random.default_rng(11)

    def perhaps(error):
        if random.random() < 0.2:
            raise error

    segmenter = PlayedSegmenter(before=lambda: perhaps(RuntimeError("network")))

    def sometimes(frame):
        perhaps(ValueError("first mask"))
        return first_mask(frame)

    pipeline, sinks = made(PlayedCapture(rate=1000), segmenter, sometimes)
    replacer = pipeline._output._replacer
    for owner, name in ((replacer, "_matting"), (replacer, "_compositor"), (replacer.background, "at")):
        original = getattr(owner, name)

        def faulty(*args, original=original, name=name):
            perhaps(MemoryError(name))
            if random.random() < 0.05:
                return args[0]  # nonsense: the frame itself, or a matte
            return original(*args)

        setattr(owner, name, faulty)
    assert run_until(pipeline, lambda: len(sinks.shown) > 2000, limit=60)
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)
    assert {None, Reason.ERROR} <= sinks.reasons
    assert pipeline.status.errors > 100


def test_a_network_that_hangs_is_covered_by_the_slate() -> None:
    hang = threading.Event()
    pipeline, sinks = made(segmenter=PlayedSegmenter(before=lambda: hang.is_set() and time.sleep(2.5)))
    threading.Timer(0.5, hang.set).start()
    assert run_until(pipeline, lambda: Reason.ERROR in sinks.reasons)


def test_a_dead_source_is_covered_within_a_second_and_comes_back() -> None:
    capture = PlayedCapture()
    pipeline, sinks = made(capture)
    state = {}

    def step():
        if not state and len(sinks.composites) > 5:
            capture.rest(True)
            capture.health, state["dead"] = Health.LOST, time.monotonic()
        elif "covered" not in state and Reason.SOURCE in sinks.reasons:
            state["covered"] = next(now for sealed, now in sinks.shown if sealed.slate is Reason.SOURCE)
            capture.health = Health.LIVE
            capture.rest(False)
        return "covered" in state and sinks.shown[-1][0].slate is None

    assert run_until(pipeline, step)
    assert state["covered"] - state["dead"] < 1.5  # a second, and a loaded machine


def test_latency_stays_flat_at_twice_the_load() -> None:
    slow = PlayedSegmenter(before=lambda: time.sleep(0.02))
    pipeline, sinks = made(PlayedCapture(rate=100), slow)
    assert run_until(pipeline, lambda: len({id(s) for s in sinks.composites}) > 100, limit=30)
    latencies = [now - sealed.captured for sealed, now in sinks.shown if sealed.slate is None]
    early, late = np.median(latencies[10:40]), np.median(latencies[-30:])
    assert late < 2 * early + 0.02


def test_another_background_holds_from_the_next_picture_on() -> None:
    pipeline, sinks = made()
    state = {}

    def step():
        if not state and len(sinks.composites) > 5:
            state["from"] = len(sinks.shown)
            pipeline.set_background(open_background("white"))
        return state and len(sinks.shown) > state["from"] + 10

    assert run_until(pipeline, step)
    colours = [tuple(sealed.image[0, 0]) for sealed, _ in sinks.shown[state["from"] + 3 :]]
    assert set(colours) == {(255, 255, 255)}


def test_panic_is_the_slate_at_once_and_until_it_is_over() -> None:
    pipeline, sinks = made()
    state = {}

    def step():
        if not state and len(sinks.composites) > 5:
            pipeline.panic = True
            state["from"] = len(sinks.shown) + 2
        elif "until" not in state and state and len(sinks.shown) > state["from"] + 10:
            state["until"] = len(sinks.shown)
            pipeline.panic = False
        return "until" in state and sinks.shown[-1][0].slate is None

    assert run_until(pipeline, step)
    during = sinks.shown[state["from"] : state["until"]]
    assert {sealed.slate for sealed, _ in during} == {Reason.PANIC}


def test_another_subject_is_asked_for() -> None:
    segmenter = PlayedSegmenter()
    pipeline, sinks = made(segmenter=segmenter)
    asked = []

    def other(frame):
        asked.append(1)
        return first_mask(frame)

    def step():
        if len(sinks.composites) > 5 and not asked:
            pipeline.set_subject(other)
        return bool(asked) and segmenter.given == 2

    assert run_until(pipeline, step)


def test_nobody_is_waited_for_behind_the_slate() -> None:
    calls = []

    def later(frame):
        calls.append(1)
        return first_mask(frame) if len(calls) > 10 else None

    pipeline, sinks = made(first=later)
    assert run_until(pipeline, lambda: sinks.composites)
    assert sinks.reasons == {Reason.STARTING, None}


def empty_room_between(index):
    return empty_room() if 40 <= index < 120 else picture(index)


class Forgetful(PlayedSegmenter):
    """Doesn't know who left any more."""

    knows = False

    def step(self, frame, masks=None, ids=None):
        found = super().step(frame, masks, ids)
        self.knows = masks is not None or (self.knows and bool(found.low_res.any()))
        return found if self.knows else Found(np.zeros_like(found.low_res))

    def add_reference(self, frame, masks, ids=None):
        super().add_reference(frame, masks, ids)
        self.knows = True


class Believing(PlayedSegmenter):
    """Finds for a while whatever it was shown."""

    shown, left = None, 0

    def step(self, frame, masks=None, ids=None):
        found = super().step(frame, masks, ids)
        self.left -= 1
        return found if self.left < 0 else Found(self.shown.astype(np.float32)[None])

    def add_reference(self, frame, masks, ids=None):
        super().add_reference(frame, masks, ids)
        self.shown, self.left = masks, 3


def test_a_subject_that_left_is_looked_for_and_found_again() -> None:
    segmenter = Forgetful()
    capture = PlayedCapture(rate=60, draw=empty_room_between)
    pipeline, sinks = made(capture, segmenter, search_again=True, guard=GuardConfig(lost_seconds=0.4))
    assert run_until(pipeline, lambda: segmenter.given >= 2 and sinks.shown[-1][0].slate is None)
    assert Reason.LOST in sinks.reasons
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)


def test_a_piece_of_the_empty_room_is_not_taken_for_the_subject() -> None:
    def mistaken(frame):
        mask = first_mask(frame)
        if mask is None:
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[8:30, 10:50] = 1
        return mask

    segmenter = Believing()
    capture = PlayedCapture(rate=60, draw=empty_room_between)
    pipeline, sinks = made(capture, segmenter, first=mistaken, search_again=True)
    assert run_until(pipeline, lambda: capture.index > 200)
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)
    assert sinks.shown[-1][0].slate is None
    assert read_index(sinks.shown[-1][0].image) is not None


def test_a_search_that_fails_is_told_and_nothing_stops() -> None:
    def fails(frame):
        mask = first_mask(frame)
        if mask is None:
            raise MemoryError
        return mask

    capture = PlayedCapture(rate=60, draw=empty_room_between)
    pipeline, sinks = made(capture, first=fails, search_again=True, guard=GuardConfig(lost_seconds=5.0))
    assert run_until(pipeline, lambda: capture.index > 150)
    assert pipeline.status.errors >= 1
    assert sinks.reasons <= {Reason.STARTING, None}
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)


class Unsettled(PlayedSegmenter):
    """Can't memorize now and then."""

    def settle(self):
        if len(self.sizes) % 3 == 0:
            raise MemoryError


def test_memorizing_that_fails_is_told_and_nothing_stops() -> None:
    capture = PlayedCapture(rate=60)
    pipeline, sinks = made(capture, Unsettled())
    assert run_until(pipeline, lambda: pipeline.status.errors >= 3 and len(sinks.composites) > 20)
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)


def test_a_mask_that_does_not_fit_ends_it_with_one_line() -> None:
    def wrong(frame):
        raise InputError("mask.png: is 3x4, the stream 80x48; give a mask of that size")

    pipeline, _ = made(first=wrong)
    with pytest.raises(InputError, match=r"mask\.png: is 3x4"):
        run_until(pipeline, lambda: False)


def test_a_slow_network_goes_down_the_ladder() -> None:
    segmenter = PlayedSegmenter(before=lambda: time.sleep(0.03))
    pipeline, _ = made(
        PlayedCapture(rate=30), segmenter, fps=60.0, rungs=(Rung(240), Rung(160), Rung(160, 2))
    )
    assert run_until(pipeline, lambda: 160 in segmenter.sizes)


def test_when_nothing_moves_the_network_rests_and_the_picture_stays() -> None:
    capture = PlayedCapture(draw=lambda index: picture(5))
    segmenter = PlayedSegmenter()
    pipeline, sinks = made(capture, segmenter, rest=True)
    assert run_until(pipeline, lambda: capture.index > 200)
    assert len(segmenter.sizes) < 0.4 * capture.index
    assert sinks.shown[-1][0].slate is None
    assert Reason.ERROR not in sinks.reasons


def test_it_ends_when_the_source_does() -> None:
    pipeline, sinks = made(PlayedCapture(frames=30))
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert sinks.composites


def test_the_status_says_what_is_known_and_figures_only_when_asked() -> None:
    pipeline, sinks = made()
    assert pipeline.status.line.startswith("slate shown: no mask yet")
    assert run_until(pipeline, lambda: len(sinks.composites) > 20)
    line = pipeline.status.line
    assert line.startswith("you are shown | ")
    assert "ms late" in line
    assert "hidden" not in line
    assert "lines" not in line
    assert "network: 240 lines" in pipeline.status.details


def test_the_status_says_when_the_subject_is_away() -> None:
    capture = PlayedCapture(rate=60, draw=lambda index: empty_room() if index > 20 else picture(index))
    pipeline, sinks = made(capture, guard=GuardConfig(lost_seconds=None))
    assert run_until(pipeline, lambda: "is away" in pipeline.status.line)
    assert pipeline.status.line.startswith("the background is shown, the subject is away | ")
    assert not any(shows_the_room(sealed) for sealed, _ in sinks.shown)


class Moving:
    """A background that is another colour in each picture."""

    moves, from_frame = True, False

    def __init__(self):
        self.calls = 0

    def at(self, frame, matte, time):
        self.calls += 1
        return np.full_like(frame, (0, 0, 100 + self.calls % 100))

    def close(self):
        pass


def test_at_rest_a_mask_is_put_on_the_frame_that_it_is_of() -> None:
    """Somebody moves by less than the gate notices, in front of a background that moves."""
    edges = []

    def hardly(index):
        image = np.full((720, 1280, 3), (40, 44, 40), np.uint8)
        image[-100:] = 20
        image[100:620, 400 + index % 4 : 800 + index % 4] = (43, 45, 44)
        return image

    class Marking(PlayedSegmenter):
        def step(self, frame, masks=None, ids=None):
            self.sizes.append(self.size)
            edges.append(int(np.argmax(frame[300, :, 0] == 43)))
            found = Found((frame[..., 0] == 43).astype(np.float32)[None])
            found.seen = slice(0, 720), slice(0, 1280)
            return found

    capture = PlayedCapture(draw=hardly, rate=30)
    replacer = BackgroundReplacer(Marking(), Moving(), matte=PLAIN)
    sinks = PlayedSinks()
    slate = np.full((720, 1280, 3), SLATE, np.uint8)

    def first(frame):
        return (frame[..., 0] == 43).astype(np.uint8)

    pipeline = LivePipeline(capture, replacer, first, slate, sinks, LiveConfig())
    assert run_until(pipeline, lambda: len(edges) > 12 and len(sinks.composites) > 40)
    assert len(edges) < capture.index / 2  # it rested
    for sealed in sinks.composites:
        beside = sealed.image[300][sealed.image[300, :, 2] < 100]
        assert not (beside == (40, 44, 40)).all(-1).any(), "some of the room was taken for the subject"
