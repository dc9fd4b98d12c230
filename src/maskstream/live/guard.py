"""The only way to a sink. Whatever goes wrong before it, what leaves is a composite or the slate.

Read it whole: it is all that stands between a camera and the world.

- A sink takes a ``Sealed`` frame and nothing else, and only ``Guard.seal`` and ``Guard.slate`` make them.
- ``seal`` composites by itself. It never hands a camera's frame on, and holds what it has made to the
  background: where alpha is 0 the composite must show the background, to the level, and the background must
  not be the frame.
- Before the first mask, while the user wants it, when the subject has been away for too long, when a mask
  covers more than a subject does, and on any exception, the slate leaves.
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

if TYPE_CHECKING:
    from maskstream.live.capture import Captured
    from maskstream.replacement.replacer import Found

logger = logging.getLogger(__name__)

_SPOTS = 4096  #: pixels of each composite that are looked at
_RESEMBLES = 0.5  #: part of them at which a background may have the very colour of the frame
_GUARDS = object()  #: what only this file has


class Reason(StrEnum):
    """Why the slate is shown."""

    STARTING = "no mask yet"
    PANIC = "asked for"
    LOST = "the subject is away"
    COVERED = "the mask covers nearly everything"
    SOURCE = "the camera gives nothing"
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
    """

    lost_seconds: float | None = 5.0
    present: float = 0.0005
    cover: float = 0.97


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
        self._spots = np.random.default_rng(0).integers(0, slate.shape[0] * slate.shape[1], _SPOTS)
        self.errors = 0  #: exceptions that were caught

    @property
    def panic(self) -> bool:
        """Whether the user wants the slate; may be set by any thread, and holds from the next frame on."""
        return self._panic

    @panic.setter
    def panic(self, wanted: bool) -> None:
        self._panic = wanted

    def slate(self, reason: Reason) -> Sealed:
        """The slate, sealed."""
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
            except Exception:
                self.errors += 1
                logger.exception("a frame could not be composited; the slate is shown")
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
        return Sealed(image.copy(), None, frame.captured, guards=_GUARDS)

    def _check(self, frame: Frame, composite: Composite) -> None:
        """Refuse a composite that isn't one."""
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
        spots = self._spots[alpha.reshape(-1)[self._spots] == 0]
        behind = background.reshape(-1, 3)[spots]
        if not np.array_equal(image.reshape(-1, 3)[spots], behind):
            raise ValueError("the composite shows something else than the background where no subject is")
        if np.shares_memory(background, frame):
            raise ValueError("the background is the frame")
        same = (behind == frame.reshape(-1, 3)[spots]).all(1)
        if not from_frame and np.count_nonzero(same) > _RESEMBLES * len(same):
            raise ValueError("the background shows what the frame does")
