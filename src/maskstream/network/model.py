"""The segmentation network: encode a frame, memorize a frame with its masks, segment a frame from memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskstream.network.aspp import ASPP
from maskstream.network.config import NetworkConfig
from maskstream.network.decoder import Decoder, mask_pyramid
from maskstream.network.frame_encoders import FullMemoryEncoder, ImageEncoder, LightMemoryEncoder
from maskstream.network.memory_read import (
    SCORE_BYTES,
    Index,
    pick,
    read,
    read_frames,
    similarity,
    softmax,
    unit,
)
from maskstream.network.spatial import SpatialConstraint

FIRST_TEMPERATURE = 12.0


class Features(NamedTuple):
    """What the network knows of a frame without any mask. B frames; h = H / 16, w = W / 16.

    Attributes:
        key: ``(B, Ck, h, w)`` the query.
        shrinkage: ``(B, 1, h, w)`` or None.
        value: ``(B, Cv, h, w)`` the query value, concatenated to the read-out.
        deep: ``(B, C, h, w)`` the trunk's last feature, for the light memory encoder.
        skips: image-only decoder branches at 1/8, 1/4 (and 1/2).
    """

    key: Tensor
    shrinkage: Tensor | None
    value: Tensor
    deep: Tensor
    skips: tuple[Tensor, ...]


class Memorized(NamedTuple):
    """One or several memory frames. G = B with shared keys, else M objects; S memory cells.

    Attributes:
        key: ``(G, S, Ck)``.
        shrinkage: ``(G, S, 1)`` or None.
        value: ``(M, Cv, S)``.
    """

    key: Tensor
    shrinkage: Tensor | None
    value: Tensor


def join(entries: list[Memorized]) -> Memorized:
    """Several memory frames as one memory."""
    shrinkages = [e.shrinkage for e in entries if e.shrinkage is not None]
    return Memorized(
        torch.cat([e.key for e in entries], 1),
        torch.cat(shrinkages, 1) if shrinkages else None,
        torch.cat([e.value for e in entries], 2),
    )


def from_frames(key: Tensor, shrinkage: Tensor | None, value: Tensor) -> Memorized:
    """A streaming memory, kept frame by frame, as one memory.

    Args:
        key: ``(T, G, P, Ck)``, P cells in each of T frames.
        shrinkage: ``(T, G, P, 1)`` or None.
        value: ``(T, M, Cv, P)``.
    """
    return Memorized(
        key.transpose(0, 1).flatten(1, 2),
        None if shrinkage is None else shrinkage.transpose(0, 1).flatten(1, 2),
        value.permute(1, 2, 0, 3).flatten(2),
    )


class SegmentationNetwork(nn.Module):
    """A member of the family that ``NetworkConfig`` describes.

    Objects are one flat list of M over the whole batch; ``index`` says to which frame of the batch each
    belongs. With one frame, ``index=None`` broadcasts it over its objects.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        channels = self.image_encoder.trunk.channels
        self.memory_encoder: FullMemoryEncoder | LightMemoryEncoder
        if config.memory_encoder == "full":
            self.memory_encoder = FullMemoryEncoder(config)
        else:
            self.memory_encoder = LightMemoryEncoder(config, channels[16])
        self.log_temperature: nn.Parameter | None = None
        if config.similarity == "cosine":
            self.log_temperature = nn.Parameter(torch.tensor(FIRST_TEMPERATURE).log())
        self.spatial = SpatialConstraint(config.value_dim) if config.spatial_constraint else None
        width = 2 * config.value_dim
        self.aspp: ASPP | None = None
        if config.aspp:
            self.aspp = ASPP(width, config.aspp_width, config.decoder_width[0], norm=config.decoder_norm)
            width = config.decoder_width[0]
        self.decoder = Decoder(config, width, channels)

    def encode(self, frame: Tensor) -> Features:
        """Features of frames ``(B, 3, H, W)``, RGB 0..1, H and W multiples of 16."""
        features = self.image_encoder(frame)
        deep = features[16]
        key, shrinkage = self.image_encoder.key(deep)
        if self.config.similarity == "cosine":
            key = unit(key)
        value = self.image_encoder.value(deep)
        return Features(key, shrinkage, value, deep, self.decoder.image_branches(features))

    def memorize(
        self, frame: Tensor, features: Features, masks: Tensor, others: Tensor, index: Index = None
    ) -> Memorized:
        """Turn frames with masks into memory frames.

        Args:
            frame: ``(B, 3, H, W)`` RGB 0..1.
            features: of the same frames.
            masks: ``(M, 1, H, W)`` each object's soft mask, 0..1.
            others: ``(M, 1, H, W)`` the sum of the other objects' masks, at most 1.
            index: ``(M,)`` each object's frame, or None for one frame.
        """
        key, shrinkage, value = self.memory_encoder(frame, features.deep, masks, others, index)
        if key is None:
            key, shrinkage = features.key, features.shrinkage
        elif self.config.similarity == "cosine":
            key = unit(key)
        return Memorized(
            key.flatten(2).transpose(1, 2),
            None if shrinkage is None else shrinkage.flatten(2).transpose(1, 2),
            value.flatten(2),
        )

    def segment(
        self, features: Features, memory: Memorized, previous_masks: Tensor, index: Index = None
    ) -> Tensor:
        """One logit map for each object.

        Args:
            features: of the current frames.
            memory: everything to read from.
            previous_masks: ``(M, 1, H, W)`` the previous frame's soft masks; zeros where an object is absent.
            index: ``(M,)`` each object's frame, or None for one frame.

        Returns:
            ``(M, H, W)`` float32 logits; the object's probability is their sigmoid.
        """
        return self.decode(features, self.read_out(features, memory, index), previous_masks, index)

    def decode(
        self, features: Features, readout: Tensor, previous_masks: Tensor, index: Index = None
    ) -> Tensor:
        """What ``segment`` makes of the memory read ``(M, Cv, h, w)``."""
        previous = mask_pyramid(previous_masks)
        if self.spatial is not None:
            readout = self.spatial(readout, previous[16])
        value = pick(features.value, index)
        x = torch.cat([readout, value.expand(readout.shape[0], -1, -1, -1)], 1)
        if self.aspp is not None:
            x = self.aspp(x)
        logits: Tensor = self.decoder(x, features.skips, previous, index)
        return logits

    def read_out(self, features: Features, memory: Memorized, index: Index) -> Tensor:
        """The memory read: ``(M, Cv, h, w)``."""
        height, width = features.key.shape[-2:]
        query = features.key.flatten(2)
        if not self.config.shared_key:
            query = pick(query, index)
        scores = similarity(query, memory.key, memory.shrinkage, self.config.similarity, self.temperature)
        affinity = softmax(scores).to(memory.value.dtype)
        readout = read(affinity, memory.value, index if self.config.shared_key else None)
        return readout.reshape(memory.value.shape[0], memory.value.shape[1], height, width)

    def read_frames(self, features: Features, key: Tensor, shrinkage: Tensor | None, value: Tensor) -> Tensor:
        """The memory read of one frame from a streaming memory as it lies, for inference: ``(M, Cv, h, w)``.

        Args:
            features: of the current frame.
            key: ``(T, G, P, Ck)``, P cells in each of T frames.
            shrinkage: ``(T, G, P, 1)`` or None.
            value: ``(T, M, Cv, P)``.
        """
        frames, groups, cells, _ = key.shape
        if 4 * frames * groups * cells**2 <= SCORE_BYTES:
            dtype = features.key.dtype
            shrinkage = None if shrinkage is None else shrinkage.to(dtype)
            return self.read_out(features, from_frames(key.to(dtype), shrinkage, value.to(dtype)), None)
        query, kind = features.key.flatten(2), self.config.similarity
        readout = read_frames(query, key, shrinkage, value, kind, self.temperature)
        return readout.reshape(*readout.shape[:2], *features.key.shape[-2:])

    @property
    def temperature(self) -> Tensor:
        """The learned temperature of cosine similarity, at most 100; 1 for the others."""
        if self.log_temperature is None:
            return torch.ones(())
        return self.log_temperature.exp().clamp(max=100.0)
