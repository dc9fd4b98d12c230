"""Training of a network that follows objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from maskstream.clips.samplers import Clips, ClipSampler
from maskstream.clips.tensors import ImageSet, VideoSet
from maskstream.errors import InputError
from maskstream.network import checkpoints
from maskstream.network.config import NetworkConfig
from maskstream.network.model import SegmentationNetwork
from maskstream.network.pretrained import fold_norms
from maskstream.training.config import TrainConfig
from maskstream.training.loop import StepResult, TrainingLoop
from maskstream.training.parameters import trunk_of
from maskstream.training.precision import autocast
from maskstream.training.rollout import RolloutResult, rollout

Evaluate = Callable[[SegmentationNetwork, Path, int], dict[str, float]]


@dataclass(frozen=True)
class TrainingData:
    """What clips are made from; see ``ClipSampler``."""

    images: ImageSet | None
    videos: VideoSet | None
    backgrounds: ImageSet | None


class Trainer(TrainingLoop[SegmentationNetwork]):
    """Trains a network that follows objects.

    Args:
        network: what to train.
        data: what clips are made from.
        config: the run.
        folder: as for ``TrainingLoop``, like device and evaluate.
        device: where to train.
        start: weights of such a network to start from; None: from scratch.
        evaluate: what judges checkpoints.

    Raises:
        InputError: the folder holds a run, or ``start`` weights, of another network.
    """

    def __init__(
        self,
        network: NetworkConfig,
        data: TrainingData,
        config: TrainConfig,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        start: Path | None = None,
        evaluate: Evaluate | None = None,
    ) -> None:
        def make() -> SegmentationNetwork:
            return SegmentationNetwork(network) if start is None else _started(start, network)

        super().__init__(make, config, folder, device, evaluate)
        self.config = config
        self.sampler = ClipSampler(
            data.images, data.videos, data.backgrounds, config.clips, self.sampler_generator, self.device
        )
        # Some of timm's networks keep parts that none of the features needs.
        unused = self.network.config.backbone != "plain"
        self._rollout = self.processes.parallel(_Rollout(self.network, config), unused)
        self._open_folder()

    def _batch(self, progress: float) -> StepResult:
        config, stage = self.config, self.config.stage(progress)
        side = stage.size[int(torch.randint(len(stage.size), (), generator=self.generator))]
        begun = time.monotonic()
        clips = self.sampler.sample(
            stage.batch, side, stage.frames, config.skip.max_skip(progress), stage.video_fraction
        )
        making = time.monotonic() - begun
        truth = max(0.0, 1 - progress / config.truth_until) if config.truth_until else 0.0
        result: RolloutResult = self._rollout(clips, truth, config.hard_share(progress), self.generator)
        return StepResult(result.loss, result.iou, stage.batch, making)


class _Rollout(nn.Module):
    """``rollout`` as a module, so that data-parallel training sees one forward pass."""

    def __init__(self, network: SegmentationNetwork, config: TrainConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(
        self, clips: Clips, truth: float, hard_share: float, generator: torch.Generator
    ) -> RolloutResult:
        with autocast(clips.frames.device, self.config):
            return rollout(
                self.network, clips, self.config, truth=truth, hard_share=hard_share, generator=generator
            )


def _started(start: Path, config: NetworkConfig) -> SegmentationNetwork:
    network = checkpoints.load(start)
    if network.config.trunk_norm and not config.trunk_norm:
        fold_norms(trunk_of(network))
        network.config = replace(network.config, trunk_norm=False)
    wanted = replace(config, name=network.config.name, pretrained=network.config.pretrained)
    if network.config != wanted:
        raise InputError(
            f"{start}: holds another network, {network.config.name!r}; train that, or start afresh"
        )
    network.config = config
    return network
