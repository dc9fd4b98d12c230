"""The guard: nothing but a true composite or the slate ever gets a seal."""

from dataclasses import dataclass

import numpy as np
import pytest

from maskstream.live.guard import Composite, Guard, GuardConfig, Reason, Sealed

HEIGHT, WIDTH = 24, 32
ROOM, BACKGROUND, PERSON, SLATE = (250, 0, 250), (0, 200, 0), (90, 80, 70), (9, 9, 9)


@dataclass
class Captured:
    captured: float
    image: np.ndarray


def flat(colour):
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def frame(time=0.0):
    image = flat(ROOM)
    image[8:20, 10:20] = PERSON
    return Captured(time, image)


def person():
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[8:20, 10:20] = 255
    return alpha


def compose(captured, alpha):
    background = flat(BACKGROUND)
    return Composite(np.where(alpha[..., None] > 0, captured.image, background), alpha, background)


def guard(compose=compose, **config):
    return Guard(compose, flat(SLATE), GuardConfig(**config))


def shows_the_room(sealed):
    return (sealed.image == ROOM).all(-1).any()


def is_slate(sealed, reason):
    return sealed.slate == reason and (sealed.image == SLATE).all() and sealed.captured is None


def test_a_composite_is_let_through_with_its_time():
    sealed = guard().seal(frame(3.5), person())
    assert (sealed.slate, sealed.captured) == (None, 3.5)
    assert (sealed.image[person() > 0] == PERSON).all()
    assert (sealed.image[person() == 0] == BACKGROUND).all()


def test_nobody_else_can_seal():
    with pytest.raises(TypeError, match="only the guard"):
        Sealed(frame().image, None, 0.0, guards=object())
    with pytest.raises(TypeError):
        Sealed(frame().image, None, 0.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no other kinds"):
        type("Leak", (Sealed,), {})


def test_a_sealed_picture_can_not_be_changed_nor_follows_its_source():
    composite = compose(frame(), person())
    sealed = guard(lambda *_: composite).seal(frame(), person())
    with pytest.raises(ValueError, match="read-only"):
        sealed.image[0, 0] = 1
    composite.image[:] = ROOM
    assert not shows_the_room(sealed)


def test_before_the_first_mask_the_slate_is_shown():
    assert is_slate(guard().seal(frame(), None), Reason.STARTING)


def test_an_empty_first_mask_is_no_mask():
    assert is_slate(guard().seal(frame(), np.zeros_like(person())), Reason.STARTING)


@pytest.mark.parametrize("error", [ValueError, MemoryError, RuntimeError, IndexError, OSError])
def test_any_exception_is_the_slate(error):
    def fail(*_):
        raise error("no")

    it = guard(fail)
    assert is_slate(it.seal(frame(), person()), Reason.ERROR)
    assert it.errors == 1


@pytest.mark.parametrize(
    "leak",
    [
        lambda f, a: Composite(f.image, a, flat(BACKGROUND)),  # the raw frame
        lambda f, a: Composite(f.image.copy(), a, flat(BACKGROUND)),
        lambda f, a: Composite(compose(f, a).image[:12], a, flat(BACKGROUND)),
        lambda f, a: Composite(compose(f, a).image, a[:12], flat(BACKGROUND)),
        lambda f, a: Composite(compose(f, a).image.astype(np.float32), a, flat(BACKGROUND)),
        lambda f, a: Composite(np.roll(f.image, 5), a, flat(BACKGROUND)),
        lambda f, a: Composite(f.image, a, f.image),  # a background that is the room
        lambda f, a: Composite(f.image, a, f.image.copy()),
        lambda f, a: Composite(f.image, a, f.image, from_frame=True),
        lambda f, a: None,
    ],
)
def test_what_is_no_composite_is_the_slate(leak):
    assert is_slate(guard(leak).seal(frame(), person()), Reason.ERROR)


def test_a_blur_may_have_the_colours_of_the_room():
    def blurred(f, a):
        return Composite(f.image.copy(), a, f.image.copy(), from_frame=True)

    assert guard(blurred).seal(frame(), person()).slate is None


def test_a_mask_of_nearly_everything_is_not_believed():
    everything = np.full_like(person(), 255)
    assert is_slate(guard().seal(frame(), everything), Reason.COVERED)


def test_panic_is_the_slate_until_it_is_over():
    it = guard()
    it.panic = True
    assert is_slate(it.seal(frame(), person()), Reason.PANIC)
    it.panic = False
    assert it.seal(frame(), person()).slate is None


def test_panic_holds_for_the_frame_that_is_under_way():
    def press(captured, alpha):
        it.panic = True
        return compose(captured, alpha)

    it = guard(press)
    assert is_slate(it.seal(frame(), person()), Reason.PANIC)


def test_a_subject_that_is_away_leaves_the_background_and_then_the_slate():
    it, nobody = guard(lost_seconds=2.0), np.zeros_like(person())
    assert it.seal(frame(10.0), person()).slate is None
    empty = it.seal(frame(11.5), nobody)
    assert empty.slate is None
    assert (empty.image == BACKGROUND).all()
    assert is_slate(it.seal(frame(12.5), nobody), Reason.LOST)
    assert it.seal(frame(13.0), person()).slate is None
    for_ever = guard(lost_seconds=None)
    for_ever.seal(frame(0.0), person())
    assert for_ever.seal(frame(1e6), nobody).slate is None


def test_the_room_never_leaves_whatever_fails_when():
    """Thousands of frames, with faults at random at every place that the guard calls or is given."""
    random = np.random.default_rng(7)

    def faulty(captured, alpha):
        match random.integers(12):
            case 0:
                raise MemoryError
            case 1:
                return Composite(captured.image, alpha, flat(BACKGROUND))
            case 2:
                return Composite(flat(BACKGROUND), alpha, captured.image)
            case 3:
                return Composite(captured.image[:, ::-1], alpha, flat(BACKGROUND))
            case 4:
                return 5
        return compose(captured, alpha)

    it, kinds = guard(faulty), set()
    for number in range(5000):
        found = person() if random.random() < 0.8 else None
        it.panic = random.random() < 0.1
        sealed = it.seal(frame(number / 30), found)
        assert not shows_the_room(sealed)
        kinds.add(sealed.slate)
    assert kinds == {None, Reason.STARTING, Reason.PANIC, Reason.ERROR}


def large(seed):
    return np.random.default_rng(seed).integers(0, 255, (720, 1280, 3), np.uint8)


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (355, 637), (712, 1272)])
def test_no_piece_of_the_room_of_eight_pixels_a_side_gets_through_at_720_lines(place):
    rows, columns = (slice(start, start + 8) for start in place)
    room, background = large(1), large(2)
    alpha = np.zeros((720, 1280), np.uint8)
    alpha[300:500, 100:300] = 255

    def leaking(into):
        def compose(frame, found):
            behind = background.copy()
            if into == "background":
                behind[rows, columns] = room[rows, columns]
            image = np.where(alpha[..., None] > 0, room, behind)
            if into == "composite":
                image[rows, columns] = room[rows, columns]
            return Composite(image, alpha, behind)

        return Guard(compose, np.full_like(room, 9))

    assert leaking("nothing").seal(Captured(0.0, room), alpha).slate is None
    for into in ("composite", "background"):
        assert leaking(into).seal(Captured(0.0, room), alpha).slate is Reason.ERROR


