"""The training loop, whatever is trained."""

from __future__ import annotations

import logging
import math
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from maskstream.errors import InputError
from maskstream.files import written_beside
from maskstream.network import checkpoints
from maskstream.training.averaging import Average, Net
from maskstream.training.config import RunConfig
from maskstream.training.logs import RunLog
from maskstream.training.meter import TrainingMeter, progress_line
from maskstream.training.parameters import freeze_norms, parameter_groups, trunk_of
from maskstream.training.process_group import Processes

logger = logging.getLogger(__name__)

STATE = "state.pt"  #: everything that a resumed run needs
WEIGHTS = "average.safetensors"  #: the averaged weights, to evaluate, export and ship


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
        self.processes = Processes(device)
        self.device, self.rank = self.processes.device, self.processes.rank
        torch.manual_seed(config.seed)
        self.network: Net = make()
        # torch's types don't know the argument memory_format.
        self.network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        trunk_of(self.network).freeze(config.frozen_stride, config.freeze_depthwise)
        self.average: Average[Net] = Average(self.network, config.ema)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, config), lr=config.rate)
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
        """Make the run's folder, or resume the run in it; the last thing that a kind of training sets up.

        Raises:
            InputError: the folder holds a run of another network.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / STATE).is_file():
            self._resume()

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
        started, saved, meter = time.monotonic() - self.seconds, self.seconds, TrainingMeter()
        try:
            while not self.processes.agreed(self.finished or self._stop):
                meter.add(*self._train_step())
                self.seconds = self.processes.shared_clock(time.monotonic() - started)
                save = self.seconds - saved > 60 * self._run_config.save_minutes
                if save or meter.due:
                    self._report(log, meter)
                if save:
                    self._checkpoint(log)
                    # Saving and judging are not training time.
                    started, saved, meter = time.monotonic() - self.seconds, self.seconds, TrainingMeter()
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
            freeze_norms(self.network)
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

    def _report(self, log: RunLog | None, meter: TrainingMeter) -> None:
        """Log the means since the last report; only the first process does."""
        if log is None or not meter.steps:
            return
        figures = meter.figures(self.progress, self._rate(self.progress), self.processes.world)
        log.write(self.step, figures)
        logger.info("%s", progress_line(self.step, self.progress, self.seconds, figures))

    def _checkpoint(self, log: RunLog | None) -> None:
        """Save state and weights, then evaluate; the first process does, with the random states of all."""
        random = self.processes.gathered((self.generator.get_state(), self.sampler_generator.get_state()))
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
        logger.info("resuming at step %d, %.1f minutes", self.step, self.seconds / 60)

    def _interrupt(self, number: int, frame: object) -> None:
        logger.info("interrupted; saving after this step")
        self._stop = True
