"""Streams to a server: RTMP, RTSP, SRT, MPEG-TS over UDP or TCP, WHIP.

The encoding is done here, the sending in a process of its own (``push.py``): FFmpeg waits for servers inside
calls in which PyAV 18 lets no other thread run, so that a server that doesn't answer would stop the camera
and all other sinks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import av
import numpy as np

from maskstream.addresses import without_secrets
from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.encoded import Encoding
from maskstream.live.sinks.sink import NotYet, Traits, picture_of

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

_LONGEST_CALL = 8.0  # seconds that a server may take for one thing, until it is given up
_LAST_WORDS = 2.0  # seconds that the sending process has for what is left at the end
_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "1"}  # the other process interleaves


@dataclass(frozen=True)
class _Kind:
    """How a kind of address is sent to.

    Attributes:
        container: FFmpeg's name.
        options: of the muxer and the protocol.
        sound: codec of the sound.
    """

    container: str
    options: dict[str, str] = field(default_factory=dict)
    sound: str = "aac"


_RTMP = _Kind("flv", {"flvflags": "no_duration_filesize"})
_RTSP = _Kind("rtsp", {"rtsp_transport": "tcp"})
_TS = _Kind("mpegts", {"mpegts_flags": "resend_headers", "pkt_size": "1316"})
_WHIP = _Kind("whip", sound="libopus")  # RFC 9725
_KINDS = {
    "rtmp": _RTMP,
    "rtmps": _RTMP,
    "rtsp": _RTSP,
    "srt": _TS,
    "udp": _TS,
    "tcp": _TS,
    "http": _WHIP,
    "https": _WHIP,
}
SCHEMES = tuple(_KINDS)  #: of addresses that can be sent to


class NetworkSink:
    """Sends to a server, and again after a while when that fails.

    Args:
        address: ``rtmp://``, ``rtmps://``, ``rtsp://``, ``srt://``, ``udp://``, ``tcp://``, or the
            ``http(s)://`` of a WHIP server. ``name`` leaves out what may be secret in it.

    Raises:
        InputError: another kind of address, or one that names no server, or this PyAV can't send to such.
    """

    traits = Traits(retries=True)

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        kind = _KINDS.get(parts.scheme.lower())
        if kind is None or not parts.hostname:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise InputError(f"{without_secrets(address)}: no address to send to; use {known}...")
        self.name = "/".join(without_secrets(address).split("/")[:3])
        if kind.container not in av.formats_available:
            raise InputError(f"{self.name}: this PyAV can't send {kind.container}; use rtmp:// or rtsp://")
        self._address = address
        self._kind = kind
        self._sender: _Sender | None = None
        self._encoding: Encoding | None = None

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Begin to connect; pictures are sent from when that is done."""
        task = {"address": self._address, "container": self._kind.container, "options": self._kind.options}
        self._sender = _Sender({**task, "longest_call": _LONGEST_CALL})
        output = av.open(self._sender, "w", format="nut", buffer_size=4096, container_options=_AT_ONCE)
        self._encoding = Encoding(output, size, fps, audio, self._kind.sound, bounded=True)
        self._encoding.introduce(np.zeros((size[1], size[0], 3), np.uint8))

    def show(self, sealed: Sealed, time: float) -> None:
        """Send a frame.

        Raises:
            NotYet: not connected yet.
            OSError: the connection could not be made, or broke.
        """
        picture_of(sealed)
        assert self._sender is not None
        assert self._encoding is not None
        self._sender.check()
        try:
            self._encoding.write(sealed, time)
        except OSError:
            self._sender.check(ended=True)
            raise

    def close(self) -> None:
        """End the stream."""
        encoding, self._encoding = self._encoding, None
        sender, self._sender = self._sender, None
        if sender is None:
            return
        try:
            if encoding is not None and sender.is_connected:
                with suppress(OSError):  # the other side has gone, which is fine at the end
                    encoding.finish()
        finally:
            sender.close()


class _Sender:
    """The sending process, as a file that an encoding is written to."""

    def __init__(self, task: dict[str, object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maskstream.live.sinks.push"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._connected = Event()
        self._fatal = False
        self._said = ""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._into: IO[bytes] = self._process.stdin
        self._listener = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        self.write(json.dumps(task).encode() + b"\n")  # no argument: other users could read those

    def _listen(self, answers: IO[bytes]) -> None:
        with answers:
            for line in answers:
                answer = json.loads(line)
                if "error" in answer:
                    self._said, self._fatal = answer["error"], answer["fatal"]
                else:
                    self._connected.set()

    @property
    def is_connected(self) -> bool:
        """Whether pictures can be sent."""
        return self._connected.is_set() and self._process.poll() is None

    def check(self, ended: bool = False) -> None:
        """Raise if nothing can be sent.

        Args:
            ended: it is known that the process ends; wait for what it has to say.

        Raises:
            NotYet: it can't yet.
            InputError: it never can.
            OSError: it no longer works.
        """
        if ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
        if self._process.poll() is not None:
            self._listener.join(_LAST_WORDS)
            if self._fatal:
                raise InputError(self._said)
            raise OSError(self._said or f"the server has not answered for {_LONGEST_CALL:.0f} s")
        if not self._connected.is_set():
            raise NotYet("connecting")

    def write(self, data: bytes) -> int:
        """All of some bytes to the process."""
        view = memoryview(data)
        while view:
            view = view[self._into.write(view) :]
        return len(data)

    def close(self) -> None:
        """End the process: at once if it never connected, else after it has sent what it has."""
        if not self._connected.is_set():
            self._process.kill()
        with suppress(OSError):
            self._into.close()
        try:
            self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_LAST_WORDS)
