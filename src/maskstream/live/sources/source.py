"""What a source is: something that can be opened again and again, and then gives frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

#: Takes a piece of sound and the monotonic seconds of its first sample.
Hear = Callable[[float, "av.AudioFrame"], None]


class SourceError(Exception):
    """A source delivers no frames for now: unplugged, busy, refused, cut off. One line."""


class SourceEnded(Exception):
    """A file is over."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is wished for from a source.

    Attributes:
        size: ``(width, height)`` in pixels; cameras are asked for it. None: 1280 x 720 from a camera, else
            what the source has.
        fps: frames a second that cameras and screens are asked for; None: 30.
        loop: begin a file again at its end.
        sound: whether sound is wanted.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    loop: bool = False
    sound: bool = True


class Feed(Protocol):
    """A source that was opened; used by one thread.

    Attributes:
        frame_rate: frames a second; None where the source doesn't say.
        pixel_aspect: width / height of one pixel of the frame that was grabbed.
        sound: whether pieces of sound are handed on.
    """

    @property
    def frame_rate(self) -> float | None: ...  # noqa: D102

    @property
    def pixel_aspect(self) -> float: ...  # noqa: D102

    @property
    def sound(self) -> bool: ...  # noqa: D102

    def grab(self) -> float | None:
        """Wait for the next frame.

        Returns:
            Monotonic seconds at which the frame is due, where the source is read ahead of time; None: now.

        Raises:
            SourceEnded: it is over.
            SourceError: it no longer delivers frames.
        """

    def picture(self) -> Frame:
        """The frame that was grabbed, ``(H, W, 3)`` uint8 RGB, upright; the caller's own."""

    def close(self) -> None:
        """Let go of the device, the file or the connection."""


class Source(Protocol):
    """What can be opened, again and again.

    Attributes:
        name: as messages call it, without passwords.
        may_rest: whether equal pictures for a while are nothing to worry about. A camera has noise, so that
            equal ones are a sign of its having been unplugged.
        patience: seconds from opening to the first picture, at most.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def may_rest(self) -> bool: ...  # noqa: D102

    @property
    def patience(self) -> float: ...  # noqa: D102

    def open(self, request: Request, hear: Hear) -> Feed:
        """Open it; blocks as long as that takes.

        Raises:
            InputError: it is nothing that a later try would mend.
            SourceError: it can't be opened now.
        """
