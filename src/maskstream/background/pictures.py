"""Pictures for the background, from image files and videos, found by time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from PIL import ImageOps, UnidentifiedImageError

from maskstream.arrays import Frame
from maskstream.background.colours import Colour
from maskstream.errors import InputError, one_line
from maskstream.pictures import opened_picture
from maskstream.video.colour import over
from maskstream.video.images import list_images, read_image
from maskstream.video.read import VideoFrame, read_video

logger = logging.getLogger(__name__)

RATE = 24  #: pictures a second where nothing says how many

# Files count time in ticks of their own, rounded; a picture this close to its time is shown already.
_EARLY = 0.002


def load_picture(path: Path, fill: Colour) -> Frame:
    """``(H, W, 3)`` uint8 RGB of an image file, upright; where it is transparent, a colour shines through.

    Raises:
        InputError: the file can't be opened, is no whole image, or has too many pixels.
    """
    try:
        image = _filled(path, fill)
        if image is None:
            image = read_image(path)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, cv2.error) as error:
        raise InputError(f"{path}: this image can't be read ({one_line(error)}); save it again") from error
    if image is None:
        raise InputError(f"{path}: not a readable image; it is damaged, cut short or of another kind")
    return image


def _filled(path: Path, fill: Colour) -> Frame | None:
    """A transparent image in front of a colour; None for any that isn't transparent."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened_picture(path))
        except UnidentifiedImageError:  # whose message says no more than that
            return None
        if "A" not in file.getbands() and "transparency" not in file.info:
            return None
        image = ImageOps.exif_transpose(file)
        return over(np.asarray(image if image.mode == "RGBA" else image.convert("RGBA")), fill)


def is_animated(path: Path) -> bool:
    """Whether an image file holds pictures that follow one another in time."""
    try:
        with opened_picture(path) as image:
            return image.format in ("GIF", "PNG", "WEBP") and bool(getattr(image, "is_animated", False))
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError):
        return False


class Pictures(Protocol):
    """Pictures that follow one another in time and start over after the last."""

    pixel_aspect: float

    def at(self, time: float) -> Frame:
        """The picture at a time in seconds; the same array as long as it is the same picture."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class _Picture(NamedTuple):
    start: float
    duration: float | None
    image: Frame


class VideoPictures:
    """The pictures of a video file, decoded forwards one at a time, again and again.

    Two pictures are held: the one shown and the one after it, whose time says how long the first lasts.

    Args:
        path: the video.
        fps: pictures a second, if the file doesn't say; its frame rate, else 24, if None.
        fill: colour that shines through where the video is transparent.

    A video that breaks on the way (a disk that is gone, a file that is written over) is reported once,
    and its last picture stays.

    Raises:
        InputError: not a video, or no frame in it.
    """

    def __init__(self, path: Path, fps: float | None = None, fill: Colour = (0, 0, 0)) -> None:
        self._reader = read_video(path, fill=fill)
        self._is_broken = False
        info = self._reader.info
        self.pixel_aspect = float(info.sample_aspect_ratio)
        self._rate = float(fps or info.frame_rate or RATE)
        self._frames: Iterator[VideoFrame] = iter(())
        self._first: Fraction | None = None
        self._shown: _Picture | None = None
        self._next: _Picture | None = None
        self._length: float | None = None  # known when the last picture has been seen

    def at(self, time: float) -> Frame:
        """The picture at a time in seconds from the video's first picture; it goes on in a loop."""
        shown = self._shown
        if shown is None:
            return self._at(time)
        if not self._is_broken:
            try:
                return self._at(time)
            except (InputError, OSError) as error:
                self._is_broken = True
                logger.warning("%s; the background stands still from here on", one_line(error))
        return shown.image

    def _at(self, time: float) -> Frame:
        time = max(time, 0.0) + _EARLY
        if self._length is not None:
            time %= self._length
        shown = self._shown
        if shown is None or time < shown.start:
            shown = self._begin()
        while time >= (end := self._end_of(shown)):
            if self._next is None:
                time %= end
                if time < shown.start:
                    shown = self._begin()
            else:
                shown, self._next = self._next, self._take()
        self._shown = shown
        return shown.image

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _begin(self) -> _Picture:
        self._frames, self._first, self._next = iter(self._reader), None, None
        shown = self._take()
        if shown is None:
            raise InputError(f"{self._reader.info.path}: frames can no longer be read from it")
        self._next = self._take()
        return shown

    def _end_of(self, shown: _Picture) -> float:
        if self._next is not None:
            return self._next.start
        self._length = shown.start + (shown.duration or 1 / self._rate)
        return self._length

    def _take(self) -> _Picture | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        if frame.time is None:
            return _Picture(frame.index / self._rate, None, frame.image)
        if self._first is None:
            self._first = frame.time
        duration = float(frame.duration) if frame.duration else None
        return _Picture(float(frame.time - self._first), duration, frame.image)


class FolderPictures:
    """The images of a folder as a video; sizes may differ, one that can't be read is passed over.

    Args:
        folder: holds the images; they are sorted naturally.
        fps: pictures a second.
        fill: colour behind transparent images.

    Raises:
        InputError: no image in it that can be read, or fps is not above 0.
    """

    def __init__(self, folder: Path, fps: float = RATE, fill: Colour = (0, 0, 0)) -> None:
        self.pixel_aspect = 1.0
        self._files = list_images(folder)
        self._rate, self._fill = fps, fill
        self._bad: set[int] = set()
        self._index = 0
        while (image := self._read(self._index)) is None:
            self._index += 1
            if self._index == len(self._files):
                raise InputError(f"{folder}: none of its {len(self._files)} images can be read")
        self._image = image

    def at(self, time: float) -> Frame:
        """The image at a time in seconds; it goes on in a loop."""
        index = int((max(time, 0.0) + _EARLY) * self._rate) % len(self._files)
        if index != self._index:
            self._index = index
            image = self._read(index)
            if image is not None:
                self._image = image
        return self._image

    def close(self) -> None:
        """Nothing is open."""

    def _read(self, index: int) -> Frame | None:
        if index in self._bad:
            return None
        try:
            return load_picture(self._files[index], self._fill)
        except InputError as error:
            logger.warning("%s; the image before it is shown on", error)
            self._bad.add(index)
            return None


def is_image(path: Path) -> bool:
    """Whether a file is an image that OpenCV reads, and one that stands still."""
    if path.suffix.lower() == ".gif" or is_animated(path):
        return False
    return os.access(path, os.R_OK) and bool(cv2.haveImageReader(str(path)))
