"""Cut-outs that move smoothly over clips: objects to follow, look-alikes, and things in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from maskstream.clips import limbs, warps
from maskstream.clips.randomness import Draws
from maskstream.clips.tensors import ImageSet

_PATCHES = (0.25, 0.375, 0.5, 0.75, 1.0)  # sides of the rendered patches, as fractions of the clip's
_LEVELS = 3  # a cut-out is averaged down at most this many times before it is sampled
_BLUR_STEPS = 4


class Role(IntEnum):
    """What a pasted layer is to the clip."""

    OBJECT = 0
    DISTRACTOR = 1
    OCCLUDER = 2


@dataclass(frozen=True)
class Layers:
    """Pasted layers of a batch of clips, one item each; ``n`` items, ``T`` frames.

    Positions are in units of half the clip's height, from its centre (see `maskstream.clips.warps`).

    Attributes:
        clip: ``(n,)`` int64, the clip that an item belongs to.
        depth: ``(n,)`` int64, 0 = pasted first.
        role: ``(n,)`` int64, see `Role`.
        image: ``(n,)`` int64, index of the source image.
        mask: ``(n, S, S)`` bool, the cut-out in its source.
        box_centre: ``(n, 2)`` where the cut-out lies in its source, in half heights of the source.
        box_size: ``(n, 2)`` its extent.
        centre: ``(n, T, 2)`` place in the clip.
        length: ``(n, T)`` longest side in the clip.
        turn: ``(n, T, 2, 2)`` rotation, shear and mirroring, from clip to source.
        warp: ``(n, T, 2, 4, 4)`` displacement, in units of the cut-out's longest side.
        shown: ``(n, T)`` bool, whether the layer is there at all.
        gain: ``(n, 3)`` colour factor.
        sharpness: ``(n,)`` slope of the edge.
        streak: ``(n, T, 2)`` path of the shutter time; zero without motion blur.
        open_for: ``(n,)`` share of the gap between two frames for which the shutter is open; 0 without blur.
        edge: ``(n,)`` share of a pixel that makes it the cut-out's.
        limbs: joints that it bends at.
        crosses: ``(n,)`` bool, look-alikes of the base that are led past it.
    """

    clip: Tensor
    depth: Tensor
    role: Tensor
    image: Tensor
    mask: Tensor
    box_centre: Tensor
    box_size: Tensor
    centre: Tensor
    length: Tensor
    turn: Tensor
    warp: Tensor
    shown: Tensor
    gain: Tensor
    sharpness: Tensor
    streak: Tensor
    open_for: Tensor
    edge: Tensor
    limbs: limbs.Limbs
    crosses: Tensor


def paste(
    layers: Layers, images: ImageSet, frames: Tensor, labels: Tensor, first_id: int, draws: Draws
) -> None:
    """Paste layers over clips, in place, from the lowest depth up.

    Labelled objects get the id ``first_id + depth``; the others cover what is below as background.

    Args:
        layers: from `maskstream.clips.layer_plan`.
        images: where the cut-outs come from.
        frames: ``(B, T, 3, H, W)`` float32 0..1.
        labels: ``(B, T, H, W)`` uint8.
        first_id: id of a labelled object at depth 0.
        draws: random numbers (occluders are led over something labelled).
    """
    height, width = labels.shape[-2:]
    for depth in range(int(layers.depth.max()) + 1 if len(layers.depth) else 0):
        chosen = (layers.depth == depth).nonzero()[:, 0]
        _aim(layers, chosen, labels, draws)
        for items, level, blurred, patch in _groups(layers, chosen, images.images.shape[-1], height, width):
            _render(layers, images, items, level, blurred, patch, frames, labels, first_id + depth)


def _aim(layers: Layers, chosen: Tensor, labels: Tensor, draws: Draws) -> None:
    """Shift paths of occluders and look-alikes: each crosses something labelled after the first frame."""
    frames, height, width = labels.shape[1:]
    moment = 1 + draws.below(torch.full_like(chosen, frames - 1))
    stride = max(1, min(height, width) // 24)
    seen = labels[layers.clip[chosen], moment, ::stride, ::stride].flatten(1)
    score = draws.uniform(seen.shape, 0.1, 1.0) * ((seen > 0) & (seen < 255))
    best = score.max(1)
    columns = -(-width // stride)
    target = torch.stack([best.indices % columns, best.indices // columns], -1) * stride
    target = (2 * target - torch.tensor([width, height], device=labels.device)) / height
    aimed = (best.values > 0) & ((layers.role[chosen] == Role.OCCLUDER) | layers.crosses[chosen])
    shift = (target - layers.centre[chosen, moment]) * aimed[:, None]
    layers.centre[chosen] += shift[:, None]


def _groups(
    layers: Layers, chosen: Tensor, source: int, height: int, width: int
) -> Iterator[tuple[Tensor, int, bool, tuple[int, int]]]:
    """Split items by how much they are averaged down, whether they are blurred, and their patch size."""
    longest = layers.box_size[chosen].amax(1)
    length = layers.length[chosen]
    ratio = longest * source / (length.amax(1) * height)
    level = ratio.clamp(min=1).log2().long().clamp(max=_LEVELS)
    blurred = layers.open_for[chosen] > 0
    streak = layers.streak[chosen].norm(dim=-1).amax(1)
    diagonal = (layers.box_size[chosen].norm(dim=1) / longest)[:, None] * length
    # Limbs may swing out of the box.
    room = torch.where(layers.limbs.angle[chosen].abs().amax((1, 2)) > 0, 1.45, 1.2)
    extent = (room * diagonal.amax(1) + streak) * height / 2 + 4
    patches = [(-(-int(f * height) // 8) * 8, -(-int(f * width) // 8) * 8) for f in _PATCHES]
    limits = torch.tensor([min(p) for p in patches[:-1]], device=chosen.device)
    which = (extent[:, None] > limits).sum(1)
    key = (which * (_LEVELS + 1) + level) * 2 + blurred
    for value in key.unique().tolist():
        patch, rest = divmod(value, 2 * (_LEVELS + 1))
        yield chosen[key == value], rest // 2, bool(rest % 2), patches[patch]


def _render(
    layers: Layers,
    images: ImageSet,
    items: Tensor,
    level: int,
    blurred: bool,
    patch: tuple[int, int],
    frames: Tensor,
    labels: Tensor,
    label: int,
) -> None:
    """Sample a group of cut-outs into patches around their places, and composite them."""
    height, width = labels.shape[-2:]
    rows, columns = patch
    n, count = layers.length[items].shape
    source = _cut(layers, images, items, level)

    pixels = torch.tensor([width, height], device=items.device)
    corner = (layers.centre[items] * height + pixels - torch.tensor([columns, rows], device=items.device)) / 2
    corner = corner.round().clamp(min=0).minimum(pixels - torch.tensor([columns, rows], device=items.device))
    node = (warps.nodes(rows, columns, items.device) + 1) * torch.tensor([columns, rows], device=items.device)
    from_centre = (node + (2 * corner - pixels)[:, :, None, None]) / height - layers.centre[items][
        :, :, None, None
    ]

    steps = _BLUR_STEPS if blurred else 1
    instants = (
        torch.linspace(-0.5, 0.5, steps, device=items.device)
        if blurred
        else torch.zeros(1, device=items.device)
    )
    shutter = instants[:, None] * layers.streak[items][:, :, None]
    from_centre = from_centre[:, :, None] - shutter[:, :, :, None, None]
    longest = layers.box_size[items].amax(1).view(n, 1, 1, 1, 1, 1)
    open_for = layers.open_for[items]
    turn = layers.turn[items]
    turn = (
        turn[:, :, None]
        + (open_for[:, None, None] * instants)[..., None, None] * limbs.motion_of(turn)[:, :, None]
    )
    turned = torch.einsum("ntsij,ntsyxj->ntsyxi", turn, from_centre)
    bent = turned / layers.length[items].view(n, count, 1, 1, 1, 1)
    bent = layers.limbs.of(items).bend(bent, instants, open_for)
    bent = bent + warps.evaluate(layers.warp[items], rows, columns)[:, :, None]
    where = layers.box_centre[items].view(n, 1, 1, 1, 1, 2) + bent * longest
    points = warps.grid(where.flatten(1, 2), images.aspect[layers.image[items]], rows, columns).points

    sampled = warps.sample_image(source, points, padding="zeros").view(n, 4, count, steps, rows, columns)
    sampled = sampled.mean(3) if blurred else sampled[:, :, :, 0]
    cover = sampled[:, 3:]
    colour = (sampled[:, :3] / cover.clamp(min=1e-3)).mul_(layers.gain[items].view(n, 3, 1, 1, 1))
    edge = layers.edge[items].view(n, 1, 1, 1, 1)
    alpha = ((cover - edge) * layers.sharpness[items].view(n, 1, 1, 1, 1) + 0.5).clamp_(0, 1)
    alpha = alpha.masked_fill_(cover < 1e-3, 0.0)
    inside = cover[:, 0] > edge[:, 0]

    clips, corners = layers.clip[items].tolist(), corner.long().tolist()
    shown, roles = layers.shown[items].tolist(), layers.role[items].tolist()
    for item, clip in enumerate(clips):
        value = label if roles[item] == Role.OBJECT else 0
        for frame, (x, y) in enumerate(corners[item]):
            if shown[item][frame]:
                area = (clip, frame, ..., slice(y, y + rows), slice(x, x + columns))
                frames[area].lerp_(colour[item, :, frame], alpha[item, :, frame])
                labels[area].masked_fill_(inside[item, frame], value)


def _cut(layers: Layers, images: ImageSet, items: Tensor, level: int) -> Tensor:
    """``(n, 4, s, s)`` colour times mask, and mask, averaged down ``level`` times."""
    mask = layers.mask[items]
    source = torch.empty((len(items), 4, *mask.shape[1:]), device=mask.device)
    source[:, :3] = images.images[layers.image[items]]
    source[:, :3] *= mask[:, None] / 255
    source[:, 3] = mask
    while level and source.shape[-1] % 2 == 0 and source.shape[-2] % 2 == 0:
        # Several times faster than avg_pool2d on a processor.
        source = source[:, :, ::2] + source[:, :, 1::2]
        source, level = (source[..., ::2] + source[..., 1::2]).mul_(0.25), level - 1
    return source
