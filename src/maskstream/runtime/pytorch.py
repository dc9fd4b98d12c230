"""Networks on PyTorch: CPU, CUDA or Apple's MPS; needs the ``train`` extra."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError
from maskstream.network import checkpoints
from maskstream.network.config import STRIDE, NetworkConfig
from maskstream.network.model import Features, SegmentationNetwork
from maskstream.network.soft_aggregation import soft_aggregate
from maskstream.network.subject_config import SUBJECT_STRIDE, SubjectConfig
from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo

LARGE = 2**17  #: pixels from which on the CPU is faster with the channels last
WORK_BYTES = {"cpu": 2**26}  #: of features of objects that are worked on together
MUCH_WORK = 2**31  #: the same, where many objects at a time are faster than few
FEATURE_MAPS = 5  #: of the finest and widest, that exist at a time
LIVE_SIZE = 240
LIVE_WINDOW = 2.5
SUBJECT_SIZE = 256


class TorchRuntime:
    """A network in PyTorch; memory stays on its device."""

    def __init__(
        self,
        network: SegmentationNetwork,
        info: ModelInfo | None = None,
        device: str | None = None,
        half: bool = False,
        half_memory: bool = False,
    ) -> None:
        """Put a network on a device, ready to run.

        Args:
            network: is moved there and set to evaluation mode.
            info: None: what its config says.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; None: CUDA, else MPS, else the CPU.
            half: compute and remember in half precision: faster on CUDA, and no longer equal to four digits.
            half_memory: only keep memory in half precision, half the bytes; see ``docs/python.md``.

        Raises:
            InputError: there is no such device here.
        """
        self.info = info or info_for(network.config)
        self.device = _device(device)
        self.dtype = torch.float16 if half else torch.float32
        self.memory_dtype = torch.float16 if half_memory else self.dtype
        self.network = network.to(self.device, self.dtype).eval()

    @torch.inference_mode()
    def encode(self, frame: NDArray[np.uint8]) -> Features:
        """See ``Runtime.encode``."""
        features: Features = self.network.encode(self._image(frame))
        return features

    def for_memory(self, features: Features) -> Features:
        """See ``Runtime.for_memory``."""
        return features._replace(value=features.value.new_empty(0), skips=())

    @torch.inference_mode()
    def memorize(
        self, frame: NDArray[np.uint8], features: Features, masks: Floats, others: Floats
    ) -> MemoryEntry:
        """See ``Runtime.memorize``."""
        image = self._image(frame)
        entries = []
        for rows in self._parts(masks):
            planes = self._tensor(masks[rows])[:, None], self._tensor(others[rows])[:, None]
            entries.append(self.network.memorize(image, features, *planes))
        key, shrinkage, value = entries[0]
        if len(entries) > 1:
            value = torch.cat([entry.value for entry in entries])
            if not self.info.shared_key:
                key = torch.cat([entry.key for entry in entries])
                own = [entry.shrinkage for entry in entries if entry.shrinkage is not None]
                shrinkage = torch.cat(own) if own else None
        return MemoryEntry(key, shrinkage, value)

    @torch.inference_mode()
    def segment(self, features: Features, memory: Memory, previous_masks: Floats) -> Floats:
        """See ``Runtime.segment``; objects are read and decoded a few at a time, as memory allows."""
        key, shrinkage, value = cast(tuple[torch.Tensor, torch.Tensor | None, torch.Tensor], memory)
        shared = self.info.shared_key
        logits = np.empty(previous_masks.shape, np.float32)
        readouts = self.network.read_frames(features, key, shrinkage, value) if shared else None
        for rows in self._parts(previous_masks):
            if readouts is not None:
                readout = readouts[rows]
            else:
                own = None if shrinkage is None else shrinkage[:, rows]
                readout = self.network.read_frames(features, key[:, rows], own, value[:, rows])
            readout = self._arranged(readout, logits[0].size)
            previous = self._tensor(previous_masks[rows])[:, None]
            logits[rows] = self.network.decode(features, readout, previous).cpu().numpy()
        return logits

    @torch.inference_mode()
    def aggregate(self, logits: Floats) -> Floats:
        """See ``Runtime.aggregate``; large frames go through it in strips."""
        count, height, width = logits.shape
        empty_slots = max(0, self.network.config.object_slots - count)
        shares = np.empty_like(logits)
        rows = max(1, WORK_BYTES["cpu"] // (FEATURE_MAPS * 4 * (count + empty_slots + 1) * width))
        for first in range(0, height, rows):
            strip = torch.from_numpy(np.ascontiguousarray(logits[:, first : first + rows]))
            shares[:, first : first + rows] = soft_aggregate(strip, empty_slots)[1:].numpy()
        return shares

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor on the device; see ``Runtime.empty``."""
        return torch.empty(shape, dtype=self.memory_dtype, device=self.device)

    def _tensor(self, array: NDArray[np.generic]) -> torch.Tensor:
        own = np.require(array, requirements=("C", "W"))  # torch has no tensors that can't be written to
        return torch.from_numpy(own).to(self.device, self.dtype)

    def _image(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        image = self._tensor(frame.transpose(2, 0, 1))[None] / 255
        return self._arranged(image, frame.shape[0] * frame.shape[1])

    def _arranged(self, x: torch.Tensor, pixels: int) -> torch.Tensor:
        """A feature map of a frame of so many pixels in the layout that convolutions are fastest in."""
        channels_last = self.device.type == "cpu" and pixels >= LARGE
        return x.contiguous(memory_format=torch.channels_last) if channels_last else x

    def _parts(self, masks: Floats) -> list[slice]:
        """The N objects of ``(N, H, W)`` in parts that are worked on together."""
        count, height, width = masks.shape
        decoder = self.network.decoder
        widths = self.network.config.decoder_width[1:]
        densest = max(w / stride**2 for w, stride in zip(widths, decoder.strides, strict=False))
        each = FEATURE_MAPS * self.dtype.itemsize * densest * height * width
        together = max(1, int(WORK_BYTES.get(self.device.type, MUCH_WORK) // each))
        return [slice(first, first + together) for first in range(0, count, together)]


def load_checkpoint(
    path: str | Path, device: str | None = None, half: bool = False, half_memory: bool = False
) -> TorchRuntime:
    """A runtime from a ``.safetensors`` of this project or a published STM ``.pth``.

    Raises:
        InputError: the file or the device cannot be used.
    """
    return TorchRuntime(checkpoints.load(path), device=device, half=half, half_memory=half_memory)


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


def subject_info(config: SubjectConfig) -> ModelInfo:
    """How a subject network wants to be used."""
    return ModelInfo(name=config.name, default_size=SUBJECT_SIZE, stride=SUBJECT_STRIDE)


def _device(name: str | None) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used ({reason}); choose cpu, cuda or mps") from error
    return torch.device(name)
