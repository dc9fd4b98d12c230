"""What tests of sinks share: sealed frames as the guard makes them, and waiting for something."""

import time
from types import SimpleNamespace

import av
import numpy as np

from maskstream.live.guard import Composite, Guard, GuardConfig

FLASHES = (1.0, 2.0, 3.0)  # captured seconds
BEEP = 0.06

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


def beginnings(times, loud, gap=0.3):
    """When something begins after it was not there for a while."""
    found = np.asarray(times)[np.flatnonzero(loud)]
    return [float(time) for time, before in zip(found, [-9, *found[:-1]], strict=True) if time - before > gap]


def piece(start, length, rate=44_100, kind="fltp", layout="mono"):
    """Sound that beeps at the flashes."""
    times = start + np.arange(round(length * rate)) / rate
    on = np.zeros(len(times), bool)
    for flash in FLASHES:
        on |= (times >= flash) & (times < flash + BEEP)
    wave = np.where(on, 0.8 * np.sin(2 * np.pi * 1000 * times), 0)
    samples = (wave * 32767).astype(np.int16) if kind == "s16" else wave.astype(np.float32)
    channels = 2 if layout == "stereo" else 1
    shape = (1, -1) if kind == "s16" else (channels, -1)
    samples = np.repeat(samples, 2) if kind == "s16" and channels == 2 else np.tile(samples, channels)
    frame = av.AudioFrame.from_ndarray(samples.reshape(shape), format=kind, layout=layout)
    frame.sample_rate = rate
    return frame
