"""A network in three small graphs made by hand: an object is where its colours are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

U8, F32 = TensorProto.UINT8, TensorProto.FLOAT


def _graph(path: Path, nodes: list, inputs: dict, outputs: dict, constants: dict | None = None) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *form) for name, form in inputs.items()],
        [helper.make_tensor_value_info(name, F32, form) for name, form in outputs.items()],
        [numpy_helper.from_array(np.array(v), name) for name, v in (constants or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def _pool(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("AveragePool", [source], [target], kernel_shape=[16, 16], strides=[16, 16])


def write_colour_network(folder: Path, own_keys: bool = False) -> Path:
    """Keys are mean colours, of ``encode`` or, with ``own_keys``, of ``memorize``; values are mean masks."""
    folder.mkdir()
    node = helper.make_node
    frame = {"frame": (U8, [1, "H", "W", 3])}
    colours = [
        node("Cast", ["frame"], ["floats"], to=F32),
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        _pool("planes", "skip_16"),
        node("Reshape", ["skip_16", "rows"], ["columns"]),
        node("Transpose", ["columns"], ["colours"], perm=[0, 2, 1]),
    ]
    key = [node("Identity", ["colours"], ["memory_key" if own_keys else "key"])]
    constants = {"rows": np.array([1, 3, -1], np.int64)}
    made = {"query": [1, "P", 3], "skip_16": [1, 3, "h", "w"]} | ({} if own_keys else {"key": [1, "P", 3]})
    query = [node("Identity", ["colours"], ["query"])]
    _graph(folder / "encode.onnx", colours + query + ([] if own_keys else key), frame, made, constants)

    value = [
        node("Unsqueeze", ["masks", "one"], ["mask_planes"]),
        _pool("mask_planes", "mask_cells"),
        node("Reshape", ["mask_cells", "flat"], ["memory_value"]),
    ]
    constants |= {"one": np.array([1]), "flat": np.array([0, 1, -1])}
    masks = {"masks": (F32, ["N", "H", "W"])}
    entry = {"memory_value": ["N", 1, "P"]} | ({"memory_key": ["N", "P", 3]} if own_keys else {})
    _graph(
        folder / "memorize.onnx",
        value + (colours + key if own_keys else []),
        masks | (frame if own_keys else {}),
        entry,
        constants,
    )

    # The distance of colours decides, as in a memory read; one group of keys is enough here.
    read = [
        node("Reshape", ["memory_key", "cells"], ["keys"]),
        node("ReduceSumSquare", ["keys"], ["lengths"], axes=[1], keepdims=1),
        node("Transpose", ["keys"], ["keys_t"], perm=[1, 0]),
        node("Squeeze", ["query", "zero"], ["queries"]),
        node("MatMul", ["queries", "keys_t"], ["products"]),
        node("Transpose", ["lengths"], ["lengths_t"], perm=[1, 0]),
        node("Mul", ["products", "two"], ["doubled"]),
        node("Sub", ["doubled", "lengths_t"], ["scores"]),
        node("Mul", ["scores", "sharpness"], ["sharp"]),
        node("Softmax", ["sharp"], ["affinity"], axis=1),
        node("Transpose", ["memory_value"], ["values_nt"], perm=[1, 0, 2, 3]),
        node("Reshape", ["values_nt", "by_object"], ["values"]),
        node("Transpose", ["affinity"], ["affinity_t"], perm=[1, 0]),
        node("MatMul", ["values", "affinity_t"], ["readout"]),
        node("Sub", ["readout", "half"], ["centred"]),
        node("Mul", ["centred", "steep"], ["cell_logits"]),
        node("Shape", ["skip_16"], ["height_width"], start=2),
        node("Shape", ["cell_logits"], ["count"], end=1),
        node("Concat", ["count", "one", "height_width"], ["shape"], axis=0),
        node("Reshape", ["cell_logits", "shape"], ["map"]),
        node("Resize", ["map", "", "scales"], ["large"], mode="nearest"),
        node("Squeeze", ["large", "one"], ["logits"]),
    ]
    constants = {
        "cells": np.array([-1, 3]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.float32(2),
        "sharpness": np.float32(0.01),
        "by_object": np.array([0, -1]),
        "half": np.float32(0.5),
        "steep": np.float32(20),
        "scales": np.array([1, 1, 16, 16], np.float32),
    }
    inputs = {
        "query": (F32, [1, "P", 3]),
        "skip_16": (F32, [1, 3, "h", "w"]),
        "memory_key": (F32, ["T", "G", "P", 3]),
        "memory_value": (F32, ["T", "N", 1, "P"]),
    }
    _graph(folder / "segment.onnx", read, inputs, {"logits": ["N", "H", "W"]}, constants)
    info = {"name": "colours", "default_size": 64, "shared_key": not own_keys, "made_by": "a newer version"}
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")
    return folder
