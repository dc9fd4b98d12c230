"""Save and restore a segmenter's state, so that an interrupted job resumes exactly where it stopped."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstream.errors import InputError
from maskstream.files import written_beside

_STATE = "__state__"
_FORMAT = 1  #: another one is another layout of the state


class Stateful(Protocol):
    """A segmenter, or what is made of one."""

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that is remembered, as plain data and arrays."""

    def restore(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told."""


def write_snapshot(path: str | os.PathLike[str], segmenter: Stateful, note: dict[str, Any]) -> None:
    """Write a segmenter's state, beside and renamed.

    Args:
        path: of the file, ``.npz``.
        segmenter: or what is made of one, between two steps.
        note: plain data of the caller's, given back by ``read_snapshot``.
    """
    state, arrays = segmenter.state()
    text = json.dumps({"format": _FORMAT, "segmenter": state, "note": note})
    with written_beside(path) as part, part.open("wb") as file:
        np.savez(file, **arrays, **{_STATE: np.frombuffer(text.encode(), np.uint8)})  # type: ignore[arg-type]


def read_snapshot(path: str | os.PathLike[str], segmenter: Stateful) -> dict[str, Any]:
    """Put a segmenter of the same network and settings into a written state.

    Returns:
        The note that was written with it.

    Raises:
        InputError: the file is no snapshot, or one of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        content = json.loads(arrays.pop(_STATE).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: is no snapshot of a segmenter, or damaged") from error
    if content.get("format") != _FORMAT:
        raise InputError(f"{path}: is a snapshot of another version of maskstream")
    segmenter.restore(content["segmenter"], arrays)
    note: dict[str, Any] = content["note"]
    return note
