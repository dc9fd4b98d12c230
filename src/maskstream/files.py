"""Files and folders that are whole when they have their name, whatever ends the program or writes there too.

What is unfinished lies beside its target under a random name, ``.NAME.RANDOM.part``, that is made
exclusively: two processes that write one output never share it, the one that ends last wins, and its file is
whole.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from maskstream.addresses import is_address, without_secrets
from maskstream.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Errors of a file system that can't sync what is asked for: some network mounts, pipes, folders on Windows.
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
_LONGEST = 255  #: bytes of a name, on every common file system


class Unfinished:
    """A new, empty file beside its target that nobody else has: to be written by its path, then published.

    Where the system has file locks it is locked while it is in use, so that the next writer of the same
    target removes what a killed process left.

    Args:
        target: what it is to become.
        one_of_many: of a folder's files, which are synced together when all are written: neither is it synced
            alone, nor is the folder searched for what killed processes left.

    Attributes:
        target: the same.
        path: of the unfinished file.

    Raises:
        OSError: it can't be made.
    """

    def __init__(self, target: str | os.PathLike[str], one_of_many: bool = False) -> None:
        self.target = Path(target)
        self._sync = not one_of_many
        if not one_of_many:
            _remove_abandoned(self.target)
        self.path, self._lock = _made_beside(self.target)

    def publish(self) -> None:
        """Give it its target's name; what had it is gone.

        The content is on the disk before the name is, so that a power cut leaves the old file or the new one,
        never an empty one.
        """
        if self._sync:
            synced(self.path)
        self._unlock()
        os.replace(self.path, self.target)
        if self._sync:
            synced(self.target.parent)

    def discard(self) -> None:
        """Remove it; nothing happens if it is published."""
        self._unlock()
        self.path.unlink(missing_ok=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def written_beside(path: str | os.PathLike[str], one_of_many: bool = False) -> Iterator[Path]:
    """A new, empty file beside ``path``; renamed to it when the block ends well, else removed.

    Args:
        path: the file; an old one stays whole until the new one is.
        one_of_many: as for ``Unfinished``.

    Raises:
        OSError: the file can't be made or written.
    """
    part = Unfinished(path, one_of_many)
    try:
        yield part.path
        part.publish()
    finally:
        part.discard()


def write_json(path: Path, content: Any) -> None:
    """Write plain data as indented JSON, beside and renamed."""
    with written_beside(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextmanager
def folder_written_beside(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A new, empty folder beside ``folder``; takes its place when the block ends well, else is removed.

    What ``folder`` held before is removed. Its parents are made.

    Raises:
        OSError: the folder can't be made or written.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder.parent, f".{_clipped(folder.name)}.") as part:
        yield part
        for file in part.rglob("*"):
            synced(file)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(part, folder)
        synced(folder.parent)


@contextmanager
def new_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new, empty folder in ``parent`` that nobody else has; removed when the block ends, unless renamed."""
    part = parent / f"{prefix}{secrets.token_hex(4)}.part"
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def moved(source: Path, target: Path) -> None:
    """Move a file or a folder; each file has its name only when it is whole, on another file system too.

    A folder that exists, which may be a mount or a link, stays and gets the files. May be called again if it
    was cut short.
    """
    if not (source.is_dir() and target.exists()):
        try:
            os.replace(source, target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for each in sorted(source.iterdir()):
            moved(each, target / each.name)
        source.rmdir()
        return
    with written_beside(target) as part:
        shutil.copyfile(source, part)
        shutil.copystat(source, part)
    source.unlink()


def synced(path: Path) -> None:
    """Have the disk hold a file's content, or a folder's list of names, if the file system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def path_of(given: Any, what: str) -> Path:
    """The path that a caller gives for a file.

    Args:
        given: text or a path.
        what: is wanted, for the message.

    Raises:
        InputError: it is something else, or an address; what may be secret in one is not repeated.
    """
    if isinstance(given, str | os.PathLike) and isinstance(os.fspath(given), str):
        if is_address(os.fspath(given)) and not os.path.exists(given):
            raise InputError(
                f"{without_secrets(os.fspath(given))}: is an address, not the name of a file; "
                "download it, or give it to maskstream live"
            )
        return Path(given)
    kind = type(given).__name__
    raise InputError(f"{_shown(given)} ({kind}): not the name of a file; give {what} as text or a Path")


def check_is_there(path: Path, kind: str = "file or folder") -> None:
    """Refuse what isn't there, and what would keep a reader waiting for ever: pipes, sockets and devices.

    Args:
        path: file or folder.
        kind: of what is looked for, for the message.

    Raises:
        InputError: that.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        name = str(path)
        if isinstance(error, PermissionError):
            raise InputError(f"{path}: no permission to look at it; change its permissions") from error
        if len(name) > 200:
            name = f"{name[:60]}..."
        raise InputError(f"{name}: no such {kind}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: is a pipe or device, which can't be read twice; give a file")


def _made_beside(target: Path) -> tuple[Path, int | None]:
    """An unfinished file, and the descriptor that holds its lock."""
    while True:
        path = target.with_name(f".{_clipped(target.name)}.{secrets.token_hex(4)}.part")
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            if not _locks(descriptor, wait=True):
                os.close(descriptor)
                return path, None
            if path.exists():
                return path, descriptor
            os.close(descriptor)  # removed as abandoned before it was locked


def _remove_abandoned(target: Path) -> None:
    """Remove unfinished files of a target whose writers are gone."""
    for path in target.parent.glob(f".{escape(_clipped(target.name))}.????????.part"):
        with suppress(OSError):
            if path.is_dir():
                continue
            descriptor = os.open(path, os.O_WRONLY)
            try:
                if _locks(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)


def _locks(descriptor: int, wait: bool = False) -> bool:
    """Whether a file's lock is taken, which lasts until the descriptor is closed."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another has it, or the file system knows none
        return False
    return True


def _clipped(name: str) -> str:
    """As much of a name as leaves room for what an unfinished file's name has around it."""
    whole = os.fsencode(name)
    most = _LONGEST - len("..01234567.part")
    return name if len(whole) <= most else whole[:most].decode("utf-8", "ignore")


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:40]}..."
