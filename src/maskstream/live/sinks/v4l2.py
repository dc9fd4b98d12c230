"""Writes pictures into a Linux video device, as v4l2loopback makes them, with the kernel's calls alone.

Numbers and layouts are those of the kernel's interface, ``linux/videodev2.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Protocol

import cv2

from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.live.sinks.even import made_even

MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=maskstream"

_OUTPUT = 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
_CAN_OUTPUT, _TELLS_OF_DEVICE = 0x2, 0x8000_0000  # V4L2_CAP_VIDEO_OUTPUT, V4L2_CAP_DEVICE_CAPS
_YUYV = int.from_bytes(b"YUYV", "little")
_PROGRESSIVE = 1  # V4L2_FIELD_NONE
_SRGB = 8  # V4L2_COLORSPACE_SRGB: what cameras say of themselves; YCbCr of BT.601, limited


class Capability(ctypes.Structure):
    """``struct v4l2_capability``."""

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class PixelFormat(ctypes.Structure):
    """``struct v4l2_pix_format``."""

    _fields_ = tuple(
        (name, ctypes.c_uint32)
        for name in (
            *("width", "height", "pixelformat", "field", "bytesperline", "sizeimage"),
            *("colorspace", "priv", "flags", "ycbcr_enc", "quantization", "xfer_func"),
        )
    )


class _FormatUnion(ctypes.Union):
    # The pointer gives the union the alignment that other members of the kernel's give it.
    _fields_ = (("pix", PixelFormat), ("raw", ctypes.c_uint8 * 200), ("aligned", ctypes.c_void_p))


class Format(ctypes.Structure):
    """``struct v4l2_format``."""

    _fields_ = (("type", ctypes.c_uint32), ("fmt", _FormatUnion))


class _OutputParameters(ctypes.Structure):
    _fields_ = (
        ("capability", ctypes.c_uint32),
        ("outputmode", ctypes.c_uint32),
        ("numerator", ctypes.c_uint32),
        ("denominator", ctypes.c_uint32),
    )


class _ParametersUnion(ctypes.Union):
    _fields_ = (("output", _OutputParameters), ("raw", ctypes.c_uint8 * 200))


class Parameters(ctypes.Structure):
    """``struct v4l2_streamparm``."""

    _fields_ = (("type", ctypes.c_uint32), ("parm", _ParametersUnion))


def _request(direction: int, number: int, kind: type[ctypes.Structure]) -> int:
    """``_IOC`` of the architectures that Linux' cameras are used on (not MIPS, PowerPC, SPARC)."""
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | number


QUERY = _request(2, 0, Capability)  #: VIDIOC_QUERYCAP
SET_FORMAT = _request(3, 5, Format)  #: VIDIOC_S_FMT
SET_PARAMETERS = _request(3, 22, Parameters)  #: VIDIOC_S_PARM


class Device(Protocol):
    """An open device."""

    def ioctl(self, request: int, argument: ctypes.Structure) -> None:
        """Ask the driver; it may change the argument."""

    def write(self, data: memoryview) -> int:
        """Give it a picture; the number of bytes that it took."""

    def close(self) -> None:
        """Let it go."""


class LinuxDevice:
    """A device of this machine.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)

    def ioctl(self, request: int, argument: ctypes.Structure) -> None:
        """See ``Device``."""
        from fcntl import ioctl  # not on Windows

        ioctl(self._file, request, argument)

    def write(self, data: memoryview) -> int:
        """See ``Device``."""
        return os.write(self._file, data)

    def close(self) -> None:
        """See ``Device``."""
        os.close(self._file)


class V4l2Writer:
    """Gives pictures to a device in YUYV, the format that every program knows from cameras.

    Args:
        device: open; closed by ``close``, and if it can't be used.
        name: for messages.
        size: (width, height) of the pictures; an odd one is made even.
        fps: pictures a second, for those who ask the device.

    Raises:
        InputError: it takes no pictures, or none of this size and format.
    """

    def __init__(self, device: Device, name: str, size: tuple[int, int], fps: float) -> None:
        self._device = device
        self._name = name
        try:
            if not takes_pictures(device):
                raise InputError(f"{name}: is no virtual camera; make one: {MODPROBE}")
            self._set_format(size[0] + size[0] % 2, size[1] + size[1] % 2)
            self._set_rate(fps)
        except BaseException:
            device.close()
            raise

    def write(self, image: Frame) -> None:
        """Show a picture.

        Args:
            image: ``(H, W, 3)`` uint8 RGB, of the size that was given.

        Raises:
            OSError: the device has gone.
        """
        data = cv2.cvtColor(made_even(image), cv2.COLOR_RGB2YUV_YUYV).data.cast("B")
        taken = self._device.write(data)
        if taken != len(data):
            raise OSError(errno.EIO, f"took {taken} of {len(data)} bytes")

    def close(self) -> None:
        """Let the device go."""
        self._device.close()

    def _set_format(self, width: int, height: int) -> None:
        wanted = Format(type=_OUTPUT)
        pix = wanted.fmt.pix
        pix.width, pix.height, pix.pixelformat = width, height, _YUYV
        pix.field, pix.colorspace = _PROGRESSIVE, _SRGB
        pix.bytesperline, pix.sizeimage = 2 * width, 2 * width * height
        try:
            self._device.ioctl(SET_FORMAT, wanted)
        except OSError as error:
            raise InputError(
                f"{self._name}: takes no {width}x{height} pictures ({error.strerror}); end the program "
                f"that uses it, or create it again: sudo modprobe -r v4l2loopback; {MODPROBE}"
            ) from error
        got = (pix.width, pix.height, pix.pixelformat, pix.bytesperline or 2 * width)
        if got != (width, height, _YUYV, 2 * width):
            raise InputError(
                f"{self._name}: wants {pix.width}x{pix.height} pictures, not {width}x{height}; end the "
                f"program that uses it, or create it again: sudo modprobe -r v4l2loopback; {MODPROBE}"
            )

    def _set_rate(self, fps: float) -> None:
        wanted = Parameters(type=_OUTPUT)
        wanted.parm.output.numerator, wanted.parm.output.denominator = 1000, round(1000 * fps)
        try:
            self._device.ioctl(SET_PARAMETERS, wanted)
        except OSError:
            return  # it tells no rate; pictures come all the same


def takes_pictures(device: Device) -> bool:
    """Whether pictures can be given to a device; cameras give them."""
    told = Capability()
    try:
        device.ioctl(QUERY, told)
    except OSError:
        return False
    what = told.device_caps if told.capabilities & _TELLS_OF_DEVICE else told.capabilities
    return bool(what & _CAN_OUTPUT)


def find_device(folder: Path = Path("/dev")) -> Path | None:
    """The first device that takes pictures; None: there is none."""
    numbered = sorted(folder.glob("video[0-9]*"), key=lambda path: int(path.name[5:]))
    for path in numbered:
        try:
            device = LinuxDevice(path)
        except OSError:
            continue
        try:
            if takes_pictures(device):
                return path
        finally:
            device.close()
    return None
