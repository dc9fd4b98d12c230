"""The training loop, whatever is trained: one process, or several under torchrun."""

from __future__ import annotations

import atexit
import logging
import math
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from maskstream.clips.samplers import Clips, ClipSampler
from maskstream.clips.scenes import SceneSampler
from maskstream.clips.tensors import ImageSet, VideoSet
from maskstream.errors import InputError
from maskstream.files import written_beside
from maskstream.network import checkpoints
from maskstream.network.backbone import PlainTrunk, TimmTrunk
from maskstream.network.config import NetworkConfig
from maskstream.network.model import SegmentationNetwork
from maskstream.network.pretrained import fold_norms
from maskstream.network.subject import SubjectNetwork
from maskstream.network.subject_config import SubjectConfig
from maskstream.training.averaging import Average, Net
from maskstream.training.config import RunConfig, SubjectTrainConfig, TrainConfig
from maskstream.training.logs import RunLog
from maskstream.training.rollout import RolloutResult, rollout
from maskstream.training.subject_loss import SubjectResult, subject_loss

logger = logging.getLogger(__name__)

STATE = "state.pt"  #: everything that a resumed run needs
WEIGHTS = "average.safetensors"  #: the averaged weights, to evaluate, export and ship
REPORT_SECONDS = 10.0

RandomState = tuple[Tensor, Tensor]  #: of the two generators of a process
Evaluate = Callable[[SegmentationNetwork, Path, int], dict[str, float]]
EvaluateSubject = Callable[[SubjectNetwork, Path, int], dict[str, float]]


@dataclass(frozen=True)
class TrainingData:
    """What clips are made from; see ``ClipSampler``."""

    images: ImageSet | None
    videos: VideoSet | None
    backgrounds: ImageSet | None


@dataclass(frozen=True)
class SubjectData:
    """What frames with a subject are made from; see ``SceneSampler``."""

    images: ImageSet
    backgrounds: ImageSet | None


class StepResult(NamedTuple):
    """What a batch gave.

    Attributes:
        loss: scalar, with gradients.
        iou: scalar, for the log.
        shown: clips or frames in the batch.
        making: seconds that making them took.
    """

    loss: Tensor
    iou: Tensor
    shown: int
    making: float


