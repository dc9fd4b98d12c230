"""Files of a data set, read the same way from a folder and from inside a ``.tar``."""

from __future__ import annotations

import os
import posixpath
import tarfile
from dataclasses import dataclass
from pathlib import Path

from maskstream.errors import InputError


@dataclass(frozen=True)
class FileRef:
    """One file, perhaps inside a tar.

    Attributes:
        path: the file itself, or the tar that holds it.
        offset: where its first byte is in ``path``.
        size: its length in bytes.
    """

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """The whole file; safe from several threads, as nothing stays open."""
        with open(self.path, "rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.size)


FileIndex = dict[str, FileRef]  #: by path inside the data set, parts separated by "/", in sorted order


def index_files(root: Path) -> FileIndex:
    """Lists a folder or an uncompressed tar; hidden files are left out.

    Raises:
        InputError: ``root`` is neither, or cannot be read.
    """
    root = Path(root)
    if root.is_dir():
        found = _folder_entries(root)
    elif root.is_file():
        found = _tar_entries(root)
    else:
        raise InputError(f"no data set at {root}: give a folder or a .tar file")
    return dict(sorted((name, ref) for name, ref in found.items() if not _is_hidden(name)))


def index_below(root: Path, under: str) -> FileIndex:
    """Lists one folder of a data set, with names that begin below it; empty where there is no such folder.

    Raises:
        InputError: as for `index_files`.
    """
    root = Path(root)
    if root.is_dir():
        return index_files(root / under) if (root / under).is_dir() else {}
    prefix = f"{under}/"
    files = index_files(root).items()
    return {name.removeprefix(prefix): file for name, file in files if name.startswith(prefix)}


def _folder_entries(root: Path) -> FileIndex:
    found: FileIndex = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            path = Path(folder, name)
            if path.is_file():  # a dangling link is not
                found[path.relative_to(root).as_posix()] = FileRef(path, 0, path.stat().st_size)
    return found


def _tar_entries(path: Path) -> FileIndex:
    try:
        with tarfile.open(path, "r:") as archive:
            return {
                posixpath.normpath(member.name): FileRef(path, member.offset_data, member.size)
                for member in archive
                if member.isreg() and not member.issparse()
            }
    except tarfile.TarError as error:
        raise InputError(f"cannot read {path}: not an uncompressed .tar ({error}); unpack it") from error


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
