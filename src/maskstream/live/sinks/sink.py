"""What a sink is, and the one check that all share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from maskstream.arrays import Frame
from maskstream.live.guard import Sealed

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap


Answer = tuple[int, str, bytes]  #: HTTP status, content type, body
Route = Callable[[bytes], Answer]  #: from the body that was sent
Routes = Mapping[tuple[str, str], Route]  #: by method and path


class NotYet(Exception):
    """A sink can't show anything yet, and says why; it is given the next frame all the same."""


@dataclass(frozen=True)
class Traits:
    """How a sink wants to be run. One without ``traits`` has these.

    Attributes:
        retries: whether it is opened again, with back-off, after it failed.
        patience: seconds that closing it may take.
        repeats: whether it is given the last frame again while nothing new comes.
    """

    retries: bool = False
    patience: float = 1.0
    repeats: bool = False


class Sink(Protocol):
    """Shows sealed frames somewhere. Called from one thread; after ``close`` it may be opened again.

    A sink may have ``traits: Traits`` too, and ``where``: the address or place to tell the user.

    Attributes:
        name: what the user calls it.
    """

    name: str

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Begin.

        Args:
            size: (width, height) of all frames.
            fps: frames a second that are to be expected; each comes with its time.
            audio: the sound that belongs to the pictures; None: there is none.

        Raises:
            InputError: it can never work as it was asked for.
            OSError: it doesn't work now.
        """

    def show(self, sealed: Sealed, time: float) -> None:
        """Show a frame.

        Args:
            sealed: what is shown.
            time: monotonic seconds of the output's clock.

        Raises:
            TypeError: it is no sealed frame.
            NotYet: there is no viewer yet.
            OSError: it no longer works.
        """

    def close(self) -> None:
        """End; also after a failed ``open``."""


def picture_of(sealed: Sealed) -> Frame:
    """The picture of a sealed frame: ``(H, W, 3)`` uint8 RGB, read-only.

    Raises:
        TypeError: it is anything else.
    """
    if type(sealed) is not Sealed:
        raise TypeError(f"a sink takes sealed frames only, not {type(sealed).__name__}")
    return sealed.image
