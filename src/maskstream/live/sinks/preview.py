"""A window that shows what leaves, and takes keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2

from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.sink import picture_of

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

CLOSED = "closed"  #: the key that closing the window is
_TITLE = "maskstream"


class PreviewSink:
    """A window by OpenCV, where it has any (the base install's has none).

    Args:
        key: called with each key that is pressed, as a character, and with ``"closed"`` when the user closes
            the window. It must not wait.
    """

    def __init__(self, key: Callable[[str], None] | None = None) -> None:
        self.name = "preview"
        self._key = key
        self._is_open = self._was_closed = False

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Open the window.

        Raises:
            InputError: there can be none.
        """
        self._was_closed = False
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(_TITLE, *size)
        except cv2.error as error:
            raise InputError(
                "preview: this OpenCV or machine has no windows; use page, or install opencv-python "
                "in place of opencv-python-headless"
            ) from error
        self._is_open = True

    def show(self, sealed: Sealed, time: float) -> None:
        """Show a frame, and pass on what keys were pressed."""
        picture = picture_of(sealed)
        if self._was_closed:
            return
        cv2.imshow(_TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        pressed = cv2.waitKey(1)
        if pressed >= 0:
            self._tell(chr(pressed & 0xFF))
        if cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._was_closed = True
            self._tell(CLOSED)

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._is_open = False
            if not self._was_closed:
                cv2.destroyWindow(_TITLE)

    def _tell(self, key: str) -> None:
        if self._key is not None:
            self._key(key)
