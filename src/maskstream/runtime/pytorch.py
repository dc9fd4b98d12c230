"""Networks on PyTorch: CPU, CUDA or Apple's MPS; needs the ``train`` extra."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from maskstream.errors import InputError
from maskstream.network import checkpoints
from maskstream.network.aggregation import soft_aggregate
from maskstream.network.config import STRIDE, NetworkConfig
from maskstream.network.model import Features, SegmentationNetwork, from_frames
from maskstream.runtime.protocol import Floats, Memory, MemoryEntry, ModelInfo

LIVE_SIZE = 240
LIVE_WINDOW = 2.5


class TorchRuntime:
    """A network in PyTorch; memory stays on its device."""

    def __init__(
        self,
        network: SegmentationNetwork,
        info: ModelInfo | None = None,
        device: str | None = None,
        half: bool = False,
    ) -> None:
        """Put a network on a device, ready to run.

        Args:
            network: is moved there and set to evaluation mode.
            info: None: what its config says.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; None: CUDA, else MPS, else the CPU.
            half: compute and remember in half precision: faster on CUDA, and no longer equal to four digits.

        Raises:
            InputError: there is no such device here.
        """
        self.info = info or info_for(network.config)
        self.device = _device(device)
        self.dtype = torch.float16 if half else torch.float32
        self.network = network.to(self.device, self.dtype).eval()

    @torch.inference_mode()
    def encode(self, frame: NDArray[np.uint8]) -> Features:
        """See ``Runtime.encode``."""
        return self.network.encode(self._image(frame))

    @torch.inference_mode()
    def memorize(
        self, frame: NDArray[np.uint8], features: Features, masks: Floats, others: Floats
    ) -> MemoryEntry:
        """See ``Runtime.memorize``."""
        entry = self.network.memorize(
            self._image(frame), features, self._tensor(masks)[:, None], self._tensor(others)[:, None]
        )
        return MemoryEntry(entry.key, entry.shrinkage, entry.value)

    @torch.inference_mode()
    def segment(self, features: Features, memory: Memory, previous_masks: Floats) -> Floats:
        """See ``Runtime.segment``."""
        key, shrinkage, value = cast(tuple[torch.Tensor, torch.Tensor | None, torch.Tensor], memory)
        read = from_frames(key, shrinkage, value)
        logits = self.network.segment(features, read, self._tensor(previous_masks)[:, None])
        result: Floats = logits.float().cpu().numpy()
        return result

    @torch.inference_mode()
    def aggregate(self, logits: Floats) -> Floats:
        """See ``Runtime.aggregate``."""
        empty_slots = max(0, self.network.config.object_slots - len(logits))
        shares: Floats = soft_aggregate(torch.from_numpy(logits), empty_slots)[1:].numpy()
        return shares

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor on the device; see ``Runtime.empty``."""
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def _tensor(self, array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, self.dtype)

    def _image(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        return self._tensor(frame.transpose(2, 0, 1))[None] / 255


def load_checkpoint(path: str | Path, device: str | None = None, half: bool = False) -> TorchRuntime:
    """A runtime from a ``.safetensors`` of this project or a published STM ``.pth``.

    Raises:
        InputError: the file or the device cannot be used.
    """
    return TorchRuntime(checkpoints.load(path), device=device, half=half)


def info_for(config: NetworkConfig) -> ModelInfo:
    """How a network wants to be used: small ones at 240 lines near the objects, large ones as STM was."""
    light = config.memory_encoder == "light"
    return ModelInfo(
        name=config.name,
        default_size=LIVE_SIZE if light else None,
        stride=STRIDE,
        shared_key=config.shared_key,
        has_shrinkage=config.similarity == "l2",
        memory_max_frames=3 if light else 20,
        memory_previous=not light,
        window=LIVE_WINDOW if light else 0.0,
    )


def _device(name: str | None) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used ({reason}); choose cpu, cuda or mps") from error
    return torch.device(name)
