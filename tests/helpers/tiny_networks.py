"""Networks of every kind, small enough to run in milliseconds."""

from dataclasses import replace

import torch

from maskstream.network.config import NetworkConfig
from maskstream.network.model import Features, Memorized, SegmentationNetwork, join

TINY = NetworkConfig(
    name="tiny",
    backbone="plain",
    trunk_widths=(4, 8, 8, 16),
    trunk_depths=(0, 1, 1, 1),
    mask_widths=(4, 4, 8, 8),
    key_dim=8,
    value_dim=16,
    aspp_width=4,
    decoder_width=(16, 8, 8, 4),
)
ENCODERS = {
    "full-own": replace(TINY, memory_encoder="full", shared_key=False),
    "full-shared": replace(TINY, memory_encoder="full", shared_key=True),
    "light-shared": replace(TINY, memory_encoder="light", shared_key=True),
}
PARTS = {
    "spatial": {"spatial_constraint": True},
    "aspp": {"aspp": True},
    "refinement": {"refinement": True},
    "mask-skip": {"previous_mask_skip": True},
    "norm": {"decoder_norm": True},
    "bare-skips": {"skip_depth": 0},
}
ALL_PARTS = {field: value for part in PARTS.values() for field, value in part.items()}
CONFIGS = {
    **{
        f"{name}-{kind}": replace(config, similarity=kind)
        for name, config in ENCODERS.items()
        for kind in ("dot", "l2", "cosine")
    },
    **{f"full-own-{name}": replace(ENCODERS["full-own"], **part) for name, part in PARTS.items()},
    **{
        f"{name}-all-parts": replace(config, similarity="l2", **ALL_PARTS)
        for name, config in ENCODERS.items()
    },
}


def make(config: NetworkConfig, seed: int = 0) -> SegmentationNetwork:
    """A network with random weights, in evaluation mode, whose norms have seen some images."""
    torch.manual_seed(seed)
    network = SegmentationNetwork(config).train()
    with torch.no_grad():
        stream(network, *inputs(batch=2, objects=4, seed=seed + 1), index=torch.tensor([0, 0, 1, 1]))
    return network.eval()


def inputs(batch: int, objects: int, height: int = 48, width: int = 80, seed: int = 0):
    """Frames ``(B, 3, H, W)``, and soft masks and others ``(M, 1, H, W)``."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.rand(batch, 3, height, width, generator=generator)
    masks = torch.rand(objects, 1, height // 8, width // 8, generator=generator)
    masks = torch.nn.functional.interpolate(masks, scale_factor=8.0)
    return frames, masks, (1 - masks) * 0.5


def stream(network, frames, masks, others, index=None) -> tuple[Features, Memorized, torch.Tensor]:
    """Memorize frames, and their mirror images, and segment them with their masks as previous masks."""
    features = network.encode(frames)
    mirrored = network.encode(frames.flip(-1))
    memory = join(
        [
            network.memorize(frames, features, masks, others, index),
            network.memorize(frames.flip(-1), mirrored, masks.flip(-1), others.flip(-1), index),
        ]
    )
    return features, memory, network.segment(features, memory, masks, index)
