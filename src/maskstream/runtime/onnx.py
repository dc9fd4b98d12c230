"""Exported networks on ONNX Runtime: the default, no torch needed.

A network is a folder: ``encode.onnx``, ``memorize.onnx``, ``segment.onnx``, ``model.json``. The graphs are
wired by name: whatever ``memorize`` and ``segment`` ask for that ``encode`` gives is handed on, so a network
may pass any skip tensors between them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError
from maskstream.runtime.aggregation import soft_aggregate
from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo

MAX_DEFAULT_THREADS = 4


def session_options(threads: int) -> Any:
    """How every graph is run: with so many threads, none of which spins."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn whole cores between the frames of a live stream, and were measured slower too.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # A sharp softmax is full of denormal numbers, which some processors multiply many times slower.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    return options


class OnnxRuntime:
    """A network in ONNX Runtime."""

    def __init__(
        self,
        folder: str | Path,
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        """Load the three graphs of a network.

        Args:
            folder: of the exported network.
            threads: for the work inside an operator; None: one a core, at most four.
            providers: ONNX Runtime execution providers, first choice first.

        Raises:
            InputError: the folder is missing or does not hold a network, or a provider is not installed.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; give a network's name or the folder of an exported one"
            )
        if threads is not None and threads < 1:
            raise InputError(f"threads is {threads}; give 1 or more")
        available = ort.get_available_providers()
        if missing := [name for name in providers if name not in available]:
            raise InputError(f"ONNX Runtime here has no {missing[0]}; it has {', '.join(available)}")
        self.folder = folder
        self.info = ModelInfo.read(folder)
        self.threads = threads or default_threads()
        self._encode = _Graph(folder / "encode.onnx", self.threads, providers)
        self._memorize = _Graph(folder / "memorize.onnx", self.threads, providers)
        self._segment = _Graph(folder / "segment.onnx", self.threads, providers)

    def encode(self, frame: NDArray[np.uint8]) -> dict[str, Any]:
        """Every output of the encode graph, by name; see ``Runtime.encode``."""
        return self._encode.run({"frame": frame[None]})

    def for_memory(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """See ``Runtime.for_memory``."""
        needed = {*self._memorize.inputs, "key", "shrinkage"}
        return {name: tensor for name, tensor in features.items() if name in needed}

    def memorize(
        self, frame: NDArray[np.uint8], features: Mapping[str, Any], masks: Floats, others: Floats
    ) -> MemoryEntry:
        """See ``Runtime.memorize``; a key that does not depend on the masks is the encode graph's."""
        made = self._memorize.run({**features, "frame": frame[None], "masks": masks, "others": others})
        known = {**features, **made}
        key = known["memory_key"] if "memory_key" in known else known["key"]
        shrinkage = known.get("memory_shrinkage", known.get("shrinkage")) if self.info.has_shrinkage else None
        return MemoryEntry(
            key.numpy(), None if shrinkage is None else shrinkage.numpy(), known["memory_value"].numpy()
        )

    def segment(self, features: Mapping[str, Any], memory: Memory, previous_masks: Floats) -> Floats:
        """See ``Runtime.segment``."""
        feeds = {
            **features,
            "memory_key": memory.key,
            "memory_value": memory.value,
            "previous_masks": previous_masks,
        }
        if memory.shrinkage is not None:
            feeds["memory_shrinkage"] = memory.shrinkage
        logits: Floats = self._segment.run(feeds)["logits"].numpy()
        return logits

    def aggregate(self, logits: Floats) -> Floats:
        """See ``Runtime.aggregate``."""
        return soft_aggregate(logits)

    def empty(self, shape: tuple[int, ...]) -> Floats:
        """A numpy array; see ``Runtime.empty``."""
        return np.empty(shape, np.float32)


class _Graph:
    """One session that takes what it needs from a pool of named tensors."""

    def __init__(self, path: Path, threads: int, providers: Sequence[str]) -> None:
        if not path.is_file():
            raise InputError(f"{path.parent}: no {path.name}; give the folder of an exported network")
        options = session_options(threads)
        try:
            self._session = ort.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise InputError(f"{path}: not a usable ONNX graph ({str(error).splitlines()[0]})") from error
        self._path = path
        self.inputs = [node.name for node in self._session.get_inputs()]
        self._outputs = [node.name for node in self._session.get_outputs()]

    def run(self, pool: Mapping[str, Any]) -> dict[str, Any]:
        if missing := [name for name in self.inputs if name not in pool]:
            raise InputError(
                f"{self._path}: needs {missing[0]}, which no other graph gives; export the network again"
            )
        feeds = {name: _ort_value(pool[name]) for name in self.inputs}
        # OrtValues, so that skip tensors go from graph to graph without a copy.
        return dict(zip(self._outputs, self._session.run_with_ort_values(self._outputs, feeds), strict=True))


def _ort_value(tensor: Any) -> Any:
    if isinstance(tensor, np.ndarray):
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(tensor))
    return tensor


def default_threads() -> int:
    """One thread for each physical core that this process may use, at most four.

    Two logical cores of one physical core count as two where there are no others: half of a small virtual
    machine would lie idle. More than four do not pay at the sizes that live networks run at.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in usable}
    return min(max(len(cores), min(len(usable), 2)), MAX_DEFAULT_THREADS)


def _siblings(cpu: int) -> str:
    """The logical CPUs of this one's core, or itself where the system does not say."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)
