"""The process that sends a stream: ``python -m maskstream.live.sinks.push``, started by ``NetworkSink``.

It reads one line of JSON, then a stream in FFmpeg's NUT, from its standard input, and sends the stream on
unchanged. The first pictures only tell what kind it is and aren't sent. It answers on its standard output, in
lines of JSON: once when it is connected, and why it ends when something fails. A call that takes too long
ends it, by a timer of ``faulthandler`` that needs no help of Python.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
from av.error import FFmpegError, ProtocolNotFoundError

INTRODUCTION = 2  #: pictures that aren't sent; two, because a muxer may hold the newest back
#: No waiting for more than there is: the first picture says all.
_READ_AT_ONCE = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}


def push(source: BinaryIO, task: dict[str, Any]) -> None:
    """Send a stream until it ends.

    Args:
        source: unbuffered.
        task: ``address``, ``container``, ``options`` and ``longest_call`` (seconds).
    """
    stream = av.open(source, "r", format="nut", buffer_size=4096, options=_READ_AT_ONCE)
    limit = task["longest_call"]
    with _at_most(limit):
        output = av.open(task["address"], "w", format=task["container"], container_options=task["options"])
        places = {one.index: output.add_stream_from_template(one) for one in stream.streams}
        output.start_encoding()
    _answer(connected=True)
    to_skip = INTRODUCTION
    for packet in stream.demux():
        if not packet.size:
            continue
        if to_skip and packet.stream.type == "video":
            to_skip -= 1
            continue
        if packet.dts is None:
            packet.dts = packet.pts  # there are no B-frames
        packet.stream = places[packet.stream.index]
        with _at_most(limit):
            output.mux(packet)
    with _at_most(limit):
        output.close()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the process if the block takes longer, even where it lets no other thread run."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _answer(**words: object) -> None:
    print(json.dumps(words), flush=True)


def main() -> None:
    """Do what the standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the stream ends it
    source = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - for as long as it runs
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = source.read(1)
        if not byte:
            return
        line += byte
    task = json.loads(line)
    try:
        push(source, task)
    except ProtocolNotFoundError:
        scheme = task["address"].split(":")[0]
        _answer(error=f"this PyAV can't send to {scheme}://; use rtmp:// or rtsp://", fatal=True)
    except (FFmpegError, OSError) as error:
        _answer(error=(error.strerror or type(error).__name__).lower(), fatal=False)
    except Exception as error:
        _answer(error=f"{type(error).__name__}: {error}", fatal=False)
    else:
        return
    sys.stdout.flush()
    os._exit(1)  # without closing the output, which might wait for the server once more


if __name__ == "__main__":
    main()
