"""What is known of an exported network: what it is, how large, and what was measured of it.

It stands in ``model.json`` beside the graphs, after what is needed to run them (``protocol.ModelInfo``); the
model card for people, ``README.md``, is beside it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from maskstream.errors import InputError
from maskstream.plain_data import read_json
from maskstream.runtime.load import locate
from maskstream.runtime.protocol import INFO_FILE, ModelInfo

TASK = "semi-supervised video object segmentation"
SUBJECT_TASK = "finding the subject of a frame, people first"
_RUN_SUFFIXES = (".onnx", ".data", ".json")


@dataclass(frozen=True)
class Score:
    """How good a network is on some data.

    Attributes:
        data: what it was scored on, never trained on.
        measure: as ``J&F``.
        value: 0..1.
        command: that measures it.
    """

    data: str
    measure: str
    value: float
    command: str


@dataclass(frozen=True)
class Speed:
    """How long a network takes.

    Attributes:
        milliseconds: median.
        what: was timed.
        threads: of the CPU.
        machine: where.
        command: that measures it.
    """

    milliseconds: float
    what: str
    threads: int
    machine: str
    command: str


@dataclass(frozen=True)
class Notes:
    """What ``model.json`` says of a network beyond what is needed to run it.

    Attributes:
        task: what it does.
        parameters: trained numbers, or None if not known.
        scores: of it, in the order they are shown.
        speed: of it, or None if not known.
    """

    task: str = TASK
    parameters: int | None = None
    scores: tuple[Score, ...] = ()
    speed: Speed | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any], source: Path) -> Notes:
        """From the content of a JSON file; other fields are ignored.

        Raises:
            InputError: a field is not what it should be; the message names ``source``.
        """
        try:
            given = {field.name: content[field.name] for field in fields(cls) if field.name in content}
            given["scores"] = tuple(
                Score(**{**score, "value": float(score["value"])}) for score in given.get("scores", ())
            )
            if (speed := given.get("speed")) is not None:
                given["speed"] = Speed(**{**speed, "milliseconds": float(speed["milliseconds"])})
            notes = cls(**given)
            if not isinstance(notes.task, str) or not isinstance(notes.parameters, int | None):
                raise TypeError("task is text, parameters a whole number")
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(
                f"{source}: its task, parameters, scores or speed cannot be read: {error}"
            ) from error
        return notes

    @classmethod
    def read(cls, path: Path) -> Notes:
        """From a JSON file of nothing else.

        Raises:
            InputError: there is none, or it holds something else.
        """
        content = read_json(path, "give one with task, scores or speed")
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in content if name not in known]:
            raise InputError(f"{path}: {unknown[0]!r} is no note of a network; there are {', '.join(known)}")
        return cls.of(content, path)


@dataclass(frozen=True)
class ModelCard:
    """An exported network.

    Attributes:
        info: how it is run.
        notes: what was measured of it.
        folder: where it lies.
        disk_bytes: of the files that it is run from.
    """

    info: ModelInfo
    notes: Notes
    folder: Path
    disk_bytes: int

    @classmethod
    def read(cls, name_or_path: str | Path) -> ModelCard:
        """Of a network by its name, or by the folder that it was exported to.

        Raises:
            InputError: there is no such network, or it cannot be read.
        """
        folder = locate(name_or_path)
        if not folder.is_dir():
            raise InputError(
                f"{folder}: is not exported; `maskstream export {folder} -o FOLDER`, then name that"
            )
        info = ModelInfo.read(folder)
        size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix in _RUN_SUFFIXES)
        path = folder / INFO_FILE
        return cls(info, Notes.of(read_json(path, "give one with task, scores or speed"), path), folder, size)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        own = {"folder": str(self.folder), "disk_bytes": self.disk_bytes}
        return {**asdict(self.info), **asdict(self.notes), **own}
