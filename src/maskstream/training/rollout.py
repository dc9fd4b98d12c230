"""Run a network over a batch of clips as the streaming core would, with gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from maskstream.clips.samplers import Clips
from maskstream.clips.tensors import VOID
from maskstream.network.model import Features, Memorized, SegmentationNetwork, join
from maskstream.network.soft_aggregation import log_aggregate
from maskstream.training.config import TrainConfig
from maskstream.training.losses import bootstrapped_cross_entropy, dice, soft_iou

_ABSENT = -30.0  # logit of an object that a clip doesn't have


class RolloutResult(NamedTuple):
    """What a batch gave.

    Attributes:
        loss: scalar, with gradients.
        iou: mean IoU over objects and predicted frames.
    """

    loss: Tensor
    iou: Tensor


def rollout(
    network: SegmentationNetwork,
    clips: Clips,
    config: TrainConfig,
    *,
    truth: float,
    hard_share: float,
    generator: torch.Generator,
) -> RolloutResult:
    """Segment frames 2..T of each clip from the first frame's masks.

    Every frame joins the memory, as in STM's training; what is memorized, and shown as the previous mask, is
    the network's own prediction, or the truth. Gradients end at predicted masks: cheaper, and each
    frame has a loss of its own.

    Args:
        network: in training mode.
        clips: a batch.
        config: see ``TrainConfig``.
        truth: chance for each object and frame that the truth is used instead of the prediction.
        hard_share: share of the pixels that the cross-entropy counts.
        generator: for drawing truth, drops and shifts.
    """
    batch, length = clips.frames.shape[:2]
    device = clips.frames.device
    counts = clips.objects.to(device)
    index = torch.repeat_interleave(torch.arange(batch, device=device), counts)
    ids = torch.cat([torch.arange(1, int(n) + 1, device=device) for n in counts])
    true_masks = (clips.labels[index] == ids[:, None, None, None].to(torch.uint8)).float()
    known = (clips.labels[index] != VOID).float()
    features = _encode(network, clips.frames.flatten(0, 1), config)

    def at(t: int) -> Features:
        rows = torch.arange(batch, device=device) * length + t
        return Features(
            features.key[rows],
            None if features.shrinkage is None else features.shrinkage[rows],
            features.value[rows],
            features.deep[rows],
            tuple(skip[rows] for skip in features.skips),
        )

    entries: list[Memorized] = []
    masks, current = true_masks[:, 0], at(0)
    losses, ious = [], []
    for t in range(1, length):
        entries.append(_memorize(network, clips.frames[:, t - 1], current, masks, index, batch, config))
        current = at(t)
        previous = _disturbed(masks, config, generator)
        logits = _segment(network, current, join(entries), previous[:, None], index, config)
        padded = logits.new_full((batch, int(counts.max()), *logits.shape[1:]), _ABSENT)
        log_odds = log_aggregate(padded.index_put((index, ids - 1), logits))
        probabilities = torch.softmax(log_odds, 1)[index, ids]
        losses.append(bootstrapped_cross_entropy(log_odds, clips.labels[:, t], hard_share))
        losses.append(config.dice_weight * dice(probabilities, true_masks[:, t], known[:, t]))
        ious.append(soft_iou(probabilities.detach(), true_masks[:, t], known[:, t]))
        forced = torch.rand(len(index), generator=generator).to(device) < truth
        masks = torch.where(forced[:, None, None], true_masks[:, t], probabilities.detach())
    total = torch.stack(losses).sum() / (length - 1)
    return RolloutResult(total, torch.stack(ious).mean())


def others_of(masks: Tensor, index: Tensor, batch: int) -> Tensor:
    """Sum of the other objects' masks of the same clip ``(M, H, W)``, at most 1."""
    total = masks.new_zeros(batch, *masks.shape[1:]).index_add(0, index, masks)
    return (total[index] - masks).clamp(0, 1)


def _encode(network: SegmentationNetwork, frames: Tensor, config: TrainConfig) -> Features:
    frames = frames.contiguous(memory_format=torch.channels_last)
    if config.checkpoint_activations:
        features: Features = _checkpointed(network, network.encode, frames)
        return features
    return network.encode(frames)


def _memorize(
    network: SegmentationNetwork,
    frames: Tensor,
    features: Features,
    masks: Tensor,
    index: Tensor,
    batch: int,
    config: TrainConfig,
) -> Memorized:
    arguments = (frames, features, masks[:, None], others_of(masks, index, batch)[:, None], index)
    if config.checkpoint_activations:
        entry: Memorized = _checkpointed(network, network.memorize, *arguments)
        return entry
    return network.memorize(*arguments)


def _segment(
    network: SegmentationNetwork,
    features: Features,
    memory: Memorized,
    previous: Tensor,
    index: Tensor,
    config: TrainConfig,
) -> Tensor:
    if not config.checkpoint_activations:
        return network.segment(features, memory, previous, index)
    chunk = config.object_chunk or len(index)
    shared = network.config.shared_key
    logits = []
    for first in range(0, len(index), chunk):
        rows = slice(first, first + chunk)
        part = Memorized(
            memory.key if shared else memory.key[rows],
            memory.shrinkage if shared or memory.shrinkage is None else memory.shrinkage[rows],
            memory.value[rows],
        )
        logits.append(_checkpointed(network, network.segment, features, part, previous[rows], index[rows]))
    return torch.cat(logits)


def _checkpointed(network: SegmentationNetwork, function: Callable[..., Any], *arguments: Any) -> Any:
    """A call whose activations are computed again on the way back instead of being kept."""
    return checkpoint(
        function,
        *arguments,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _norms_untracked(network)),
    )


@contextmanager
def _norms_untracked(network: SegmentationNetwork) -> Iterator[None]:
    """Batch norms leave their running statistics alone, or the second pass would count twice."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def _disturbed(masks: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Previous masks ``(M, H, W)``, some dropped, some shifted by up to a fifth of the frame, some halved."""
    fate = torch.rand(len(masks), generator=generator)
    reach = max(1, masks.shape[-1] // 5)
    moves = torch.randint(-reach, reach + 1, (len(masks), 2), generator=generator)
    angles = 2 * math.pi * torch.rand(len(masks), generator=generator)
    shift_until = config.drop_previous + config.shift_previous
    rows = []
    for mask, drawn, (dy, dx), angle in zip(
        masks, fate.tolist(), moves.tolist(), angles.tolist(), strict=True
    ):
        if drawn < config.drop_previous:
            rows.append(torch.zeros_like(mask))
        elif drawn < shift_until:
            rows.append(_shifted(mask, dy, dx))
        elif drawn < shift_until + config.halve_previous:
            rows.append(_halved(mask, angle))
        else:
            rows.append(mask)
    return torch.stack(rows)


def _halved(mask: Tensor, angle: float) -> Tensor:
    """What of a mask lies on one side of its centre, in a direction in radians."""
    height, width = mask.shape
    x = torch.arange(width, device=mask.device)
    y = torch.arange(height, device=mask.device)[:, None]
    total = mask.sum().clamp(min=1e-6)
    centre_x, centre_y = (mask.sum(0) * x).sum() / total, (mask.sum(1) * y[:, 0]).sum() / total
    return mask * ((x - centre_x) * math.cos(angle) + (y - centre_y) * math.sin(angle) > 0)


def _shifted(mask: Tensor, dy: int, dx: int) -> Tensor:
    """The mask moved by (dy, dx) pixels, zeros coming in."""
    height, width = mask.shape
    moved = torch.zeros_like(mask)
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = mask[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved
