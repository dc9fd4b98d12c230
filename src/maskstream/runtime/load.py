"""A network by name or path, in the runtime that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from maskstream.errors import InputError
from maskstream.runtime.protocol import Runtime

WEIGHTS = Path(__file__).parent.parent / "weights"
SUBJECT_GRAPH = "subject.onnx"
CHECKPOINT_SUFFIXES = (".safetensors", ".pth", ".pt")
ONNX_PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "coreml": ["CoreMLExecutionProvider", "CPUExecutionProvider"],
}


def shipped_models() -> list[str]:
    """Names of the networks that came with the package and follow objects."""
    return sorted(path.parent.name for path in WEIGHTS.glob("*/encode.onnx"))


def shipped_subject_models() -> list[Path]:
    """Folders of the networks that came with the package and find the subject."""
    return sorted(path.parent for path in WEIGHTS.glob(f"*/{SUBJECT_GRAPH}"))


def load_model(
    name_or_path: str | Path = "live",
    *,
    runtime: Literal["onnx", "torch"] = "onnx",
    threads: int | None = None,
    device: str | None = None,
    half_memory: bool = False,
) -> Runtime:
    """Load a network.

    Args:
        name_or_path: a shipped network's name, the folder of an exported one, or weights: a ``.safetensors``
            of this project or a published STM ``.pth``.
        runtime: ``"onnx"`` (default, no torch needed) or ``"torch"``, which weights always run in.
        threads: for the CPU; None: one a core, at most four with ONNX Runtime.
        device: ``"cpu"``, ``"cuda"``, ``"coreml"`` (ONNX Runtime; None: the CPU) or ``"cpu"``, ``"cuda"``,
            ``"mps"`` (torch; None: the best there is).
        half_memory: keep memory in half precision: half the bytes, and results that differ a little (torch).

    Raises:
        InputError: there is no such network or device, or the runtime is not installed.
    """
    if runtime == "torch" or Path(name_or_path).suffix in CHECKPOINT_SUFFIXES:
        return _load_torch(Path(name_or_path), threads, device, half_memory)
    if runtime != "onnx":
        raise InputError(f"unknown runtime {runtime!r}; choose onnx or torch")
    if half_memory:
        raise InputError("memory in half precision is for the torch runtime; choose that, or leave it out")
    if device is not None and device not in ONNX_PROVIDERS:
        raise InputError(f"device {device!r} is unknown to ONNX Runtime; choose {', '.join(ONNX_PROVIDERS)}")
    from maskstream.runtime.onnx import OnnxRuntime

    return OnnxRuntime(locate(name_or_path), threads, ONNX_PROVIDERS[device or "cpu"])


def locate(name_or_path: str | Path) -> Path:
    """The folder of a network, or the file of its weights.

    A shipped network's name comes first; write ``./live`` for a folder of that name.

    Raises:
        InputError: there is no such network.
    """
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return WEIGHTS / name_or_path
    if not Path(name_or_path).is_dir() and Path(name_or_path).suffix not in CHECKPOINT_SUFFIXES:
        raise InputError(
            f"{name_or_path}: no such network; shipped are: {', '.join(shipped) or 'none'}; "
            "or give the folder of an exported one"
        )
    return Path(name_or_path)


def _load_torch(path: Path, threads: int | None, device: str | None, half_memory: bool) -> Runtime:
    if path.suffix not in CHECKPOINT_SUFFIXES:
        raise InputError(f"{path}: the torch runtime needs a .safetensors or .pth file")
    try:
        import torch

        from maskstream.runtime.pytorch import load_checkpoint
    except ModuleNotFoundError as error:
        raise InputError(f"the torch runtime needs {error.name}; pip install 'maskstream[train]'") from error
    if threads is not None:
        torch.set_num_threads(threads)
    return load_checkpoint(path, device, half_memory=half_memory)
