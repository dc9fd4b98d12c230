"""What an interrupted job leaves, so that it resumes exactly where it stopped; one run at a time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.errors import InputError
from maskstream.files import synced
from maskstream.jobs.outputs import SNAPSHOT, OutputPaths
from maskstream.streaming.options import stamps
from maskstream.streaming.snapshot import Stateful, read_snapshot, write_snapshot
from maskstream.video.probe import VideoInfo

logger = logging.getLogger(__name__)

AGAIN = "run it again with `resume=True` to continue"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


class Checkpoint:
    """The hidden folder of a run that is not finished. It is held against other runs until ``close``.

    Args:
        outputs: of the run, checked.
        identity: a checksum of all that results depend on.
    """

    def __init__(self, outputs: OutputPaths, identity: str) -> None:
        self._outputs, self._identity = outputs, identity
        self.part = outputs.part
        self._made: list[Path] = []
        self._lock: int | None = None
        self._unsaved: list[Path] = []

    def begin(self, stateful: Stateful, resume: bool) -> dict[str, Any] | None:
        """Take on the state of an interrupted run, or make a place for a new one.

        Args:
            stateful: what is put into the state that was saved.
            resume: whether to continue an interrupted run.

        Returns:
            The note that was saved with the state; None: the run is a new one.

        Raises:
            InputError: the interrupted run was another one, its state is damaged, or it is still running.
            OSError: the folder can't be made.
        """
        is_there = self._outputs.is_resumable
        self._make_folders()
        self._hold()
        try:
            if resume and is_there:
                return self._resumed(stateful)
            if resume:
                logger.warning("nothing to resume beside %s; starting at the beginning", self._outputs.all[0])
            for path in self.part.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except BaseException:
            self.close()
            raise
        return None

    def wrote(self, path: Path) -> None:
        """Remember a file that the next `save` counts on."""
        self._unsaved.append(path)

    def save(self, stateful: Stateful, note: Mapping[str, Any]) -> None:
        """Write down the state, after all files that it counts on have reached the disk.

        Args:
            stateful: its state is saved.
            note: plain data that `begin` gives back.

        Raises:
            OSError: disk full and the like.
        """
        for path in self._unsaved:
            synced(path)
        for folder in {path.parent for path in self._unsaved}:
            synced(folder)
        self._unsaved.clear()
        write_snapshot(self.part / SNAPSHOT, stateful, {**note, "identity": self._identity})

    def check_pictures(self, folder: Path, counts: Callable[[str], bool]) -> None:
        """Refuse to continue where pictures are damaged, as a power cut or a bad disk leaves them.

        Args:
            folder: of PNGs; what was left half-written in it is removed.
            counts: whether the picture of a name, without ``.png``, will not be written again.

        Raises:
            InputError: a picture that counts is damaged.
        """
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            if path.name.startswith("."):
                path.unlink()
            elif counts(path.stem) and not _is_whole_png(path):
                raise InputError(
                    f"{path}: was damaged after the run was interrupted; give `overwrite=True` instead of "
                    "`resume=True` to start over"
                )

    def remove(self) -> None:
        """Remove all that is not finished, and folders that were made for nothing."""
        shutil.rmtree(self.part, ignore_errors=True)
        self.close()
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()  # which only removes empty ones

    def close(self) -> None:
        """Let other runs have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _resumed(self, stateful: Stateful) -> dict[str, Any]:
        try:
            note = read_snapshot(self.part / SNAPSHOT, stateful)
        except InputError as error:
            raise InputError(
                f"{error}; give `overwrite=True` instead of `resume=True` to start over"
            ) from error
        if note["identity"] != self._identity:
            raise InputError(
                f"{self.part}: the interrupted run had other options, masks, input or network; "
                "give the same, or `overwrite=True` instead of `resume=True` to start over"
            )
        return note

    def _make_folders(self) -> None:
        for path in self._outputs.all:
            missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                self._made.append(folder)
        self.part.mkdir(exist_ok=True)

    def _hold(self) -> None:
        """Lock the hidden folder, where the system can; the lock goes with the process.

        Raises:
            InputError: another run has it.
        """
        if sys.platform == "win32":  # no lock of folders there
            return
        import fcntl

        self._lock = os.open(self.part, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InputError(
                f"{self._outputs.all[0]}: another run is writing it now; wait for it, or name another output"
            ) from None
        except OSError as error:  # a file system without locks
            logger.debug("%s: can't be locked (%s)", self.part, error)


def resumable_error(error: OSError, outputs: OutputPaths) -> OSError:
    """The same error, which says that what was done is kept."""
    where = error.filename or outputs.all[0]
    return OSError(f"{where}: {error.strerror or str(error)}; what was done is kept: {AGAIN}")


def digest(info: VideoInfo, masks: Mapping[int, NDArray[np.uint8]], identity: Mapping[str, Any]) -> str:
    """A checksum of all that results depend on.

    Args:
        info: of the input, whose files count by size and time.
        masks: label maps by frame.
        identity: all else, as plain data.
    """
    text = json.dumps([identity, stamps(info.images or [info.path])], sort_keys=True, default=str)
    checksum = hashlib.sha256(text.encode())
    for index, label_map in masks.items():
        checksum.update(str(index).encode() + label_map.tobytes())
    return checksum.hexdigest()


def pictures_in(folder: Path) -> Iterable[Path]:
    """The PNGs of a folder; none where there is no such folder."""
    return folder.glob("*.png")


def _is_whole_png(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() < len(_PNG_END):
            return False
        file.seek(-len(_PNG_END), os.SEEK_END)
        return file.read() == _PNG_END
