"""The published STM's state dict with made-up weights, by the rule of the reference outputs."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

from maskstream.network.frame_encoders import IMAGENET_MEAN, IMAGENET_STD


def weight(key: str, shape: list[int]) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith((".mean", ".std")):
        constants = IMAGENET_MEAN if key.endswith("mean") else IMAGENET_STD
        return torch.tensor(constants).view(1, 3, 1, 1).expand(shape).clone()
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    noise = generator.standard_normal(shape).astype(np.float32)
    if key.endswith("running_mean"):
        values = 0.1 * noise
    elif key.endswith("running_var"):
        values = 1 + 0.1 * abs(noise)
    elif len(shape) == 4:
        values = noise * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    elif key.endswith("weight"):
        values = np.float32(0.2 if "bn3" in key else 1.0) * (1 + 0.1 * noise)
    else:
        values = 0.05 * noise
    return torch.from_numpy(values)


def published_state_dict(golden: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    shapes = json.loads((golden / "stm" / "state_dict_shapes.json").read_text())
    return {prefix + key: weight(key, shape) for key, shape in shapes.items()}