def test_white_walls_in_front_of_a_white_picture_are_no_leak():
    room = large(1)
    room[:, :400] = 255
    background = np.full_like(room, 255)
    alpha = np.zeros((720, 1280), np.uint8)
    alpha[300:500, 600:800] = 255
    composed = Composite(np.where(alpha[..., None] > 0, room, background), alpha, background)
    it = Guard(lambda *_: composed, np.full_like(room, 9))
    assert it.seal(Captured(0.0, room), alpha).slate is None


def test_the_slate_fades_into_the_first_composite_and_comes_at_once():
    it = guard(fade_seconds=0.4)
    it.slate(Reason.STARTING)
    reds = [int(it.seal(frame(time), person()).image[0, 0, 1]) for time in (0.0, 0.1, 0.2, 0.3, 0.5)]
    assert reds == sorted(reds)
    assert reds[0] < 40
    assert reds[-1] == BACKGROUND[1]
    it.panic = True
    assert is_slate(it.seal(frame(0.6), person()), Reason.PANIC)
    it.panic = False
    assert int(it.seal(frame(0.7), person()).image[0, 0, 1]) < 40


def test_a_background_that_breaks_is_told_once_until_it_breaks_otherwise(caplog):
    """A video behind that can't be read any more fails with each frame, thirty times a second."""
    errors = [OSError("disk gone")] * 30 + [ValueError("other\nlines")] * 30 + [OSError("disk gone")] * 30

    def broken(captured, alpha):
        raise errors.pop(0)

    watched = guard(broken)
    with caplog.at_level("ERROR"):
        for _ in range(90):
            assert is_slate(watched.seal(frame(), person()), Reason.ERROR)
    assert watched.errors == 90
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "a frame could not be composited; the slate is shown (OSError: disk gone)",
        "a frame could not be composited; the slate is shown (ValueError: other lines)",
        "a frame could not be composited; the slate is shown (OSError: disk gone)",
    ]
    assert not any(record.exc_info for record in caplog.records)
