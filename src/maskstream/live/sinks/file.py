"""A recording: a file that is whole when it has its name, and plays up to there when something ended it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from av.error import FFmpegError

from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.encoded import Encoding, opened
from maskstream.live.sinks.sink import Traits, picture_of
from maskstream.video.encoders import container_of

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

logger = logging.getLogger(__name__)

FILE_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")  #: of recordings


class FileSink:
    """Records into a file: H.264, with AAC if there is sound.

    It is written as ``NAME.part.mp4`` beside and renamed at the end. Should the process, the machine or the
    disk give up, that file stays, and plays up to the last second: an mp4 or mov is written in fragments
    (``hybrid_fragmented``), which become an ordinary file at the end; Matroska is made that way. What an
    earlier run left so is not written over.

    Args:
        path: the file.
        overwrite: whether one that exists may be replaced, at the end.

    Raises:
        InputError: no such kind of file, no such folder, or there is such a file.
    """

    traits = Traits(patience=10.0)

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.name = str(path)
        self._path = Path(path)
        if self._path.suffix.lower() not in FILE_SUFFIXES:
            raise InputError(f"{path}: can't record this kind of file; use {', '.join(FILE_SUFFIXES)}")
        if not self._path.absolute().parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; make it first")
        if self._path.exists() and not overwrite:
            raise InputError(f"{path}: exists; give --overwrite to replace it, or another name")
        self._begin: Callable[[], Encoding]
        self._part: Path | None = None
        self._encoding: Encoding | None = None

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Say what comes; the file is begun by the first frame."""
        self._begin = lambda: self._begun(size, fps, audio)

    def _begun(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> Encoding:
        self._part = self._unused()
        container = container_of(self._path)
        options = {"cluster_time_limit": "1000"}  # milliseconds, of Matroska
        if container in ("mp4", "mov"):
            options = {"movflags": "+hybrid_fragmented+frag_keyframe", "frag_duration": "1000000"}
        output = opened(self.name, f"file:{self._part}", container, options)
        return Encoding(output, size, fps, audio)

    def show(self, sealed: Sealed, time: float) -> None:
        """Append a frame."""
        picture_of(sealed)
        if self._encoding is None:
            self._encoding = self._begin()
        try:
            self._encoding.write(sealed, time)
        except FFmpegError as error:
            # Not finished: what is there can be played, and more can't be written.
            self._encoding = None
            raise OSError(
                error.errno, f"{error.strerror}; what was recorded until then is {self._part}"
            ) from error

    def close(self) -> None:
        """Finish the file and give it its name, if there was a frame."""
        encoding, self._encoding = self._encoding, None
        part, self._part = self._part, None
        if encoding is not None and part is not None:
            encoding.finish()
            os.replace(part, self._path)

    def _unused(self) -> Path:
        stem, suffix = self._path.stem, self._path.suffix
        number = 1
        while (part := self._path.with_name(f"{stem}.part{number if number > 1 else ''}{suffix}")).exists():
            logger.warning("%s: left by a recording that was ended; it is kept", part)
            number += 1
        return part
