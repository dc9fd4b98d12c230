"""Export to ONNX: the streaming core's three calls, with explicit memory; the subject network's one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from maskstream.errors import InputError
from maskstream.files import moved, new_folder, write_json
from maskstream.network.checkpoints import Network
from maskstream.network.config import STRIDE
from maskstream.network.model import Features, SegmentationNetwork, from_frames
from maskstream.network.subject_config import SUBJECT_STRIDE
from maskstream.network.subject_network import SubjectNetwork

OPSET = 17
GRAPHS = ("encode", "memorize", "segment")
SUBJECT_GRAPH = "subject"
_EXAMPLE = (6 * STRIDE, 8 * STRIDE)  # any size but a special one: all sizes are dynamic
_HALVED_FROM = 64  # numbers: smaller tensors stay as they are


def export(network: SegmentationNetwork, folder: str | Path, info: dict[str, Any]) -> None:
    """Write ``encode.onnx``, ``memorize.onnx``, ``segment.onnx`` and ``model.json`` to a folder.

    The number of memory frames T, of objects N and the size are dynamic. Tensors of the same name are the
    same thing in all three graphs:

    ======================  =====================  ==========================================
    tensor                  shape                  made by; used by
    ======================  =====================  ==========================================
    ``frame``               (1, H, W, 3) uint8     the caller; encode, memorize
    ``query``               (1, Ck, h, w)          encode; segment
    ``query_value``         (1, Cv, h, w)          encode; segment
    ``deep``                (1, C, h, w)           encode; memorize (light memory encoders)
    ``skip_8`` ...          (1, C, H/8, W/8)       encode; segment
    ``key``                 (1, P, Ck)             encode, where keys are shared by all objects
    ``shrinkage``           (1, P, 1)              encode, for shared keys and ``l2``
    ``masks``, ``others``   (N, H, W)              the caller; memorize
    ``memory_value``        (N, Cv, P)             memorize; in segment (T, N, Cv, P)
    ``memory_key``          (N, P, Ck)             memorize, for keys of each object;
                                                   in segment (T, G, P, Ck)
    ``memory_shrinkage``    (N, P, 1)              likewise; in segment (T, G, P, 1)
    ``previous_masks``      (N, H, W)              the caller; segment
    ``logits``              (N, H, W)              segment
    ======================  =====================  ==========================================

    Args:
        network: in evaluation mode; moved to the CPU in single precision.
        folder: made if absent; if it holds an earlier export, its graphs are replaced.
        info: what ``model.json`` says besides the network's parameters and config: fields of
            ``runtime.protocol.ModelInfo``, and of ``runtime.cards.Notes`` as plain data.

    Raises:
        InputError: the folder is a file, or holds something that is no export.
    """
    _write_folder(network, folder, info, lambda place: _export_graphs(network, place))


def export_subject(network: SubjectNetwork, folder: str | Path, info: dict[str, Any]) -> None:
    """Write ``subject.onnx`` and ``model.json`` to a folder.

    The graph takes ``frame`` (1, H, W, 3) uint8, H and W multiples of 32, and gives ``probability``
    (1, H/4, W/4). Weights are stored in half precision and cast when the graph is loaded: the arithmetic is
    single precision.

    Args:
        network: in evaluation mode; moved to the CPU in single precision.
        folder: as for ``export``.
        info: as for ``export``.

    Raises:
        InputError: the folder is a file, or holds something that is no export.
    """

    def write(place: Path) -> None:
        frame = torch.randint(0, 255, (1, 3 * SUBJECT_STRIDE, 4 * SUBJECT_STRIDE, 3), dtype=torch.uint8)
        path = place / f"{SUBJECT_GRAPH}.onnx"
        _write(_Subject(network), path, {"frame": frame}, ["probability"])
        _halve(path)

    _write_folder(network, folder, info, write)


def _write_folder(
    network: Network, folder: str | Path, info: dict[str, Any], write: Callable[[Path], None]
) -> None:
    """Graphs and ``model.json``, written beside and renamed."""
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / "model.json").is_file():
        raise InputError(f"{folder}: is not empty and holds no exported network; choose another folder")
    network.cpu().float().eval()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder.parent, f".{folder.name}.") as part:
        with torch.no_grad():
            write(part)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        content = {**info, "parameters": parameters, "config": network.config.to_dict()}
        write_json(part / "model.json", content)
        moved(part, folder)


def _export_graphs(network: SegmentationNetwork, folder: Path) -> None:
    height, width = _EXAMPLE
    frame = torch.randint(0, 255, (1, height, width, 3), dtype=torch.uint8)
    masks = torch.rand(2, height, width)

    encode = _Encode(network)
    made = dict(zip(encode.names, encode(frame), strict=True))
    _write(encode, folder / "encode.onnx", {"frame": frame}, encode.names)

    memorize = _Memorize(network)
    entry = dict(zip(memorize.names, memorize(frame, made["deep"], masks, masks), strict=True))
    inputs = {"frame": frame, "deep": made["deep"], "masks": masks, "others": masks}
    _write(memorize, folder / "memorize.onnx", inputs, memorize.names)

    segment = _Segment(network)
    key = entry.get("memory_key", made.get("key"))
    shrinkage = entry.get("memory_shrinkage", made.get("shrinkage"))
    assert key is not None
    inputs = {name: made[name] for name in segment.skip_names}
    inputs |= {"query": made["query"], "query_value": made["query_value"], "previous_masks": masks}
    inputs |= {"memory_key": torch.stack([key] * 3), "memory_value": torch.stack([entry["memory_value"]] * 3)}
    if shrinkage is not None:
        inputs["memory_shrinkage"] = torch.stack([shrinkage] * 3)
    _write(segment, folder / "segment.onnx", inputs, ["logits"])


class _Encode(nn.Module):
    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        self.skip_names = _skip_names(network)
        self.names = ["query", "query_value", "deep", *self.skip_names]
        if network.config.shared_key:
            self.names.append("key")
            if network.config.similarity == "l2":
                self.names.append("shrinkage")

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        features = self.network.encode(_planes(frame))
        outputs = [features.key, features.value, features.deep, *features.skips]
        if self.network.config.shared_key:
            outputs.append(features.key.flatten(2).transpose(1, 2))
            if features.shrinkage is not None:
                outputs.append(features.shrinkage.flatten(2).transpose(1, 2))
        return tuple(outputs)


class _Memorize(nn.Module):
    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = ["memory_value"]
        if not network.config.shared_key:
            self.names.append("memory_key")
            if network.config.similarity == "l2":
                self.names.append("memory_shrinkage")

    def forward(self, frame: Tensor, deep: Tensor, masks: Tensor, others: Tensor) -> tuple[Tensor, ...]:
        features = Features(deep, None, deep, deep, ())
        entry = self.network.memorize(_planes(frame), features, masks[:, None], others[:, None])
        named = {"memory_value": entry.value, "memory_key": entry.key, "memory_shrinkage": entry.shrinkage}
        return tuple(tensor for name in self.names if (tensor := named[name]) is not None)


class _Segment(nn.Module):
    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        self.skip_names = _skip_names(network)

    def forward(self, *inputs: Tensor) -> Tensor:
        count = len(self.skip_names)
        skips, (query, query_value, previous, key, value, *shrinkage) = inputs[:count], inputs[count:]
        features = Features(query, None, query_value, query, skips)
        memory = from_frames(key, shrinkage[0] if shrinkage else None, value)
        return self.network.segment(features, memory, previous[:, None])


class _Subject(nn.Module):
    def __init__(self, network: SubjectNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor) -> Tensor:
        return torch.sigmoid(self.network(_planes(frame)))


def _skip_names(network: SegmentationNetwork) -> list[str]:
    return [f"skip_{stride}" for stride in network.decoder.strides]


def _planes(frame: Tensor) -> Tensor:
    """``(1, H, W, 3)`` uint8 to ``(1, 3, H, W)`` 0..1."""
    return frame.permute(0, 3, 1, 2).float() / 255


_DYNAMIC = {
    "frame": {1: "H", 2: "W"},
    "query": {2: "h", 3: "w"},
    "query_value": {2: "h", 3: "w"},
    "deep": {2: "h", 3: "w"},
    "key": {1: "P"},
    "shrinkage": {1: "P"},
    "masks": {0: "N", 1: "H", 2: "W"},
    "others": {0: "N", 1: "H", 2: "W"},
    "previous_masks": {0: "N", 1: "H", 2: "W"},
    "logits": {0: "N", 1: "H", 2: "W"},
    "probability": {1: "H4", 2: "W4"},
    "skip_8": {2: "H8", 3: "W8"},
    "skip_4": {2: "H4", 3: "W4"},
    "skip_2": {2: "H2", 3: "W2"},
}
_ENTRY = {
    "memory_value": {0: "N", 2: "P"},
    "memory_key": {0: "N", 1: "P"},
    "memory_shrinkage": {0: "N", 1: "P"},
}
_MEMORY = {
    "memory_value": {0: "T", 1: "N", 3: "P"},
    "memory_key": {0: "T", 1: "G", 2: "P"},
    "memory_shrinkage": {0: "T", 1: "G", 2: "P"},
}


def _write(module: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: list[str]) -> None:
    dynamic = {**_DYNAMIC, **(_MEMORY if path.stem == "segment" else _ENTRY)}
    names = [*inputs, *outputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on constants that are constants
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={name: dynamic[name] for name in names},
            opset_version=OPSET,
            dynamo=False,
        )


def _halve(path: Path) -> None:
    """Store the weights of a graph in half precision, each followed by a cast to single precision."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= _HALVED_FROM:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            cast = onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
            casts.append(cast)
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
    onnx.save(model, str(path))
