"""Local files for FFmpeg: by their names alone, within bounds, and nothing that names other files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from maskstream.errors import InputError, one_line
from maskstream.files import check_is_there
from maskstream.pictures import most_pixels, opened_picture

#: PyAV 19 always reads metadata this way and has no such arguments; before, a Latin-1 title was an error.
OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}
)

#: Formats by which FFmpeg reads any text as a picture of letters.
TEXT_FORMATS = frozenset(("tty", "bin", "xbin", "adf", "idf"))
#: Formats that lead to other files, or to the network; ``image2`` takes a ``%`` in a name for a pattern.
_LEADING = frozenset(
    ("concat", "dash", "hls", "image2", "imf", "lavfi", "rtsp", "sdp", "vobsub", "webm_dash_manifest")
)
#: How files begin that name others, and what they are.
_PLAYLISTS = {
    b"#EXTM3U": "HLS playlist",
    b"ffconcat": "list of files",
    b"[playlist]": "playlist",
    b"v=0": "session description",
}


def url_of(path: Path) -> str:
    """A local file as FFmpeg takes it: what stands before a colon would be a protocol else."""
    return f"file:{path}"


def name_of(container: Any) -> str:
    """The name of an open file, as the user gave it."""
    return str(container.name).removeprefix("file:")


def open_file(path: Path) -> InputContainer:
    """Open a local file for reading, and no other file that it may name.

    Raises:
        InputError: it isn't there, is a pipe or device, leads to other files, or can't be read.
    """
    check_is_there(path)
    limits: dict[str, Any] = {"stream_options": [{"max_pixels": _decoder_limit()}]}
    try:
        try:
            return _opened(path, limits)
        except ValueError as error:
            if isinstance(error, FFmpegError):
                raise
            return _opened(path, {})  # a format that only says later what its streams are
    except FFmpegError as error:
        if kind := _playlist(path):
            raise InputError(
                f"{path}: is a {kind}, which names other files; give the video itself"
            ) from error
        reason = one_line(error).lower()
        raise InputError(
            f"{path}: not a readable video ({reason}); it is damaged, cut short or of another kind"
        ) from error


def _opened(path: Path, limits: dict[str, Any]) -> InputContainer:
    options = {"format_whitelist": _formats(), "protocol_whitelist": "file"}
    opened: InputContainer = av.open(url_of(path), container_options=options, **limits, **OPEN_OPTIONS)
    return opened


def check_picture(path: Path, container: InputContainer) -> None:
    """Refuse an image file, animated or not, that has too many pixels; FFmpeg would not say so.

    Raises:
        InputError: that.
    """
    if container.format.name in ("gif", "apng") or container.format.name.endswith("_pipe"):
        try:
            with opened_picture(path):
                pass
        except InputError:
            raise
        except (OSError, SyntaxError, ValueError):
            pass  # of a kind that only FFmpeg knows


def main_picture(container: InputContainer) -> VideoStream | None:
    """The video stream that is worked on: the one that players choose, so the first default one, if any.

    Cover pictures are none.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return next((s for s in streams if s.disposition & Disposition.default), streams[0] if streams else None)


def limit_pixels(stream: VideoStream) -> None:
    """Have a decoder refuse larger pictures than may be, before it has any memory for them."""
    context = stream.codec_context
    context.options = {**context.options, "max_pixels": _decoder_limit()}


def _decoder_limit() -> str:
    """A little more than pictures may have, for decoders count what they align to as well."""
    return str(2 * most_pixels())


@cache
def _formats() -> str:
    """All formats but those that lead elsewhere, for FFmpeg's list of what may be opened."""
    return ",".join(sorted(name for name in av.formats_available if not _LEADING & set(name.split(","))))


def _playlist(path: Path) -> str | None:
    """What kind of a list of other files this is; None: none."""
    try:
        with open(path, "rb") as file:
            begin = file.read(2000).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return None
    if b"<MPD" in begin or b"<SegmentList" in begin:
        return "DASH manifest"
    return next((kind for mark, kind in _PLAYLISTS.items() if begin.startswith(mark)), None)
