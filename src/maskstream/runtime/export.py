"""Trained weights to ONNX graphs, which run without torch, with what is known of the network beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from maskstream.errors import InputError
from maskstream.network import checkpoints, onnx_export
from maskstream.runtime.cards import SUBJECT_TASK, Notes
from maskstream.runtime.protocol import ModelInfo
from maskstream.runtime.pytorch import info_for, subject_info


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        folder: of the graphs and ``model.json``.
        info: what is to be known before it is run.
        graphs: the files of the graphs.
    """

    folder: Path
    info: ModelInfo
    graphs: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """Of all graphs together."""
        return sum(path.stat().st_size for path in self.graphs)


def export(
    weights: str | PathLike[str],
    output: str | PathLike[str],
    *,
    name: str | None = None,
    size: int | None = None,
    every: int | None = None,
    max_frames: int | None = None,
    notes: Notes | None = None,
) -> Exported:
    """Turn trained weights into ONNX graphs that run without torch.

    Args:
        weights: ``.safetensors`` of a run, of either kind of network, or a published STM ``.pth``.
        output: folder for the graphs.
        name: what messages call the network; None: its own name.
        size: default short side in pixels; None: what it was made for.
        every: keep every so-many-th frame in memory; None: what it was made for.
        max_frames: keep at most this many of them; None: what it was made for.
        notes: task, scores and speed, for ``model.json``.

    Example:
        >>> export("runs/mine/average.safetensors", "mine", size=480)  # doctest: +SKIP
        Exported(folder=PosixPath('mine'), ...)

    Raises:
        InputError: the weights can't be read, or the folder can't be written.
    """
    weights, folder = Path(weights), Path(output)
    given: dict[str, Any] = {
        "name": name,
        "default_size": size,
        "memory_every": every,
        "memory_max_frames": max_frames,
    }
    given = {field: value for field, value in given.items() if value is not None}
    notes = notes or Notes()
    if checkpoints.finds_subjects(weights):
        return _export_subject(weights, folder, given, notes)
    network = checkpoints.load(weights)
    info = replace(info_for(network.config), **given)
    onnx_export.export(network, folder, {**asdict(info), **asdict(notes)})
    return Exported(folder, info, tuple(folder / f"{graph}.onnx" for graph in onnx_export.GRAPHS))


def _export_subject(weights: Path, folder: Path, given: dict[str, Any], notes: Notes) -> Exported:
    if given.keys() & {"memory_every", "memory_max_frames"}:
        raise InputError(f"{weights}: finds the subject, and has no memory; drop `every`, `max_frames`")
    network = checkpoints.load_subject(weights)
    info = replace(subject_info(network.config), **given)
    onnx_export.export_subject(network, folder, {**asdict(info), **asdict(replace(notes, task=SUBJECT_TASK))})
    return Exported(folder, info, (folder / f"{onnx_export.SUBJECT_GRAPH}.onnx",))
