"""What rendered clips are like: sizes, probabilities and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from maskstream.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class RenderConfig:
    """Sizes, probabilities and ranges of rendered clips.

    Attributes:
        height: of the frames, in pixels.
        width: the same.
        frames: of a clip.
        samples: pictures that are averaged for a frame, each at a place of its own within the pixel and at a
            moment of its own while the shutter is open.
        interval: seconds between two frames (log-uniform).
        shutters: shares of the interval for which the shutter is open.
        angle: vertical angles of view, in degrees.
        apparent: size of the main body over the frame's height (log-uniform).
        others: weights of 0, 1, 2... more bodies.
        twin: chance that another body is a look-alike of the first.
        occluder: chance of a body near the camera that is no object.
        leaves: chance that a body leaves the frame and comes back.
        drifts: spreads of how far bodies get across the view in a clip, in widths of the view.
        floor: chance that there is a floor.
        orbits: spreads of the camera's turning about the scene, in radians a second.
        shakes: spreads of the camera's unrest, over its distance.
        labelled: most objects of a clip.
        min_first: share of the frame that an object shows in the first frame, at least.
        max_covered: share that all bodies cover at the start, in the middle and at the end, at most.
        min_shown: share of the frames in which an object is to be seen, at least.
    """

    height: int = 240
    width: int = 416
    frames: int = 14
    samples: int = 4
    interval: Range = (0.03, 0.12)
    shutters: tuple[float, ...] = (0.0, 0.15, 0.4, 0.8)
    angle: Range = (28.0, 62.0)
    apparent: Range = (0.28, 1.5)
    others: tuple[float, ...] = (0.25, 0.35, 0.25, 0.15)
    twin: float = 0.3
    occluder: float = 0.25
    leaves: float = 0.12
    drifts: tuple[float, ...] = (0.08, 0.25, 0.5, 0.8)
    floor: float = 0.6
    orbits: tuple[float, ...] = (0.0, 0.2, 0.7)
    shakes: tuple[float, ...] = (0.0, 0.004, 0.015, 0.04)
    labelled: int = 3
    min_first: float = 0.003
    max_covered: float = 0.75
    min_shown: float = 0.4

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 32 or self.frames < 3 or self.samples < 1:
            raise InputError(
                f"rendered clips: {self.frames} frames of {self.width}x{self.height}, {self.samples} samples"
                "; give 3 frames or more, 32 pixels or more, and 1 sample or more"
            )
