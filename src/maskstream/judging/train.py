"""Train a network, and judge each checkpoint on what is held back, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from maskstream.datasets.sources import DataFolders
from maskstream.errors import InputError
from maskstream.judging.judges import judge_on, judge_subjects
from maskstream.network.config import NetworkConfig
from maskstream.network.presets import TRAINING, preset
from maskstream.network.subject_config import SubjectConfig
from maskstream.plain_data import read_json
from maskstream.training.config import RunConfig, SubjectTrainConfig, TrainConfig
from maskstream.training.find import SubjectTrainer
from maskstream.training.follow import Trainer
from maskstream.training.loop import WEIGHTS
from maskstream.training.packed import packed, packed_subjects

Config = TypeVar("Config", bound=RunConfig)


@dataclass(frozen=True)
class TrainResult:
    """Where a training stands.

    Attributes:
        weights: the averaged weights.
        step: how many steps were done, in all runs together.
        finished: whether that is all of them.
        rank: of this process among those that train together.
    """

    weights: Path
    step: int
    finished: bool
    rank: int


def train(
    output: str | PathLike[str],
    *,
    data: DataFolders,
    stage: Literal["follow", "subject"] = "follow",
    network: str | PathLike[str] | NetworkConfig | SubjectConfig | None = None,
    start: str | PathLike[str] | None = None,
    config: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    cache: str | PathLike[str] | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> TrainResult:
    """Train a network from scratch or from earlier weights. The same call continues where it stopped.

    Args:
        output: folder of the run.
        data: where the data lies.
        stage: ``follow``: objects by their first masks; ``subject``: find who or what a frame is of.
        network: ``stm``, ``damo``, ``live``, a JSON file of a network config, or a config; None: ``live``, or
            the subject network.
        start: weights (``.safetensors``) to start from.
        config: fields of `TrainConfig` or `SubjectTrainConfig`.
        minutes: stop cleanly after this long, over all resumptions.
        steps: length of the run; None: ``minutes`` is the length.
        seed: of everything random.
        cache: folder to keep packed data in, for quick restarts.
        device: ``cpu``, ``cuda``, ``mps``; None: cuda where there is one, else cpu.
        threads: of the CPU.

    Example:
        >>> train("runs/mine", data=DataFolders(davis=(Path("DAVIS"),)), minutes=60)  # doctest: +SKIP
        TrainResult(weights=PosixPath('runs/mine/average.safetensors'), step=4120, finished=True, rank=0)

    Raises:
        InputError: data, network or config can't be used.
        KeyboardInterrupt: the state is saved.
    """
    if threads:
        torch.set_num_threads(threads)
    given = {"minutes": minutes, "steps": steps, "seed": seed}
    fields = {**(config or {}), **{name: value for name, value in given.items() if value is not None}}
    folder = Path(output)
    options = {
        "device": device or ("cuda" if torch.cuda.is_available() else "cpu"),
        "start": None if start is None else Path(start),
    }
    kept = None if cache is None else Path(cache)
    make = _subject_trainer if stage == "subject" else _follow_trainer
    trainer = make(folder, data, network, fields, kept, options)
    trainer.run()
    return TrainResult(folder / WEIGHTS, trainer.step, trainer.finished, trainer.rank)


def _follow_trainer(
    folder: Path, data: DataFolders, network: Any, fields: dict[str, Any], cache: Path | None, options: Any
) -> Trainer:
    if not isinstance(network, NetworkConfig):
        name = str(network or "live")
        fields = {**TRAINING.get(name, {}), **fields}
        network = NetworkConfig.from_dict(read_json(Path(name))) if name.endswith(".json") else preset(name)
    config = TrainConfig.from_dict(fields)
    sources = data.open()
    decoded = packed(sources, cache)
    development = sources.development
    evaluate = judge_on(development, options["device"]) if development else None
    return Trainer(network, decoded, config, folder, **options, evaluate=evaluate)


def _subject_trainer(
    folder: Path, data: DataFolders, network: Any, fields: dict[str, Any], cache: Path | None, options: Any
) -> SubjectTrainer:
    config = SubjectTrainConfig.from_dict(fields)
    if not isinstance(network, SubjectConfig):
        network = _subject_config(str(network or "subject"))
    sources = data.open()
    decoded = packed_subjects(sources, cache)
    _, held = sources.subject_parts()
    evaluate = judge_subjects(held.images, held.empty, options["device"]) if held.images else None
    return SubjectTrainer(network, decoded, config, folder, **options, evaluate=evaluate)


def _subject_config(name: str) -> SubjectConfig:
    if name == "subject":
        return SubjectConfig()
    if name.endswith(".json"):
        return SubjectConfig.from_dict(read_json(Path(name)))
    raise InputError(f"{name}: finds no subject; leave `network` out, or give a JSON file of its config")
