"""The virtual camera and the preview, against stand-ins for the kernel, pyvirtualcam and a screen."""

import ctypes
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.sinks import SinkRunner, open_sink
from maskstream.live.sinks import v4l2 as kernel
from maskstream.live.sinks.preview import PreviewSink
from maskstream.live.sinks.virtual_camera import PyVirtualCamSink, V4l2Sink, open_virtual_camera
from tests.helpers.sink_tools import SIZE, eventually, sealed

COLOURS = [(255, 255, 255), (0, 0, 0), (220, 30, 40), (20, 40, 220), (40, 200, 60)]


class Loopback:
    """Answers as v4l2loopback does."""

    def __init__(self, output=True, size=None, format_error=None, rate_error=None, gone=False):
        self.output, self.size, self.gone = output, size, gone
        self.format_error, self.rate_error = format_error, rate_error
        self.format = self.rate = None
        self.pictures, self.is_open = [], True

    def ioctl(self, request, argument):
        if request == kernel.QUERY:
            # A camera that was plugged in says this of itself; v4l2loopback with exclusive_caps the other.
            argument.capabilities = 0x8000_0000 | 0x1 | 0x2
            argument.device_caps = 0x2 if self.output else 0x1
        elif request == kernel.SET_FORMAT:
            if self.format_error:
                raise self.format_error
            assert argument.type == 2
            pix = argument.fmt.pix
            if self.size:
                pix.width, pix.height = self.size
            self.format = (pix.width, pix.height, pix.pixelformat.to_bytes(4, "little"), pix.sizeimage)
        elif request == kernel.SET_PARAMETERS:
            if self.rate_error:
                raise self.rate_error
            self.rate = argument.parm.output.denominator / argument.parm.output.numerator
        else:
            raise AssertionError(hex(request))

    def write(self, data):
        if self.gone:
            raise OSError(19, "No such device")
        self.pictures.append(bytes(data))
        return len(data)

    def close(self):
        self.is_open = False


def camera(device, size=SIZE):
    sink = V4l2Sink("/dev/video7", lambda path: device)
    sink.open(size, 25.0, None)
    return sink


def rgb_of(yuyv, width, height):
    """BT.601, limited range, as programs take what cameras give."""
    values = np.frombuffer(yuyv, np.uint8).reshape(height, width // 2, 4).astype(float)
    y = values[..., [0, 2]].reshape(height, width)
    u, v = (np.repeat(values[..., place], 2, 1) - 128 for place in (1, 3))
    y = 1.164383 * (y - 16)
    return np.stack([y + 1.596027 * v, y - 0.391762 * u - 0.812968 * v, y + 2.017232 * u], -1)


def test_numbers_are_the_kernels() -> None:
    """As the C compiler makes them of linux/videodev2.h on 64-bit machines."""
    assert ctypes.sizeof(kernel.Capability) == 104
    assert ctypes.sizeof(kernel.PixelFormat) == 48
    assert ctypes.sizeof(kernel.Parameters) == 204
    assert (kernel.QUERY, kernel.SET_PARAMETERS) == (0x80685600, 0xC0CC5616)
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert (ctypes.sizeof(kernel.Format), kernel.SET_FORMAT) == (208, 0xC0D05605)


@pytest.mark.parametrize("colour", COLOURS)
def test_pictures_are_given_in_the_format_that_was_agreed_on(colour) -> None:
    device = Loopback()
    sink = camera(device)
    sink.show(sealed(colour), 0.0)
    assert device.format == (*SIZE, b"YUYV", SIZE[0] * SIZE[1] * 2)
    assert device.rate == 25
    assert np.abs(rgb_of(device.pictures[0], *SIZE) - colour).max() < 4
    sink.close()
    assert not device.is_open


def test_odd_sizes_are_made_even() -> None:
    device = Loopback()
    camera(device, (33, 27)).show(sealed(size=(33, 27)), 0.0)
    assert device.format[:2] == (34, 28)
    assert len(device.pictures[0]) == 34 * 28 * 2


def test_a_device_that_knows_no_rate_is_used_all_the_same() -> None:
    device = Loopback(rate_error=OSError(25, "Inappropriate ioctl for device"))
    camera(device).show(sealed(), 0.0)
    assert device.pictures


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (Loopback(output=False), "is no virtual camera.*exclusive_caps=1"),
        (Loopback(size=(1280, 720)), "wants 1280x720 pictures, not 64x48"),
        (Loopback(format_error=OSError(16, "Device or resource busy")), "Device or resource busy.*end the"),
    ],
)
def test_a_device_that_can_not_be_used_is_let_go_with_one_line(device, why) -> None:
    with pytest.raises(InputError, match=why) as error:
        camera(device)
    assert "\n" not in str(error.value)
    assert not device.is_open


def test_a_camera_without_rights_says_how_to_get_them() -> None:
    def open_device(path):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(InputError, match="usermod -aG video"):
        V4l2Sink("/dev/video7", open_device).open(SIZE, 30.0, None)


