"""Training of a network that finds the subject."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from maskstream.clips.scenes import SceneSampler
from maskstream.clips.tensors import ImageSet
from maskstream.network import checkpoints
from maskstream.network.subject_config import SubjectConfig
from maskstream.network.subject_network import SubjectNetwork
from maskstream.training.config import SubjectTrainConfig
from maskstream.training.loop import StepResult, TrainingLoop
from maskstream.training.precision import autocast
from maskstream.training.subject_loss import SubjectResult, subject_loss

EvaluateSubject = Callable[[SubjectNetwork, Path, int], dict[str, float]]


@dataclass(frozen=True)
class SubjectData:
    """What frames with a subject are made from; see ``SceneSampler``."""

    images: ImageSet
    backgrounds: ImageSet | None


class SubjectTrainer(TrainingLoop[SubjectNetwork]):
    """Trains a network that finds the subject.

    Args:
        network: what to train.
        data: what frames are made from.
        config: the run.
        folder: as for ``TrainingLoop``, like device and evaluate.
        device: where to train.
        start: weights of such a network, or of one that follows objects with this trunk; None: from scratch.
        evaluate: what judges checkpoints.

    Raises:
        InputError: the folder holds a run, or ``start`` weights, of another network.
    """

    def __init__(
        self,
        network: SubjectConfig,
        data: SubjectData,
        config: SubjectTrainConfig,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        start: Path | None = None,
        evaluate: EvaluateSubject | None = None,
    ) -> None:
        def make() -> SubjectNetwork:
            return SubjectNetwork(network) if start is None else checkpoints.started_subject(start, network)

        super().__init__(make, config, folder, device, evaluate)
        self.config = config
        self.sampler = SceneSampler(
            data.images, data.backgrounds, config.scenes, self.sampler_generator, self.device
        )
        self._forward = self.processes.parallel(self.network, unused=False)
        self._open_folder()

    def _batch(self, progress: float) -> StepResult:
        config = self.config
        size = config.sizes[int(torch.randint(len(config.sizes), (), generator=self.generator))]
        begun = time.monotonic()
        scenes = self.sampler.sample(config.batch, size)
        making = time.monotonic() - begun
        with autocast(self.device, config):
            logits = self._forward(scenes.frames.contiguous(memory_format=torch.channels_last))
        result: SubjectResult = subject_loss(
            logits, scenes.labels, config.hard_share(progress), config.dice_weight
        )
        return StepResult(result.loss, result.iou, config.batch, making)
