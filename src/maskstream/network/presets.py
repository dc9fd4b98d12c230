"""The named networks."""

from __future__ import annotations

from typing import Any

from maskstream.errors import InputError
from maskstream.network.config import NetworkConfig

PRESETS = {
    # The published STM graph (Oh et al., ICCV 2019), exactly.
    "stm": NetworkConfig(name="stm", object_slots=10),
    # The winner of the DAVIS 2020 semi-supervised challenge (Zhang et al., DAVIS workshop 2020).
    "damo": NetworkConfig(
        name="damo", backbone="resnest101e", spatial_constraint=True, aspp=True, refinement=True
    ),
    # Runs live on two CPU threads.
    "live": NetworkConfig(
        name="live",
        backbone="efficientnet_lite0",
        pretrained=True,
        trunk_norm=False,
        memory_encoder="light",
        key_dim=64,
        value_dim=128,
        similarity="cosine",
        shared_key=True,
        spatial_constraint=True,
        aspp=True,
        aspp_width=32,
        previous_mask_skip=True,
        decoder_width=(96, 64, 32, 16),
        decoder_norm=True,
        skip_depth=0,
    ),
}

#: Fields of ``TrainConfig`` that suit a preset, where nothing else is asked for: a trunk that knows the world
#: already is changed little, and not where that is dearest.
TRAINING: dict[str, dict[str, Any]] = {
    "live": {"trunk_rate": 0.25, "frozen_stride": 4, "freeze_depthwise": True, "rate": 0.0008}
}


def preset(name: str) -> NetworkConfig:
    """The config of a named network.

    Raises:
        InputError: there is no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"unknown network {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
