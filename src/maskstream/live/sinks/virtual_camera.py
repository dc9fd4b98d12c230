"""A camera that other programs choose: on Linux v4l2loopback, else by the extra ``vcam``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.sink import Sink, Traits, picture_of
from maskstream.live.sinks.v4l2 import MODPROBE, Device, LinuxDevice, V4l2Writer, find_device

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap


def open_virtual_camera(device: str | None) -> Sink:
    """The virtual camera of this system.

    Args:
        device: ``/dev/video2``, on Linux; None: the first that there is.

    Raises:
        InputError: there is none, with what to install.
    """
    if sys.platform.startswith("linux"):
        return V4l2Sink(device)
    if device is not None:
        raise InputError(f"{device}: a device file is a camera on Linux only; use vcam")
    return PyVirtualCamSink()


class V4l2Sink:
    """A v4l2loopback device. It shows the last frame until there is another, also while nothing comes.

    Args:
        device: its path; None: the first virtual camera.
        open_device: opens one.

    Raises:
        InputError: there is none.
    """

    traits = Traits(retries=True, repeats=True)

    def __init__(self, device: str | None, open_device: Callable[[Path], Device] = LinuxDevice) -> None:
        self.name = device or "vcam"
        found = Path(device) if device is not None else find_device()
        if found is None or (open_device is LinuxDevice and not found.exists()):
            raise InputError(
                f"{self.name}: there is no such virtual camera; make one: {MODPROBE} "
                "(Debian, Ubuntu: sudo apt install v4l2loopback-dkms)"
            )
        self._path = found
        self.where = str(found)
        self._open_device = open_device
        self._writer: V4l2Writer | None = None

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Take the device."""
        try:
            device = self._open_device(self._path)
        except PermissionError as error:
            raise InputError(
                f"{self._path}: may not be written to; join its group: sudo usermod -aG video $USER"
            ) from error
        self._writer = V4l2Writer(device, str(self._path), size, fps)

    def show(self, sealed: Sealed, time: float) -> None:
        """Show a frame to whoever has chosen the camera."""
        picture = picture_of(sealed)
        assert self._writer is not None
        self._writer.write(picture)

    def close(self) -> None:
        """Let the device go."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class PyVirtualCamSink:
    """The virtual camera of OBS, by pyvirtualcam.

    pyvirtualcam is under GPL-2.0, so it is no part of the base install and nothing but this imports it.

    Raises:
        InputError: it isn't installed.
    """

    traits = Traits(retries=True, repeats=True)

    def __init__(self) -> None:
        self.name = "vcam"
        try:
            self._library: Any = import_module("pyvirtualcam")
        except ImportError as error:
            raise InputError(
                "vcam: a virtual camera needs OBS Studio (obsproject.com) and pyvirtualcam (GPL-2.0): "
                "pip install 'maskstream[vcam]'"
            ) from error
        self._camera: Any = None

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Start the camera.

        Raises:
            InputError: OBS isn't installed, or its camera is in use.
        """
        try:
            self._camera = self._library.Camera(*size, fps, fmt=self._library.PixelFormat.RGB)
        except RuntimeError as error:
            raise InputError(
                f"vcam: the virtual camera can't be started ({' '.join(str(error).split())}); install "
                "OBS Studio, start its virtual camera once and stop it again"
            ) from error

    def show(self, sealed: Sealed, time: float) -> None:
        """Show a frame to whoever has chosen the camera."""
        self._camera.send(picture_of(sealed))

    def close(self) -> None:
        """Stop the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
