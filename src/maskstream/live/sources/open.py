"""From what a user writes to a source: cameras, files, network streams, the screen, a drawn room.

Light to import: PyAV, OpenCV and NumPy are imported when a source is opened, in the capture's thread, while
the rest of the program starts.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from maskstream.addresses import without_secrets
from maskstream.errors import InputError
from maskstream.live.sources.source import Feed, Hear, Request, Source

#: Protocols of network streams, with what they are read as.
NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "srt", "rtp")
HELP = (
    "camera, camera:1, /dev/video0, a video file, "
    "rtsp:// rtmp:// http:// udp:// srt://..., screen, test:1280x720@30"
)


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
        from maskstream.live.sources.devices import open_camera

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
        from maskstream.live.sources.devices import open_screen

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
        from maskstream.live.sources.file import FileFeed

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
        return without_secrets(self.url)

    def open(self, request: Request, hear: Hear) -> Feed:
        """Connect."""
        from maskstream.live.sources.network import NetworkFeed

        return NetworkFeed(self.url, self.name, request, hear)


@dataclass(frozen=True, slots=True)
class DrawnRoom:
    """A room that is drawn, with a figure that walks through it; see ``drawn_room.py``."""

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
        from maskstream.live.sources.drawn_room import DrawnRoomFeed

        return DrawnRoomFeed(self.width, self.height, self.fps)


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
        return _drawn_room(text)
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
        raise InputError(f"source {without_secrets(url)}: no server is named after {scheme}://")
    return Network(url)


def _drawn_room(text: str) -> Source:
    found = re.fullmatch(r"test:(\d{1,5})x(\d{1,5})(?:@(\d{1,4}(?:\.\d+)?))?", text, re.ASCII)
    if not found:
        raise InputError(f"source {text}: write it as test:WIDTHxHEIGHT@FPS, such as test:1280x720@30")
    width, height, fps = int(found[1]), int(found[2]), float(found[3] or 30)
    if not (min(width, height) >= 64 and max(width, height) <= 8192 and 0 < fps <= 1000):
        raise InputError(f"source {text}: sides go from 64 to 8192 pixels, frames a second up to 1000")
    return DrawnRoom(width, height, fps)