class TrainingLoop(ABC, Generic[Net]):
    """Trains a network in a folder, and goes on there if it was interrupted.

    A kind of training says what a batch is (``_batch``) and makes its ``sampler`` from ``sampler_generator``.

    Args:
        make: the network, called once the random numbers are seeded.
        config: the run.
        folder: where state, weights, logs and pictures go; made if absent.
        device: where to train. Under torchrun each process takes the GPU of its local rank.
        evaluate: called at each checkpoint with the averaged network, the folder and the step; the figures
            that it returns are logged. It may write pictures to the folder.
    """

    def __init__(
        self,
        make: Callable[[], Net],
        config: RunConfig,
        folder: Path,
        device: torch.device | str,
        evaluate: Callable[[Net, Path, int], dict[str, float]] | None,
    ) -> None:
        self._run_config = config
        self.folder = folder
        self.device = _own_device(device)
        self.rank, self.world = _join_group(self.device)
        torch.manual_seed(config.seed)
        self.network: Net = make()
        # torch's types don't know the argument memory_format.
        self.network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        _trunk(self.network).freeze(config.frozen_stride, config.freeze_depthwise)
        self.average: Average[Net] = Average(self.network, config.ema)
        self.optimizer = torch.optim.AdamW(_groups(self.network, config), lr=config.rate)
        self.generator = torch.Generator().manual_seed(config.seed + self.rank)
        self.sampler_generator = torch.Generator(self.device).manual_seed(config.seed + self.rank)
        self.evaluate: Callable[[Net, Path, int], dict[str, float]] | None = evaluate
        self.step: int = 0
        self.seconds: float = 0.0
        self._stop = False

    @abstractmethod
    def _batch(self, progress: float) -> StepResult:
        """Make a batch and run the network on it."""

    def _open_folder(self) -> None:
        """Make the run's folder, or go on with the run in it; the last thing that a kind of training sets up.

        Raises:
            InputError: the folder holds a run of another network.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / STATE).is_file():
            self._resume()

    def _parallel(self, module: nn.Module, unused: bool) -> nn.Module:
        """A module as this process of several runs it; ``unused``: some parameters may get no gradient."""
        if self.world == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids, find_unused_parameters=unused)

    @property
    def progress(self) -> float:
        """How much of the run is done, 0..1."""
        if self._run_config.steps:
            return min(1.0, self.step / self._run_config.steps)
        assert self._run_config.minutes is not None
        return min(1.0, self.seconds / (60 * self._run_config.minutes))

    @property
    def finished(self) -> bool:
        """Whether the run or its budget is over."""
        over = self._run_config.minutes is not None and self.seconds >= 60 * self._run_config.minutes
        return self.progress >= 1 or over

    def run(self) -> None:
        """Train until the run is finished, its budget is spent, or it is interrupted; the state is saved.

        SIGINT and SIGTERM end the current step, save, and return.
        """
        handlers = {s: signal.signal(s, self._interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        log = RunLog(self.folder) if self.rank == 0 else None
        started, saved, meter = time.monotonic() - self.seconds, self.seconds, _Meter()
        try:
            while not self._agreed(self.finished or self._stop):
                meter.add(*self._train_step())
                self.seconds = self._shared_clock(time.monotonic() - started)
                save = self.seconds - saved > 60 * self._run_config.save_minutes
                if save or meter.due:
                    self._report(log, meter)
                if save:
                    self._checkpoint(log)
                    # Saving and judging are not training time.
                    started, saved, meter = time.monotonic() - self.seconds, self.seconds, _Meter()
            self._report(log, meter)
            self._checkpoint(log)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if log:
                log.close()

    def _train_step(self) -> tuple[float, float, int, float]:
        config, progress = self._run_config, self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(progress) * group["scale"]
        if config.freeze_norm:
            _freeze_norm(self.network)
        result = self._batch(progress)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(result.loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            self.optimizer.step()
        else:
            logger.warning("step %d: gradient is not finite; step skipped", self.step)
        self.step += 1
        self.average.update(self.network, self.step)
        return float(result.loss.detach()), float(result.iou), result.shown, result.making

    def _rate(self, progress: float) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self._run_config.warm_up))
        decay = (
            (1 - progress) ** 0.9
            if self._run_config.schedule == "poly"
            else 0.5 * (1 + math.cos(math.pi * progress))
        )
        return self._run_config.rate * warm * max(decay, 1e-3)

    def _report(self, log: RunLog | None, meter: _Meter) -> None:
        """Log the means since the last report; only the first process does."""
        if log is None or not meter.steps:
            return
        figures = meter.figures(self.progress, self._rate(self.progress), self.world)
        log.write(self.step, figures)
        logger.info("%s", _line(self.step, self.progress, self.seconds, figures))

    def _checkpoint(self, log: RunLog | None) -> None:
        """Save state and weights, then evaluate; the first process does, with the random states of all."""
        random = self._gathered((self.generator.get_state(), self.sampler_generator.get_state()))
        if log is None:
            return
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": random[0][0],
            "clip_generator": random[0][1],
            "other_generators": random[1:],
            "config": self.network.config.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with written_beside(self.folder / STATE) as part:
            torch.save(state, part)
        notes = {"step": str(self.step), "minutes": f"{self.seconds / 60:.1f}"}
        checkpoints.save(self.average.network, self.folder / WEIGHTS, notes)
        if self.evaluate is not None:
            figures = self.evaluate(self.average.network, self.folder, self.step)
            log.write(self.step, figures)
            logger.info("step %d: %s", self.step, ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))

    def _resume(self) -> None:
        path = self.folder / STATE
        state: Any = checkpoints.read_pickle(path)
        if not isinstance(state, dict) or not {"config", "optimizer", "average"} <= set(state):
            raise InputError(f"{path}: is no state of a training run; choose another folder")
        try:
            same = type(self.network.config).from_dict(state["config"]) == self.network.config
        except InputError:
            same = False
        if not same:
            raise InputError(f"{path}: is a run of another network; choose another folder")
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        random = [(state["generator"], state["clip_generator"]), *state.get("other_generators", [])]
        for i, generator in enumerate((self.generator, self.sampler_generator)):
            if self.rank < len(random) and random[self.rank][i].shape == generator.get_state().shape:
                generator.set_state(random[self.rank][i])
            else:  # more processes than before, or another kind of device
                generator.manual_seed(self._run_config.seed + self.rank + 1_000_003 * self.step)
        logger.info("going on at step %d, %.1f minutes", self.step, self.seconds / 60)

    def _interrupt(self, number: int, frame: object) -> None:
        logger.info("interrupted; saving after this step")
        self._stop = True

    def _agreed(self, stop: bool) -> bool:
        """Whether any process wants to stop."""
        if self.world == 1:
            return stop
        flag = torch.tensor(float(stop), device=self.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag)

    def _gathered(self, own: RandomState) -> list[RandomState]:
        """What each process has, in the order of their ranks."""
        if self.world == 1:
            return [own]
        states = [own] * self.world
        torch.distributed.all_gather_object(states, own)
        return states

    def _shared_clock(self, seconds: float) -> float:
        """The first process's clock, so that all follow one schedule."""
        if self.world == 1:
            return seconds
        clock = torch.tensor(seconds, dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(clock, 0)
        return float(clock)


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
        self._rollout = self._parallel(_Rollout(self.network, config), unused)
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
        self._forward = self._parallel(self.network, unused=False)
        self._open_folder()

    def _batch(self, progress: float) -> StepResult:
        config = self.config
        size = config.sizes[int(torch.randint(len(config.sizes), (), generator=self.generator))]
        begun = time.monotonic()
        scenes = self.sampler.sample(config.batch, size)
        making = time.monotonic() - begun
        with _autocast(self.device, config):
            logits = self._forward(scenes.frames.contiguous(memory_format=torch.channels_last))
        result: SubjectResult = subject_loss(
            logits, scenes.labels, config.hard_share(progress), config.dice_weight
        )
        return StepResult(result.loss, result.iou, config.batch, making)


class _Rollout(nn.Module):
    """``rollout`` as a module, so that data-parallel training sees one forward pass."""

    def __init__(self, network: SegmentationNetwork, config: TrainConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(
        self, clips: Clips, truth: float, hard_share: float, generator: torch.Generator
    ) -> RolloutResult:
        with _autocast(clips.frames.device, self.config):
            return rollout(
                self.network, clips, self.config, truth=truth, hard_share=hard_share, generator=generator
            )


class _Meter:
    """Means since the last report."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._since = time.monotonic()
        self._loss = self._iou = self._making = 0.0
        self.steps = self._clips = 0

    def add(self, loss: float, iou: float, clips: int, making: float) -> None:
        self._loss += loss
        self._iou += iou
        self._making += making
        self.steps += 1
        self._clips += clips

    @property
    def due(self) -> bool:
        return time.monotonic() - self._since > REPORT_SECONDS

    def figures(self, progress: float, rate: float, world: int) -> dict[str, float]:
        elapsed = time.monotonic() - self._since
        figures = {
            "loss": self._loss / self.steps,
            "iou": self._iou / self.steps,
            "clips_per_second": world * self._clips / elapsed,
            "clip_making_share": self._making / elapsed,
            "rate": rate,
            "progress": progress,
        }
        self._reset()
        return figures


def _line(step: int, progress: float, seconds: float, figures: dict[str, float]) -> str:
    left = seconds / progress - seconds if progress > 0 else 0.0
    return (
        f"step {step} ({progress:.1%}, {left / 60:.0f} min left): loss {figures['loss']:.3f}, "
        f"IoU {figures['iou']:.3f}, {figures['clips_per_second']:.1f} clips/s"
    )


def _autocast(device: torch.device, config: RunConfig) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if config.bfloat16 else nullcontext()


def _trunk(network: SegmentationNetwork | SubjectNetwork) -> PlainTrunk | TimmTrunk:
    """What a network sees with."""
    encoder = network.image_encoder if isinstance(network, SegmentationNetwork) else network
    trunk: PlainTrunk | TimmTrunk = encoder.trunk
    return trunk


def _groups(network: SegmentationNetwork | SubjectNetwork, config: RunConfig) -> list[dict[str, Any]]:
    """Weight decay on convolution weights, none on biases, norms and temperature; the trunk at its rate."""
    trunk = {id(parameter) for parameter in _trunk(network).parameters()}
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


def _freeze_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _started(start: Path, config: NetworkConfig) -> SegmentationNetwork:
    network = checkpoints.load(start)
    if network.config.trunk_norm and not config.trunk_norm:
        fold_norms(_trunk(network))
        network.config = replace(network.config, trunk_norm=False)
    wanted = replace(config, name=network.config.name, pretrained=network.config.pretrained)
    if network.config != wanted:
        raise InputError(
            f"{start}: holds another network, {network.config.name!r}; train that, or start afresh"
        )
    network.config = config
    return network


def _join_group(device: torch.device) -> tuple[int, int]:
    """Rank and number of processes; joins torchrun's group if there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(torch.distributed.destroy_process_group)
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _own_device(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return device
