"""The only way to a sink. Whatever goes wrong before it, what leaves is a composite or the slate.

Read it whole: it is all that stands between a camera and the world.

- A sink takes a ``Sealed`` frame and nothing else, and only ``Guard.seal`` and ``Guard.slate`` make them.
- ``seal`` makes the composite itself. It never hands a camera's frame on, and looks at every pixel of what
  it has made: where alpha is 0 the composite must show the background, to the level, and no piece of the
  background as large as 8 x 8 pixels may be the frame's.
- Before the first mask, while the user wants it, when the picture has changed at a jump, when the subject has
  been away for too long, when a mask covers more than a subject does, and on any exception, the slate leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame
from maskstream.live.complaints import Complaints

if TYPE_CHECKING:
    from maskstream.live.capture import Captured
    from maskstream.replacement.replacer import Found

logger = logging.getLogger(__name__)

_STEP = 4  #: every so many pixels background and frame are compared: four times in each piece of 8 x 8
_VARIES = 6  #: levels by which these four must differ: what is of one colour may be so in both
_RESEMBLES = 0.5  #: part of all at which a background may have the very colour of the frame
_FRAME = 1 / 30  #: seconds of a fade that are over when it begins
_GUARDS = object()  #: what only this file has


class Reason(StrEnum):
    """Why the slate is shown."""

    STARTING = "no mask yet"
    PANIC = "asked for"
    LOST = "the subject is away"
    CHANGED = "the picture has changed suddenly"
    COVERED = "the mask covers nearly everything"
    SOURCE = "no pictures from the camera"
    ERROR = "something failed"


class Composite(NamedTuple):
    """What a compositor made of a frame, with what it used.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        alpha: ``(H, W)`` uint8, 0 where the background is.
        background: ``(H, W, 3)`` uint8 RGB, as it was put there.
        from_frame: whether the background is made of the frame, as a blur is; it may resemble it then.
    """

    image: Frame
    alpha: NDArray[np.uint8]
    background: Frame
    from_frame: bool = False


@final
class Sealed:
    """A frame that may be seen: a composite, or the slate. Only the guard makes them.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, read-only.
        slate: why it is the slate; None: it is a composite.
        captured: monotonic seconds at which the camera gave the frame; None for the slate.
    """

    __slots__ = ("captured", "image", "slate")

    def __init__(self, image: Frame, slate: Reason | None, captured: float | None, *, guards: object) -> None:
        if guards is not _GUARDS:
            raise TypeError("only the guard seals frames")
        image.flags.writeable = False
        self.image = image
        self.slate = slate
        self.captured = captured

    def __init_subclass__(cls) -> None:
        raise TypeError("a sealed frame has no other kinds")


@dataclass(frozen=True)
class GuardConfig:
    """When the slate is shown.

    Attributes:
        lost_seconds: how long the subject may be away until it is; None: the empty background stays.
        present: part of the picture that a subject covers at least.
        cover: part of the picture from which on a mask is not believed.
        fade_seconds: how long the slate takes to fade into what comes after it; 0: it is gone at once. The
            slate itself comes at once.
    """

    lost_seconds: float | None = 1.0
    present: float = 0.0005
    cover: float = 0.97
    fade_seconds: float = 0.0


class Guard:
    """Makes what may be seen of what the camera gives.

    Args:
        compose: makes the composite of a captured frame and of where the subject is in it.
        slate: ``(H, W, 3)`` uint8 RGB picture that is shown instead; all that leaves is of its size.
        config: when.
    """

    def __init__(
        self, compose: Callable[[Captured, Found], Composite], slate: Frame, config: GuardConfig | None = None
    ) -> None:
        self._compose = compose
        self._slate = slate.copy()
        self._config = config or GuardConfig()
        self._panic = False
        self._seen_at: float | None = None
        self._lock = Lock()
        self._since: float | None = None  # captured time of the first composite after the slate
        self._fades = False
        self._complaints = Complaints(logger)
        self.errors = 0  #: exceptions that were caught

    @property
    def panic(self) -> bool:
        """Whether the user wants the slate; may be set by any thread, and holds from the next frame on."""
        return self._panic

    @panic.setter
    def panic(self, wanted: bool) -> None:
        self._panic = wanted

    @property
    def fades(self) -> bool:
        """Whether the last composite was still fading in."""
        return self._fades

    def slate(self, reason: Reason) -> Sealed:
        """The slate, sealed."""
        self._since, self._fades = None, False
        return Sealed(self._slate.copy(), reason, None, guards=_GUARDS)

    def seal(self, frame: Captured, found: Found | None) -> Sealed:
        """What may be seen of a frame. Never raises.

        Args:
            frame: the camera's.
            found: where the subject is in this very frame; None: not known.
        """
        with self._lock:
            try:
                return self._seal(frame, found)
            except Exception as error:
                self.errors += 1
                self._complaints.tell("a frame could not be composited; the slate is shown", error)
                return self.slate(Reason.ERROR)

    def _seal(self, frame: Captured, found: Found | None) -> Sealed:
        if self._panic:
            return self.slate(Reason.PANIC)
        if found is None:
            return self.slate(Reason.STARTING)
        composite = self._compose(frame, found)
        image, alpha = composite.image, composite.alpha
        self._check(frame.image, composite)
        covered = np.count_nonzero(alpha > 127) / alpha.size
        if covered > self._config.cover:
            return self.slate(Reason.COVERED)
        if covered >= self._config.present:
            self._seen_at = frame.captured
        if self._seen_at is None:
            return self.slate(Reason.STARTING)
        away = frame.captured - self._seen_at
        if self._config.lost_seconds is not None and away > self._config.lost_seconds:
            return self.slate(Reason.LOST)
        if self._panic:  # asked for meanwhile
            return self.slate(Reason.PANIC)
        return Sealed(self._faded(image, frame.captured), None, frame.captured, guards=_GUARDS)

    def _faded(self, image: Frame, captured: float) -> Frame:
        """A copy of a composite, or of what is between it and the slate that was shown before."""
        if self._since is None:
            self._since = captured
        passed = captured - self._since + _FRAME
        self._fades = passed < self._config.fade_seconds
        if not self._fades:
            return image.copy()
        import cv2

        share = passed / self._config.fade_seconds
        return np.asarray(cv2.addWeighted(self._slate, 1 - share, image, share, 0), np.uint8)

    def _check(self, frame: Frame, composite: Composite) -> None:
        """Refuse a composite that isn't one."""
        import cv2  # not at the top: the process that sends a stream imports this file, and starts at once

        size = self._slate.shape
        image, alpha, background, from_frame = composite
        for name, array, shape in (
            ("frame", frame, size),
            ("composite", image, size),
            ("background", background, size),
            ("matte", alpha, size[:2]),
        ):
            if array.shape != shape or array.dtype != np.uint8:
                raise ValueError(f"the {name} is {array.shape} {array.dtype}, not {shape} uint8")
        outside = (alpha == 0).view(np.uint8)
        if cv2.norm(image, background, cv2.NORM_INF, outside) > 0:
            raise ValueError("the composite shows something else than the background where no subject is")
        if np.shares_memory(background, frame):
            raise ValueError("the background is the frame")
        if not from_frame and _shows(background, frame, outside):
            raise ValueError("the background shows what the frame does")


def _shows(background: Frame, frame: Frame, outside: NDArray[np.uint8]) -> bool:
    """Whether a background holds a piece of the frame, 8 x 8 pixels or more, where no subject is."""
    there, here = background[::_STEP, ::_STEP], frame[::_STEP, ::_STEP]
    looked_at = outside[::_STEP, ::_STEP] > 0
    same = (there == here).all(2) & looked_at
    if int(same.sum()) > _RESEMBLES * max(1, int(looked_at.sum())):
        return True
    pieces = same[:-1, :-1] & same[1:, :-1] & same[:-1, 1:] & same[1:, 1:]
    rows, columns = np.nonzero(pieces)
    if not len(rows):
        return False
    four = np.stack([here[rows + y, columns + x] for y in (0, 1) for x in (0, 1)]).astype(np.int16)
    return bool((np.ptp(four, axis=0).max(1) > _VARIES).any())
