"""Parameters of a network, by how they are trained."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from maskstream.network.backbone import PlainTrunk, TimmTrunk
from maskstream.network.model import SegmentationNetwork
from maskstream.network.subject_network import SubjectNetwork
from maskstream.training.config import RunConfig


def trunk_of(network: SegmentationNetwork | SubjectNetwork) -> PlainTrunk | TimmTrunk:
    """What a network sees with."""
    encoder = network.image_encoder if isinstance(network, SegmentationNetwork) else network
    trunk: PlainTrunk | TimmTrunk = encoder.trunk
    return trunk


def parameter_groups(
    network: SegmentationNetwork | SubjectNetwork, config: RunConfig
) -> list[dict[str, Any]]:
    """Weight decay on convolution weights, none on biases, norms and temperature; the trunk at its rate."""
    trunk = {id(parameter) for parameter in trunk_of(network).parameters()}
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in trunk, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decayed else 0.0,
            "scale": config.trunk_rate if of_trunk else 1.0,
        }
        for (of_trunk, decayed), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]


def freeze_norms(network: nn.Module) -> None:
    """Have the norms use what they have measured, and measure no more."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
