import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.finder import ReferenceFrame
from maskstream.live.first_masks import BoxedObject, CleanPlateSubject, MarkedFrame


def room(noise=2):
    base = np.random.default_rng(1).integers(60, 180, (90, 160, 3))
    return np.clip(base + np.random.default_rng().normal(0, noise, base.shape), 0, 255).astype(np.uint8)


def with_person(frame):
    frame = frame.copy()
    frame[20:90, 60:100] = (30, 60, 220)
    return frame


def test_a_given_mask_is_of_the_first_frame_whichever_is_at_hand() -> None:
    first, mask = room(), np.ones((90, 160), np.uint8)
    reference = MarkedFrame(first, mask, "mask.png")(with_person(room()))
    assert isinstance(reference, ReferenceFrame)
    assert reference.frame is first


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(InputError, match=r"mask\.png: is 20x10, the stream 160x90"):
        MarkedFrame(room(), np.ones((10, 20), np.uint8), "mask.png")


def test_a_box_marks_what_is_in_it() -> None:
    mask = BoxedObject((55, 15, 50, 75))(with_person(room()))
    assert mask[50, 80] == 1
    assert not mask[:, :50].any()


def test_who_comes_into_the_empty_room_is_marked_after_two_looks_agree() -> None:
    told = []
    stepped_out = CleanPlateSubject(told.append, seconds=(0.0, 0.0))
    for _ in range(5):
        stepped_out._plate.learn(room())
    assert stepped_out(room()) is None
    assert stepped_out(room()) is None
    assert told[-1] == "come back"
    assert stepped_out(with_person(room())) is None
    mask = stepped_out(with_person(room()))
    assert mask[50, 80] == 1
    assert not mask[:, :40].any()


def test_while_the_user_steps_out_nothing_is_learnt() -> None:
    told = []
    stepped_out = CleanPlateSubject(told.append, seconds=(60.0, 1.0))
    assert stepped_out(with_person(room())) is None
    assert stepped_out._plate.frames == 0
    assert "within 60 seconds" in told[0]
