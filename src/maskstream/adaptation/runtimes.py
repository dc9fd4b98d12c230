"""Adapting what runs: a runtime in, one of the same kind of results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from maskstream.adaptation.adapt import Adapted, Stage, adapt_network
from maskstream.adaptation.config import AdaptConfig
from maskstream.adaptation.dreams import Marked
from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.network import checkpoints
from maskstream.network.model import SegmentationNetwork
from maskstream.runtime.onnx import OnnxRuntime
from maskstream.runtime.protocol import Runtime
from maskstream.runtime.pytorch import TorchRuntime


def adapt_runtime(
    runtime: Runtime,
    marked: Sequence[Marked],
    config: AdaptConfig | None = None,
    *,
    way: Sequence[Frame] = (),
    on_progress: Callable[[Stage], None] | None = None,
) -> tuple[TorchRuntime, Adapted]:
    """Adapt the network of a runtime; see ``adapt_network``.

    Returns:
        The network on PyTorch, used as before; and the outcome.

    Raises:
        InputError: the runtime holds no weights that can be trained, or nothing is marked.
    """
    adapted = adapt_network(trainable(runtime), marked, config, way=way, on_progress=on_progress)
    return running(adapted.network, runtime), adapted


def trainable(runtime: Runtime) -> SegmentationNetwork:
    """The network that a runtime runs, as one that can be trained.

    Raises:
        InputError: only its graphs are there.
    """
    if isinstance(runtime, TorchRuntime):
        return runtime.network
    files = sorted(runtime.folder.glob("*.safetensors")) if isinstance(runtime, OnnxRuntime) else []
    if not files:
        raise InputError(
            f"network {runtime.info.name!r} comes without weights that can be trained; "
            "give the .safetensors that it was exported from"
        )
    return checkpoints.load(files[0])


def running(network: SegmentationNetwork | Path, like: Runtime) -> TorchRuntime:
    """A network, or the file of its weights, used as another runtime uses its own.

    Raises:
        InputError: the file can't be read, or holds a network of another kind.
    """
    if isinstance(network, Path):
        network = checkpoints.load(network)
    device = str(like.device) if isinstance(like, TorchRuntime) else "cpu"
    return TorchRuntime(network, like.info, device)
