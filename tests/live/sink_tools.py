"""What tests of sinks share: sealed frames as the guard makes them, and waiting for something."""

import time
from types import SimpleNamespace

import numpy as np

from maskstream.live.guard import Composite, Guard, GuardConfig

SIZE = (64, 48)  # width, height
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SLATE = (9, 60, 9)


def _compose(frame, background):
    return Composite(background.copy(), np.zeros(background.shape[:2], np.uint8), background)


def guard(size=SIZE):
    width, height = size
    return Guard(_compose, np.full((height, width, 3), SLATE, np.uint8), GuardConfig(cover=2, present=0))


def sealed(colour=WHITE, captured=0.0, size=SIZE, by=None):
    """A sealed frame of one colour: a background before which nobody stands."""
    width, height = size
    background = np.full((height, width, 3), colour, np.uint8)
    room = np.random.default_rng(0).integers(0, 255, background.shape, np.uint8)
    made = (by or guard(size)).seal(SimpleNamespace(captured=captured, image=room), background)
    assert made.slate is None
    return made


def eventually(condition, seconds=20.0):
    """Wait for something that a thread does; generous, for loaded machines."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")
