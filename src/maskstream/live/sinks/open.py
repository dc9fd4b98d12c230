"""From what a user writes to a sink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maskstream.errors import InputError
from maskstream.live.sinks.sink import Routes, Sink


def open_sink(
    text: str,
    *,
    routes: Routes | None = None,
    on_key: Callable[[str], None] | None = None,
    overwrite: bool = False,
) -> Sink:
    """The sink that a text means; it is opened by its runner.

    Args:
        text: a file (``out.mp4``, ``.mkv``, ``.mov``), ``rtmp://``, ``rtsp://``, ``srt://``, ``udp://``,
            ``tcp://``, the ``http(s)://`` of a WHIP server, ``hls:folder/index.m3u8`` or
            ``folder/index.m3u8``, ``vcam`` or ``/dev/video2`` (virtual camera), ``preview`` (window),
            ``page`` or ``page:8080``.
        routes: what the page answers besides its own; ``/status.json`` too if it is among them.
        on_key: called by the preview's thread with each key that is pressed, and with ``"closed"`` when the
            user closes the window.
        overwrite: whether a file or playlist that exists may be replaced.

    Raises:
        InputError: it means none, or one that can't work here.
    """
    kind, _, rest = text.partition(":")
    if text == "preview":
        from maskstream.live.sinks.preview import PreviewSink

        return PreviewSink(on_key)
    if kind == "page":
        from maskstream.live.sinks.page import PageSink

        return PageSink(_port(text, rest), routes)
    if text == "vcam" or text.startswith("/dev/video"):
        from maskstream.live.sinks.virtual_camera import open_virtual_camera

        return open_virtual_camera(None if text == "vcam" else text)
    if "://" in text:
        from maskstream.live.sinks.network import NetworkSink

        return NetworkSink(text)
    if kind == "hls" or text.lower().endswith(".m3u8"):
        from maskstream.live.sinks.hls import HlsSink

        return HlsSink(Path(rest if kind == "hls" else text), text, overwrite=overwrite)
    if Path(text).suffix:
        from maskstream.live.sinks.file import FileSink

        return FileSink(text, overwrite=overwrite)
    raise InputError(
        f"{text}: no sink; use a file (.mp4, .mkv), an address (rtmp://, rtsp://, ...), "
        "hls:FOLDER/index.m3u8, vcam, preview or page"
    )


def file_of(text: str) -> Path | None:
    """The file that a sink of this text writes; None: it writes none."""
    kind, _, rest = text.partition(":")
    if kind in ("page", "preview", "vcam") or text.startswith("/dev/video") or "://" in text:
        return None
    return Path(rest if kind == "hls" else text)


def _port(text: str, port: str) -> int | None:
    if ":" not in text:
        return None
    if not port.isdecimal() or int(port) > 65_535:
        raise InputError(f"{text}: no such port; use page:8080")
    return int(port)
