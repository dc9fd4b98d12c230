"""A data set of drawn clips, and networks and runs so small that a step takes milliseconds."""

from dataclasses import replace

import numpy as np
import torch

from maskstream.clips.samplers import Clips, ClipSampler
from maskstream.clips.tensors import ImageSet, VideoSet
from maskstream.drawn_clips import draw_clip
from maskstream.network.config import NetworkConfig
from maskstream.training.config import Stage, TrainConfig
from maskstream.training.follow import TrainingData

LIGHT = NetworkConfig(
    name="tiny",
    backbone="plain",
    trunk_widths=(4, 8, 8, 16),
    trunk_depths=(0, 1, 1, 1),
    memory_encoder="light",
    mask_widths=(4, 4, 8, 8),
    key_dim=8,
    value_dim=16,
    similarity="cosine",
    shared_key=True,
    spatial_constraint=True,
    aspp=True,
    aspp_width=4,
    previous_mask_skip=True,
    decoder_width=(16, 8, 8, 4),
    decoder_norm=True,
)
FULL = replace(
    LIGHT,
    memory_encoder="full",
    similarity="dot",
    shared_key=False,
    refinement=True,
    decoder_norm=False,
)
STAGES = (
    Stage(until=0.5, size=(32,), batch=2, frames=2, video_fraction=0.0),
    Stage(until=1.0, size=(32, 48), batch=2, frames=3, video_fraction=0.5),
)
RUN = TrainConfig(steps=6, stages=STAGES, warm_up=1, rate=1e-3, bfloat16=False)


def drawn_data(frames: int = 8, side: int = 64) -> TrainingData:
    """Two drawn videos, their first frames as stills, and their colours as backgrounds."""
    clips = [list(draw_clip(frames, side, side, objects=2, seed=seed)) for seed in (0, 1)]
    pictures = torch.from_numpy(np.stack([frame for clip in clips for frame, _ in clip])).permute(0, 3, 1, 2)
    labels = torch.from_numpy(np.stack([label_map for clip in clips for _, label_map in clip]))
    first = torch.tensor([0, frames])
    ones, never = torch.ones(2), torch.zeros(2, dtype=torch.bool)
    return TrainingData(
        images=ImageSet(pictures[first], labels[first], ones, never),
        videos=VideoSet(
            pictures, labels, first, torch.tensor([frames] * 2), torch.ones(2, dtype=torch.int64), ones
        ),
        backgrounds=ImageSet(pictures[first], torch.zeros_like(labels[first]), ones, never),
    )


def drawn_clips(batch: int = 2, side: int = 32, frames: int = 3, seed: int = 0) -> Clips:
    """A batch of training clips."""
    data = drawn_data()
    generator = torch.Generator().manual_seed(seed)
    sampler = ClipSampler(data.images, data.videos, data.backgrounds, RUN.clips, generator)
    return sampler.sample(batch, side, frames)
