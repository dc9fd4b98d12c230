"""Backgrounds: what they are and how they are opened."""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame
from maskstream.background.blur import BlurBackground
from maskstream.background.colours import find_colour, parse_colour
from maskstream.background.fit import Fit
from maskstream.background.pictures import (
    RATE,
    FolderPictures,
    Pictures,
    VideoPictures,
    is_animated,
    is_image,
    load_picture,
)
from maskstream.errors import InputError
from maskstream.files import check_is_there, path_of
from maskstream.matte.matting import Matte
from maskstream.video.images import IMAGE_SUFFIXES


class Background(Protocol):
    """What stands behind the object, frame by frame. Used by one thread at a time.

    Attributes:
        moves: whether it changes while the frames stay the same.
        from_frame: whether it is made of the frame.
    """

    moves: bool
    from_frame: bool

    def at(self, frame: Frame, matte: Matte, time: float | None) -> Frame:
        """The background of one frame.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.
            matte: of this frame.
            time: seconds of the frame from the start of its video. None where it has none: the calls are then
                counted, 24 to a second.

        Returns:
            ``(H, W, 3)`` uint8 RGB of the frame's size, C-contiguous; not to be written to, and valid until
            the next call.
        """
        ...

    def close(self) -> None:
        """Close the files."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered from frame to frame."""
        ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told of the same background."""
        ...


def open_background(
    what: str | os.PathLike[str],
    fit: str = "cover",
    position: tuple[float, float] = (0.5, 0.5),
    *,
    fill: str = "black",
    fps: float | None = None,
    strength: float = 0.03,
    falloff: float = 0.0,
    pixel_aspect: float = 1.0,
) -> Background:
    """Open a background by what the user calls it.

    The words win over files of the same name; ``./blur`` is the file.

    Args:
        what: an image, a video file (it runs in a loop), a folder of images (the same), ``blur``, or a
            colour: ``#00ff00``, ``rgb(0, 255, 0)``, ``green``.
        fit: ``cover``, ``contain`` or ``stretch``; see `Fit`.
        position: x and y, 0..1, of a picture that doesn't have the frame's shape.
        fill: colour of the bars of ``contain``, and behind transparent images.
        fps: pictures a second of a folder (24 if None), and of a video file that doesn't say.
        strength: of the blur: its standard deviation as a fraction of the frame's height.
        falloff: of the blur, 0..1: how much less the things near the object's foot are blurred than the top
            of the frame.
        pixel_aspect: width / height of a pixel of the frames (``VideoInfo.sample_aspect_ratio``), so that
            what is round in the background is round when the video is shown.

    Example:
        >>> from maskstream.matte.matting import Matte
        >>> frame = np.zeros((4, 6, 3), np.uint8)
        >>> matte = Matte(np.zeros((4, 6), np.uint8), frame)
        >>> background = open_background("green")
        >>> background.at(frame, matte, 0.0)[0, 0].tolist()
        [0, 255, 0]

    Raises:
        InputError: no such file, not an image or video that can be read, or an option out of its range.
    """
    name = str(path_of(what, "a background")) if not isinstance(what, str) else what
    placed = Fit(fit, position, parse_colour(fill))
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"{fps:g} pictures a second make no video; give a number above 0")
    if name == "blur":
        return BlurBackground(strength, falloff)
    colour = find_colour(name)
    if colour is not None:
        return StillBackground(np.full((1, 1, 3), colour, dtype=np.uint8), Fit("stretch"))
    path = path_of(name, "a background")
    if not name or not os.path.exists(path):
        shown = name if len(name) <= 200 else f"{name[:60]}..."
        raise InputError(
            f"{shown}: no such file or folder; give an image, a video, a folder of images, "
            "blur, or a colour like green or #00ff00"
        )
    check_is_there(path)
    if path.is_dir():
        return MovingBackground(FolderPictures(path, fps or RATE, placed.fill), placed, pixel_aspect)
    if is_image(path) or (path.suffix.lower() in IMAGE_SUFFIXES and not is_animated(path)):
        return StillBackground(load_picture(path, placed.fill), placed, pixel_aspect)
    return MovingBackground(VideoPictures(path, fps, placed.fill), placed, pixel_aspect)


class StillBackground:
    """One picture. It is resized once, and again when the size of the frames changes.

    Args:
        image: ``(h, w, 3)`` uint8 RGB.
        fit: how it fills the frame.
        pixel_aspect: width / height of a pixel of the frames.
    """

    moves, from_frame = False, False

    def __init__(self, image: Frame, fit: Fit, pixel_aspect: float = 1.0) -> None:
        self._image, self._fit, self._pixel_aspect = image, fit, pixel_aspect
        self._fitted: Frame | None = None

    def at(self, frame: Frame, matte: Matte, time: float | None) -> Frame:
        """The picture at the frame's size; always the same array."""
        height, width = frame.shape[:2]
        if self._fitted is None or self._fitted.shape[:2] != (height, width):
            self._fitted = self._fit(self._image, height, width, 1 / self._pixel_aspect)
        return self._fitted

    def close(self) -> None:
        """Nothing is open."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Nothing is remembered."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Nothing is remembered."""


class MovingBackground:
    """Pictures that follow one another in time, in a loop.

    Args:
        pictures: where they come from.
        fit: how they fill the frame.
        pixel_aspect: width / height of a pixel of the frames.
    """

    moves, from_frame = True, False

    def __init__(self, pictures: Pictures, fit: Fit, pixel_aspect: float = 1.0) -> None:
        self._pictures, self._fit, self._pixel_aspect = pictures, fit, pixel_aspect
        self._calls = 0
        self._shown: Frame | None = None
        self._fitted: Frame | None = None

    def at(self, frame: Frame, matte: Matte, time: float | None) -> Frame:
        """The picture at the frame's time and size."""
        picture = self._pictures.at(self._calls / RATE if time is None else time)
        self._calls += 1
        height, width = frame.shape[:2]
        if self._fitted is None or picture is not self._shown or self._fitted.shape[:2] != (height, width):
            aspect = self._pictures.pixel_aspect / self._pixel_aspect
            self._shown, self._fitted = picture, self._fit(picture, height, width, aspect, quick=True)
        return self._fitted

    def close(self) -> None:
        """Close the files."""
        self._pictures.close()

    def state(self) -> dict[str, NDArray[Any]]:
        """How many frames there were, which counts where they have no times."""
        return {"calls": np.array(self._calls)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on after as many frames."""
        self._calls = int(arrays["calls"])
