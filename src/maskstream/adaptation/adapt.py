"""Fine-tune a copy of a network on the marked frames of a clip, and keep it only if it gains.

Matching networks lose most where a clip shows what training did not; a few seconds on the clip's own
objects bring much of it back (fine-tuning on the first frame: Caelles et al., OSVOS, CVPR 2017; on clips
dreamt from it: Khoreva et al., Lucid Data Dreaming, IJCV 2019). Weights between the old and the new ones are
tried as well: they forget less (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from maskstream.adaptation.config import AdaptConfig
from maskstream.adaptation.dreams import Marked, dream_sampler
from maskstream.adaptation.follow import returned
from maskstream.arrays import Frame
from maskstream.clips.samplers import Clips
from maskstream.network.model import SegmentationNetwork
from maskstream.training.config import TrainConfig
from maskstream.training.rollout import rollout

_JUDGED_SEED = 999_983  # added to the seed for the clips that are judged and never trained on
_JUDGED_SIDE = 224
_JUDGED_TOGETHER = 4


class Stage(NamedTuple):
    """How far an adaptation is.

    Attributes:
        step: training steps done.
        steps: how many there will be, an estimate; None before the first.
        rate: steps a second; 0 before the first.
        loss: of the last step; NaN before the first.
    """

    step: int
    steps: int | None
    rate: float
    loss: float


@dataclass(frozen=True)
class Adapted:
    """The outcome of an adaptation.

    Attributes:
        network: the adapted network, or the old one if that judged better; in evaluation mode.
        kept: whether anything was kept.
        share: how much of the way from the old weights to the trained ones was kept, 0..1.
        before: mean IoU of the old network on dreamt clips that were not trained on, 0..1.
        after: the same of ``network``.
        back_before: IoU of the old network's way through the clip and back, or None if it wasn't given; see
            ``maskstream.adaptation.follow``.
        back_after: the same of ``network``.
        steps: training steps.
        seconds: all in all.
    """

    network: SegmentationNetwork
    kept: bool
    share: float
    before: float
    after: float
    back_before: float | None
    back_after: float | None
    steps: int
    seconds: float


def adapt_network(
    network: SegmentationNetwork,
    marked: Sequence[Marked],
    config: AdaptConfig | None = None,
    *,
    way: Sequence[Frame] = (),
    on_progress: Callable[[Stage], None] | None = None,
) -> Adapted:
    """Adapt a network to what is marked.

    Args:
        network: stays as it is; the work is done on a copy, on its device.
        marked: the user's frames with their label maps, one or more.
        config: see ``AdaptConfig``.
        way: frames ``(H, W, 3)`` of the clip in order, starting with ``marked[0]``'s own, along which each
            candidate follows the objects and back; none: candidates are judged by dreamt clips alone.
        on_progress: told after each step.

    Raises:
        InputError: nothing is marked, or the objects are too small to be cut out.
    """
    config, begun = config or AdaptConfig(), time.monotonic()
    judge = _Judge(network, marked, config, way)
    old = judge.score(network)
    trained = copy.deepcopy(network)
    steps = _train(trained, marked, config, begun, on_progress)
    best, best_score, best_share = network, old, 0.0
    for share in config.shares:
        candidate = _between(network, trained, share)
        score = judge.score(candidate)
        if score.better_than(old, config.least_gain) and score.total > best_score.total:
            best, best_score, best_share = candidate, score, share
    return Adapted(
        best.eval(),
        best_share > 0,
        best_share,
        old.dreamt,
        best_score.dreamt,
        old.back,
        best_score.back,
        steps,
        time.monotonic() - begun,
    )


class _Score(NamedTuple):
    dreamt: float
    back: float | None

    @property
    def total(self) -> float:
        return self.dreamt + (self.back or 0.0)

    def better_than(self, old: _Score, least_gain: float) -> bool:
        """Whether it gains on dreamt clips, and loses nothing to speak of on the clip itself."""
        lost = 0.0 if self.back is None or old.back is None else old.back - self.back
        return self.dreamt >= old.dreamt + least_gain and lost <= least_gain


class _Judge:
    """Compares weights on dreamt clips that are never trained on, and on the clip itself."""

    def __init__(
        self,
        network: SegmentationNetwork,
        marked: Sequence[Marked],
        config: AdaptConfig,
        way: Sequence[Frame],
    ) -> None:
        self._device = next(network.parameters()).device
        self._marked, self._way = marked, way
        sampler = dream_sampler(marked, config.dreams, config.seed + _JUDGED_SEED)
        together = min(_JUDGED_TOGETHER, config.judged)
        batches = max(1, config.judged // together)
        self._clips = [sampler.sample(together, _JUDGED_SIDE, config.frames + 1) for _ in range(batches)]
        self._config = TrainConfig(
            steps=1, drop_previous=0.0, shift_previous=0.0, halve_previous=0.0, bfloat16=False
        )

    def score(self, network: SegmentationNetwork) -> _Score:
        """Of a network."""
        run, ious = network.eval(), []
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad(), _autocast(self._device):
            for clips in self._clips:
                result = rollout(
                    run,
                    _moved(clips, self._device),
                    self._config,
                    truth=0.0,
                    hard_share=1.0,
                    generator=generator,
                )
                ious.append(float(result.iou))
        back = returned(run, self._marked[0], self._way) if len(self._way) > 1 else None
        return _Score(float(np.mean(ious)), back)


def _train(
    network: SegmentationNetwork,
    marked: Sequence[Marked],
    config: AdaptConfig,
    begun: float,
    on_progress: Callable[[Stage], None] | None,
) -> int:
    """Train in place until the time is up; gives the steps that were done."""
    device = next(network.parameters()).device
    sampler = dream_sampler(marked, config.dreams, config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    settings = TrainConfig(steps=1, drop_previous=0.1, shift_previous=0.1, halve_previous=0.1)
    network.requires_grad_(True).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    network.image_encoder.trunk.requires_grad_(config.train_trunk)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.rate, weight_decay=0.0)
    step, loss, start = 0, float("nan"), time.monotonic()
    while True:
        done = (time.monotonic() - start) / config.seconds
        if config.steps:
            done = max(done, step / config.steps)
        if on_progress is not None:
            spent = max(time.monotonic() - start, 1e-6)
            on_progress(Stage(step, max(step, round(step / done)) if step else None, step / spent, loss))
        if done >= 1:
            network.requires_grad_(False).eval()
            return step
        for group in optimizer.param_groups:
            group["lr"] = config.rate * (1 - done) * min(1.0, (step + 1) / 5)
        side = config.sides[int(torch.randint(len(config.sides), (), generator=generator))]
        clips = _moved(sampler.sample(config.batch, side, config.frames), device)
        truth = max(0.0, config.truth * (1 - 2 * done))
        with _autocast(device):
            result = rollout(network, clips, settings, truth=truth, hard_share=0.5, generator=generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(result.loss)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        step, loss = step + 1, float(result.loss.detach())


def _between(old: SegmentationNetwork, new: SegmentationNetwork, share: float) -> SegmentationNetwork:
    """A network whose weights lie ``share`` of the way from the old to the new."""
    blended = copy.deepcopy(new)
    ours: dict[str, Tensor] = old.state_dict()
    with torch.no_grad():
        for name, tensor in blended.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(ours[name].to(tensor.dtype), 1 - share)
    return blended


def _moved(clips: Clips, device: torch.device) -> Clips:
    return Clips(clips.frames.to(device), clips.labels.to(device), clips.objects.to(device))


def _autocast(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where it is quicker."""
    return torch.autocast(device.type, torch.bfloat16) if device.type in ("cpu", "cuda") else nullcontext()
