"""What a live picture comes from: cameras, files, network streams, the screen, a drawn room; by one text.

Light to import: PyAV, OpenCV and NumPy are imported when a source is opened, in the capture's thread, while
the rest of the program starts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from maskstream.errors import InputError

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

#: Takes a piece of sound and the monotonic seconds of its first sample.
Hear = Callable[[float, "av.AudioFrame"], None]

#: Protocols of network streams, with what they are read as.
NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "srt", "rtp")
HELP = (
    "camera, camera:1, /dev/video0, a video file, "
    "rtsp:// rtmp:// http:// udp:// srt://..., screen, test:1280x720@30"
)


class SourceError(Exception):
    """A source gives nothing (any more), and may later: unplugged, busy, refused, cut off. One line."""


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
            SourceError: it gives nothing any more.
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


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera by its number, or by its device or name.

    Through FFmpeg's v4l2 (Linux), avfoundation (macOS) or dshow (Windows); where that fails, through OpenCV.
    Microphones are not opened: the sound of cameras is left out.
    """

    device: int | str
    name: str = "camera"
    may_rest: bool = False
    patience: float = 30.0  # cameras on Windows may take as long

    def open(self, request: Request, hear: Hear) -> Feed:
        """Open the camera, with motion JPEG where it has it (raw pictures are slow over USB)."""
        from maskstream.live.devices import open_camera

        return open_camera(self.device, self.name, request)


@dataclass(frozen=True, slots=True)
class Screen:
    """The screen, by x11grab (Linux), avfoundation (macOS) or gdigrab (Windows)."""

    which: str = ""
    name: str = "screen"
    may_rest: bool = True
    patience: float = 10.0

    def open(self, request: Request, hear: Hear) -> Feed:
        """Open it."""
        from maskstream.live.devices import open_screen

        return open_screen(self.which, self.name, request)


@dataclass(frozen=True, slots=True)
class File:
    """A video file, in real time by its own time stamps."""

    path: Path
    may_rest: bool = True
    patience: float = 10.0

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def open(self, request: Request, hear: Hear) -> Feed:
        """Open it."""
        from maskstream.live.streams import FileFeed

        return FileFeed(self.path, request, hear)


@dataclass(frozen=True, slots=True)
class Network:
    """A stream by its URL, with little buffering, and time limits so that a dead server is noticed."""

    url: str
    may_rest: bool = False
    patience: float = 15.0

    @property
    def name(self) -> str:
        """The URL without what is secret in it."""
        return re.sub(r"//[^/@]*@", "//", self.url).partition("?")[0]

    def open(self, request: Request, hear: Hear) -> Feed:
        """Connect."""
        from maskstream.live.streams import NetworkFeed

        return NetworkFeed(self.url, self.name, request, hear)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A room that is drawn, with a figure that walks through it; see ``live/synthetic.py``."""

    width: int
    height: int
    fps: float
    may_rest: bool = True
    patience: float = 10.0

    @property
    def name(self) -> str:
        """As it was asked for."""
        return f"test:{self.width}x{self.height}@{self.fps:g}"

    def open(self, request: Request, hear: Hear) -> Feed:
        """Begin at frame 0."""
        from maskstream.live.synthetic import SyntheticFeed

        return SyntheticFeed(self.width, self.height, self.fps)


def open_source(text: str | os.PathLike[str]) -> Source:
    """The source that a text names; nothing is opened yet.

    Args:
        text: ``camera``, ``camera:1``, ``camera:NAME``, a device (``/dev/video0``), a video file, a URL
            (``rtsp://``, ``rtmp://``, ``http://``, ``udp://``, ``tcp://``, ``srt://``), ``screen``,
            ``screen::1`` (an X display), ``screen:1`` (macOS), or ``test:1280x720@30``.

    Raises:
        InputError: no such device, file or protocol, in one line.

    Example:
        >>> open_source("test:640x360@30").name
        'test:640x360@30'
    """
    text = os.fspath(text).strip()
    if not text:
        raise InputError(f"source: nothing is named; give one of {HELP}")
    kind, _, rest = text.partition(":")
    if kind == "camera":
        return _camera(rest)
    if kind == "screen":
        return Screen(rest, text)
    if kind == "test":
        return _synthetic(text)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    if scheme:
        return _network(text, scheme[1].lower())
    if re.fullmatch(r"/dev/video\d+", text):
        return _device(text)
    path = Path(text)
    if path.is_char_device():
        return _device(text)
    if path.is_dir():
        raise InputError(f"source {text}: it is a folder; give a video file")
    if not path.exists():
        raise InputError(f"source {text}: no such file; a source is {HELP}")
    return File(path)


def _camera(rest: str) -> Source:
    device: int | str = int(rest or "0") if re.fullmatch(r"\d*", rest, re.ASCII) else rest
    if sys.platform == "linux":
        return _device(f"/dev/video{device}" if isinstance(device, int) else device)
    return Camera(device, f"camera:{device}")


def _device(path: str) -> Source:
    if not Path(path).exists():
        there = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*")))
        raise InputError(
            f"source {path}: no such camera; "
            + (f"there are {there}" if there else "none is plugged in, or this user can't see it")
        )
    if not Path(path).is_char_device():
        raise InputError(f"source {path}: it is no device; give one such as /dev/video0, or a video file")
    return Camera(path, path)


def _network(url: str, scheme: str) -> Source:
    if scheme not in NETWORK:
        raise InputError(
            f"source {Network(url).name}: {scheme}:// is not known; take one of {', '.join(NETWORK)}"
        )
    if not re.match(r"[^/?#\s]", url[len(scheme) + 3 :]):
        raise InputError(f"source {url}: no server is named after {scheme}://")
    return Network(url)


def _synthetic(text: str) -> Source:
    found = re.fullmatch(r"test:(\d{1,5})x(\d{1,5})(?:@(\d{1,4}(?:\.\d+)?))?", text, re.ASCII)
    if not found:
        raise InputError(f"source {text}: write it as test:WIDTHxHEIGHT@FPS, such as test:1280x720@30")
    width, height, fps = int(found[1]), int(found[2]), float(found[3] or 30)
    if not (min(width, height) >= 64 and max(width, height) <= 8192 and 0 < fps <= 1000):
        raise InputError(f"source {text}: sides go from 64 to 8192 pixels, frames a second up to 1000")
    return Synthetic(width, height, fps)


def one_line(error: BaseException) -> str:
    """What went wrong, in lower case and without line breaks."""
    said: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())
