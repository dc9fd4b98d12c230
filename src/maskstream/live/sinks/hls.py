"""A playlist that web players follow, with the last few pieces of the stream beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.encoded import KEY_SECONDS, Encoding, opened

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

_LISTED = 6  # segments in the playlist; one more is kept for players that are late


class HlsSink:
    """Writes an HLS playlist with segments of two seconds; old ones are deleted (RFC 8216).

    Args:
        path: the playlist, ``.m3u8``; segments lie beside it as ``NAME-000001.ts``. Its folder is made.
        name: what the user calls it; None: the path.
        overwrite: whether what an earlier run left of both may be deleted.

    Raises:
        InputError: the name has another end, the folder can't be made, or there is such a playlist.
    """

    def __init__(self, path: Path, name: str | None = None, *, overwrite: bool = False) -> None:
        self.name = name or str(path)
        self._path = path
        self._encoding: Encoding | None = None
        if path.suffix.lower() != ".m3u8":
            raise InputError(f"{self.name}: a playlist's name ends in .m3u8")
        if re.search(r"%\d*d", str(path.absolute())):
            raise InputError(f"{self.name}: %d can't be in the name of a playlist or its folder; use another")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists; give --overwrite to replace it, or another name")
        try:
            path.absolute().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: its folder can't be made ({error.strerror}); use another") from error

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Begin the playlist."""
        self._delete_old()
        # Absolute: FFmpeg takes what stands before a colon for a protocol elsewhere.
        segments = str(self._path.absolute().with_name(f"{self._path.stem}-")).replace("\\", "/")
        options = {
            "hls_time": str(KEY_SECONDS),
            "hls_list_size": str(_LISTED),
            "hls_flags": "delete_segments+independent_segments+temp_file",
            "hls_segment_filename": f"{segments}%06d.ts",
        }
        self._encoding = Encoding(
            opened(self.name, str(self._path.absolute()), "hls", options), size, fps, audio
        )

    def show(self, sealed: Sealed, time: float) -> None:
        """Append a frame."""
        assert self._encoding is not None
        self._encoding.write(sealed, time)

    def close(self) -> None:
        """End the playlist; it and its last segments stay."""
        encoding, self._encoding = self._encoding, None
        if encoding is not None:
            encoding.finish()

    def _delete_old(self) -> None:
        ours = re.compile(re.escape(self._path.stem) + r"-\d{6,}\.ts(\.tmp)?")
        for path in self._path.absolute().parent.iterdir():
            if ours.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