def test_the_camera_goes_on_with_the_last_frame_while_nothing_comes() -> None:
    device = Loopback()
    runner = SinkRunner([V4l2Sink("/dev/video7", lambda path: device)])
    runner.open(SIZE, 30.0, None)
    assert runner.places == {"/dev/video7": "/dev/video7"}
    runner.show(sealed(COLOURS[2]), 0.0)
    eventually(lambda: len(device.pictures) > 3)
    runner.close()
    assert len(set(device.pictures)) == 1


def test_a_camera_that_is_made_anew_is_taken_again() -> None:
    devices = [Loopback(gone=True), Loopback()]
    kept = list(devices)
    runner = SinkRunner([V4l2Sink("/dev/video7", lambda path: devices.pop(0))], back_off=(0.05, 0.05))
    runner.open(SIZE, 30.0, None)

    def shown():
        runner.show(sealed(), 0.0)
        time.sleep(0.01)
        return kept[1].pictures

    eventually(shown)
    runner.close()
    assert not kept[0].is_open


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux")
@pytest.mark.parametrize("text", ["vcam", "/dev/video98"])
def test_without_a_device_one_line_says_how_to_make_one(text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskstream.live.sinks.virtual_camera.find_device", lambda: None)
    with pytest.raises(InputError, match="modprobe v4l2loopback exclusive_caps=1") as error:
        open_sink(text)
    assert "\n" not in str(error.value)


def test_the_first_device_that_takes_pictures_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 2, 10):
        (tmp_path / f"video{number}").touch()
    devices = {"video0": Loopback(output=False), "video2": Loopback(), "video10": Loopback()}
    monkeypatch.setattr(kernel, "LinuxDevice", lambda path: devices[path.name])
    assert kernel.find_device(tmp_path) == tmp_path / "video2"
    assert not devices["video0"].is_open
    devices["video2"].output = devices["video10"].output = False
    assert kernel.find_device(tmp_path) is None


def test_a_plain_file_takes_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    with pytest.raises(InputError, match="is no virtual camera"):
        V4l2Sink(str(path)).open(SIZE, 30.0, None)


def test_elsewhere_pyvirtualcam_is_asked_for_by_its_licence_and_used_if_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(InputError, match=r"GPL-2.0.*maskstream\[vcam\]"):
        open_virtual_camera(None)
    with pytest.raises(InputError, match="on Linux only"):
        open_virtual_camera("/dev/video7")

    sent, closed = [], []

    def make(width, height, fps, fmt):
        assert (width, height, fps, fmt) == (*SIZE, 30.0, "RGB")
        return SimpleNamespace(send=sent.append, close=lambda: closed.append(1))

    library = SimpleNamespace(Camera=make, PixelFormat=SimpleNamespace(RGB="RGB"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", library)
    sink = open_virtual_camera(None)
    assert isinstance(sink, PyVirtualCamSink)
    sink.open(SIZE, 30.0, None)
    frame = sealed(COLOURS[3])
    sink.show(frame, 0.0)
    assert sent[0] is frame.image
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(frame.image, 0.0)
    sink.close()
    assert closed

    def refuse(*_, **__):
        raise RuntimeError("virtual camera output could not be started")

    library.Camera = refuse
    with pytest.raises(InputError, match="install OBS Studio"):
        open_virtual_camera(None).open(SIZE, 30.0, None)


def test_only_sealed_frames_are_given_to_the_camera() -> None:
    device = Loopback()
    sink = camera(device)
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(sealed().image, 0.0)
    assert not device.pictures


@pytest.fixture
def screen(monkeypatch):
    """A stand-in for OpenCV's windows."""
    it = SimpleNamespace(shown=[], keys=[], visible=1.0, destroyed=0)
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, image: it.shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: it.keys.pop(0) if it.keys else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: it.visible)
    monkeypatch.setattr(cv2, "destroyWindow", lambda _: setattr(it, "destroyed", it.destroyed + 1))
    return it


def test_the_preview_shows_frames_and_passes_keys_on(screen) -> None:
    pressed = []
    sink = open_sink("preview", on_key=pressed.append)
    sink.open(SIZE, 30.0, None)
    screen.keys = [ord(" "), -1, ord("q")]
    for _ in range(3):
        sink.show(sealed(COLOURS[2]), 0.0)
    assert pressed == [" ", "q"]
    assert (screen.shown[0][0, 0] == COLOURS[2][::-1]).all()
    sink.close()
    assert screen.destroyed == 1


def test_a_window_that_the_user_closes_stays_closed_and_is_told_once(screen) -> None:
    pressed = []
    sink = PreviewSink(pressed.append)
    sink.open(SIZE, 30.0, None)
    screen.visible = 0.0
    for _ in range(3):
        sink.show(sealed(), 0.0)
    sink.close()
    assert pressed == ["closed"]
    assert len(screen.shown) == 1


def test_only_sealed_frames_are_previewed(screen) -> None:
    sink = PreviewSink()
    sink.open(SIZE, 30.0, None)
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(sealed().image, 0.0)
    assert not screen.shown


def test_without_windows_one_line_names_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_):
        raise cv2.error("The function is not implemented.\nRebuild the library")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(InputError, match="use page") as error:
        PreviewSink().open(SIZE, 30.0, None)
    assert "\n" not in str(error.value)
