"""Cameras and the screen: through FFmpeg's devices, cameras through OpenCV where that fails."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import closing
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.live.sources.clock import Clock
from maskstream.live.sources.source import Feed, Request, SourceError
from maskstream.live.sources.stream import (
    ContainerFeed,
    Refused,
    StreamFeed,
    open_container,
    reason_of,
    video_stream,
)
from maskstream.video.colour import BT601, ColourTags

logger = logging.getLogger(__name__)

_SIZE, _FPS = (1280, 720), 30.0  #: that cameras are asked for unless told
_CAMERA = ColourTags(matrix=BT601)  # what cameras mean by untagged pictures of any size (USB Video Class)


class DeviceFeed(ContainerFeed):
    """A camera or the screen through one of FFmpeg's devices; frames as they come, without sound.

    Args:
        name: for messages.
        device: as FFmpeg calls it.
        kind: FFmpeg's demuxer.
        attempts: options to try in turn, the best first.
        untagged: colours of pictures that don't say.

    Raises:
        SourceError: it can't be opened now.
        InputError: FFmpeg has no such demuxer.
    """

    def __init__(
        self, name: str, device: str, kind: str, attempts: tuple[dict[str, str], ...], untagged: ColourTags
    ) -> None:
        super().__init__()
        self._name = name
        for options in attempts[:-1]:
            try:
                container = open_container(self._stack, name, device, kind, options, None)
                break
            except Refused:
                continue
        else:
            container = open_container(self._stack, name, device, kind, attempts[-1], None)
        video = video_stream(name, container)
        self._feed = StreamFeed(name, container, video, Clock(), None, untagged)
        self.frame_rate = self._feed.frame_rate
        self._frames = self._stack.enter_context(closing(self._feed.frames()))

    def grab(self) -> None:
        """Wait for the next frame."""
        try:
            found = next(self._frames, None)
        except FFmpegError as error:
            raise SourceError(f"{self._name}: {reason_of(error)}") from error
        if found is None:
            raise SourceError(f"{self._name}: it no longer delivers pictures")
        self._current = self._feed, found[0]


def open_camera(device: int | str, name: str, request: Request) -> Feed:
    """Open a camera at the size and rate that are wished for, or near them.

    Args:
        device: its number, or its device (Linux) or name (macOS, Windows).
        name: for messages.
        request: size and rate.

    Raises:
        InputError: there is no such camera.
        SourceError: it is unplugged, in use, or forbidden.
    """
    width, height = request.size or _SIZE
    size, rate = {"video_size": f"{width}x{height}"}, {"framerate": f"{request.fps or _FPS:g}"}
    try:
        if sys.platform == "linux":
            path = f"/dev/video{device}" if isinstance(device, int) else device
            jpeg = {"input_format": "mjpeg"}
            return DeviceFeed(name, path, "v4l2", (size | rate | jpeg, size | rate, size, {}), _CAMERA)
        if sys.platform == "darwin":
            # It refuses rates and sizes that the camera doesn't have to the letter.
            attempts = (size | rate, size | {"framerate": "30"}, rate, {"framerate": "30"}, {})
            return DeviceFeed(name, f"{device}:none", "avfoundation", attempts, _CAMERA)
        if sys.platform == "win32":
            jpeg = {"vcodec": "mjpeg", "rtbufsize": "64M"}
            attempts = (size | rate | jpeg, size | rate, size, {})
            return DeviceFeed(name, f"video={_windows_name(device)}", "dshow", attempts, _CAMERA)
        raise Refused(f"{name}: FFmpeg knows no cameras on {sys.platform}")
    except (Refused, InputError) as error:
        logger.info("%s; trying OpenCV", error)
        try:
            return OpenCvFeed(device, name, request)
        except SourceError:
            raise error from None


def _windows_name(device: int | str) -> str:
    """The name of a camera, that DirectShow wants."""
    if isinstance(device, str):
        return device
    listed: Any = getattr(av, "enumerate_input_devices", lambda kind: [])("dshow")
    cameras = [d.description or d.name for d in listed if "video" in d.media_types]
    if device >= len(cameras):
        raise InputError(f"source camera:{device}: no such camera; there are {', '.join(cameras) or 'none'}")
    return str(cameras[device])


def open_screen(which: str, name: str, request: Request) -> Feed:
    """Open the screen.

    Args:
        which: X display (Linux), number of the screen (macOS), title of a window (Windows); empty: the first.
        name: for messages.
        request: rate.

    Raises:
        InputError: there is no screen, or none that can be read.
        SourceError: it can't be opened now.
    """
    rate = {"framerate": f"{request.fps or _FPS:g}"}
    if sys.platform == "darwin":
        device = f"Capture screen {which or 0}:none"
        return DeviceFeed(name, device, "avfoundation", (rate, {}), ColourTags())
    if sys.platform == "win32":
        return DeviceFeed(name, f"title={which}" if which else "desktop", "gdigrab", (rate,), ColourTags())
    display = which or os.environ.get("DISPLAY", "")
    if not display:
        raise InputError(
            f"source {name}: no X display (DISPLAY is not set); give one as screen::0, or share the screen "
            "as a stream"
        )
    try:
        return DeviceFeed(name, display, "x11grab", (rate,), ColourTags())
    except Refused as error:
        raise InputError(
            f"source {name}: the X display {display} can't be read; is it running, and may this user see it?"
        ) from error


class OpenCvFeed:
    """A camera through OpenCV.

    Args:
        device: its number or device.
        name: for messages.
        request: size and rate.

    Raises:
        SourceError: it can't be opened.
    """

    sound = False
    pixel_aspect = 1.0

    def __init__(self, device: int | str, name: str, request: Request) -> None:
        # Read when a camera is first opened; with them, Media Foundation takes up to 20 s to open one.
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
        import cv2

        self._cv2 = cv2
        self._name = name
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{name}: it can't be opened")
        width, height = request.size or _SIZE
        for key, value in (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, request.fps or _FPS),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(key, value)
        self.frame_rate: float | None = self._capture.get(cv2.CAP_PROP_FPS) or None

    def grab(self) -> None:
        """Wait for the next frame."""
        if not self._capture.grab():
            raise SourceError(f"{self._name}: it no longer delivers pictures")

    def picture(self) -> Frame:
        """The frame that was grabbed."""
        found, image = self._capture.retrieve()
        if not found or image.ndim != 3:
            raise SourceError(f"{self._name}: a picture could not be decoded")
        return np.asarray(self._cv2.cvtColor(image, self._cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()
