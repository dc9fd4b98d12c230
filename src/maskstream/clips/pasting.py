"""Cut-outs that move smoothly over clips: objects to follow, look-alikes, and things in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from maskstream.clips import limbs, warps
from maskstream.clips.clip_config import ClipConfig
from maskstream.clips.randomness import Draws
from maskstream.clips.tensors import ImageSet

_PATCHES = (0.25, 0.375, 0.5, 0.75, 1.0)  # sides of the rendered patches, as fractions of the clip's
_LEVELS = 3  # a cut-out is averaged down at most this many times before it is sampled
_LARGEST_ZOOM = 2.0  # beyond this a cut-out looks like a blur
_BLUR_STEPS = 4
_EDGE = 0.5  # share of a pixel that makes it the cut-out's
_THIN_EDGE = 0.3  # the same for thin ones, which would be lost


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


def plan_layers(
    images: ImageSet,
    cutouts: Tensor,
    weights: Tensor,
    counts: Tensor,
    needy: Tensor,
    base: tuple[Tensor, Tensor],
    size: tuple[int, int],
    frames: int,
    config: ClipConfig,
    draws: Draws,
    shutter: Tensor | None = None,
) -> Layers:
    """Draw everything about the pasted layers of a batch.

    Args:
        images: where cut-outs come from.
        cutouts: ``(N, 256)`` bool, ids of each image worth cutting out.
        weights: ``(N,)`` float32, how often each image is cut from; 0 where it has no such id.
        counts: ``(B,)`` int64, layers of each clip.
        needy: ``(B,)`` bool, clips whose first layer must be a labelled object.
        base: image index and object id, each ``(B,)`` int64, of an object of the clip's base layer that a
            look-alike may copy; index -1 where there is none.
        size: height and width of the clips.
        frames: frames of a clip.
        config: probabilities and ranges.
        draws: random numbers.
        shutter: ``(B,)`` share of a gap for which each clip's shutter is open; 0, or None: layers are blurred
            by themselves, if at all.
    """
    device = counts.device
    clip, depth = (torch.arange(int(counts.max()), device=device) < counts[:, None]).nonzero(as_tuple=True)
    n = len(clip)
    height, width = size
    aspect = width / height
    role = draws.weighted(torch.tensor(config.roles), n)
    role = role.masked_fill(needy[clip] & (depth == 0), Role.OBJECT)

    image = draws.weighted(weights, n)
    object_id = draws.choose(cutouts[image], 1)[0][:, 0]
    twin_chance = torch.tensor([config.twin_object, config.twin_distractor, 0.0], device=device)[role]
    twin = draws.uniform((n,)) < twin_chance
    base_image, base_id = (column[clip] for column in base)
    copied = twin & (depth == 0) & (base_image >= 0)
    image, object_id = torch.where(copied, base_image, image), torch.where(copied, base_id, object_id)
    scale = draws.log_uniform((n,), *config.layer_scale)
    likeness = draws.uniform((n,), 0.7, 1.4)
    for level in range(1, int(depth.max()) + 1 if n else 0):
        copying = (twin & (depth == level)).nonzero()[:, 0]
        image[copying], object_id[copying] = image[copying - 1], object_id[copying - 1]
        scale[copying] = (scale[copying - 1] * likeness[copying]).clamp(*config.layer_scale)

    mask = images.labels[image] == object_id.to(torch.uint8)[:, None, None]
    box_centre, box_size = warps.boxes(mask, images.aspect[image])
    longest = box_size.amax(1)

    time = warps.times(draws, n, frames)
    length = 2 * min(1.0, aspect) * scale
    length = length.minimum(longest * _LARGEST_ZOOM * images.images.shape[-1] / height)
    length = length[:, None] * (config.layer_growth * warps.path(draws, time, 1)[..., 0]).exp()

    speed = 2 * draws.log_uniform((n, 1, 1), *config.layer_speed)
    travel = warps.path(draws, time, 2) * speed
    # Objects stand somewhere in the first frame, other layers in any frame.
    anchor = draws.below(torch.full((n,), frames, device=device)).masked_fill(role == Role.OBJECT, 0)
    place = draws.uniform((n, 2), -0.9, 0.9) * torch.tensor([aspect, 1.0], device=device)
    centre = place[:, None] + travel - travel[torch.arange(n, device=device), anchor][:, None]
    centre = _crossing(draws, centre, length, twin & (depth > 0), frames, config)
    centre = _leaving(draws, centre, length, role, aspect, frames, config)
    centre[..., 1] -= limbs.hops(draws, time, config) * length

    angle = draws.normal((n, 1), 8.0) + config.layer_turn * warps.path(draws, time, 1)[..., 0]
    shear = draws.normal((n, 1), 0.06).expand_as(angle)
    mirror = draws.chance((n, 1), config.flip).expand_as(angle)

    leaves = draws.below(torch.full((n,), frames - 1, device=device)) + (role == Role.OBJECT)
    returns = leaves + 1 + draws.below((frames - leaves).clamp(min=1))
    moment = torch.arange(frames, device=device)
    absent = draws.chance((n, 1), config.absent) & (moment >= leaves[:, None]) & (moment < returns[:, None])

    own_shutter = draws.uniform((n,), 0.2, 0.6) * draws.chance((n,), config.motion_blur)
    open_for = own_shutter if shutter is None else torch.where(shutter[clip] > 0, shutter[clip], own_shutter)
    motion = limbs.motion_of(centre) * open_for[:, None, None]
    bound = 0.4 * length[..., None] / motion.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    gain = layer_gain(draws, n, config)
    turn = warps.linear_map(torch.ones_like(angle), angle, shear, mirror)
    turn[:, :, 0] *= limbs.narrowed(draws, time, config)[..., None]
    return Layers(
        clip=clip,
        depth=depth,
        role=role,
        image=image,
        mask=mask,
        box_centre=box_centre,
        box_size=box_size,
        centre=centre,
        length=length,
        turn=turn,
        warp=warps.displacement(draws, time, draws.uniform((n,), *config.layer_warp)),
        shown=~absent,
        gain=gain,
        sharpness=layer_sharpness(draws, open_for > 0),
        streak=motion * bound.clamp(max=1.0),
        open_for=open_for,
        edge=_edges(mask, config),
        limbs=limbs.draw_limbs(draws, time, box_size / longest[:, None], config),
        crosses=copied & draws.chance((n,), config.crossing),
    )


def _crossing(
    draws: Draws, centre: Tensor, length: Tensor, twin: Tensor, frames: int, config: ClipConfig
) -> Tensor:
    """Paths ``(n, T, 2)`` where some look-alikes pass the layer below them, close by and the other way."""
    n = len(centre)
    passing = twin & draws.chance((n,), config.crossing)
    above = passing.nonzero()[:, 0]
    # A layer that itself copies one below would have to be in two places.
    above = above[~passing[above - 1]]
    below = above - 1
    moment = 0.5 + draws.uniform((n,))[above] * (frames - 1.5)
    way = torch.deg2rad(draws.normal((n,), 35.0))[above]
    way = torch.stack([way.cos(), way.sin()], -1) * draws.uniform((n, 1), 0.7, 1.5)[above]
    step = way * ((length[above] + length[below]).mean(1) / 2 / moment)[:, None]
    side = torch.where(draws.chance((n, 1), 0.5)[above], 1.0, -1.0)
    since = (
        (torch.arange(frames, device=centre.device) - moment[:, None])[..., None]
        * step[:, None]
        * side[:, None]
    )
    meeting = draws.uniform((n, 2), -0.5, 0.5)[above]
    near = draws.normal((n, 2), 0.12)[above] * length[above].mean(1, keepdim=True)
    centre = centre.clone()
    centre[below] = meeting[:, None] + since
    centre[above] = (meeting + near)[:, None] - since * draws.uniform((n, 1, 1), 0.7, 1.3)[above]
    return centre


def _leaving(
    draws: Draws,
    centre: Tensor,
    length: Tensor,
    role: Tensor,
    aspect: float,
    frames: int,
    config: ClipConfig,
) -> Tensor:
    """Paths ``(n, T, 2)`` of which some lead out of the frame and back."""
    n, device = len(centre), centre.device
    leaves = draws.chance((n, 1), config.leaving)
    away = 1 + draws.below(torch.full((n,), frames - 1, device=device))[:, None]
    moment = torch.arange(frames, device=device)
    # Quite out at one frame, on the way in the others; where it starts, if it is an object.
    reach = torch.where((role == Role.OBJECT)[:, None], away, frames)
    share = (1.3 * (1 - (moment - away).abs() / reach)).clamp(0, 1) * leaves
    sideways = draws.chance((n, 1), 0.75)
    half = torch.where(sideways, aspect, 1.0) + 0.75 * length
    sign = torch.where(draws.chance((n, 1), 0.5), 1.0, -1.0)
    x, y = centre.unbind(-1)
    x = torch.where(sideways, x + share * (sign * half - x), x)
    y = torch.where(sideways, y, y + share * (sign * half - y))
    return torch.stack([x, y], -1)


def _edges(mask: Tensor, config: ClipConfig) -> Tensor:
    """``(n,)`` share of a pixel that makes it a cut-out's: less for thin ones."""
    if config.thin >= 1 or not len(mask):
        return torch.full((len(mask),), _EDGE, device=mask.device)
    whole = mask.view(torch.uint8)
    core = whole[:, 1:-1] & whole[:, :-2] & whole[:, 2:]
    core = core[:, :, 1:-1] & core[:, :, :-2] & core[:, :, 2:]
    opened = core.clone()
    opened[:, 1:] |= core[:, :-1]
    opened[:, :-1] |= core[:, 1:]
    opened[:, :, 1:] |= opened[:, :, :-1].clone()
    opened[:, :, :-1] |= opened[:, :, 1:].clone()
    area, kept = (part.flatten(1).sum(1, dtype=torch.int32) for part in (whole, opened))
    return torch.where(kept < (1 - config.thin) * area, _THIN_EDGE, _EDGE)


def layer_gain(draws: Draws, layers: int, config: ClipConfig) -> Tensor:
    """How much brighter, and in each colour, layers are than what they came from: ``(layers, 3)``."""
    light = draws.normal((layers, 1), config.layer_gain)
    return (light + draws.normal((layers, 3), config.layer_gain / 2)).exp()


def layer_sharpness(draws: Draws, blurred: Tensor) -> Tensor:
    """How sharp the edges of layers are; blurred ones (``(layers,)`` bool) are soft."""
    return torch.where(blurred, 1.0, draws.uniform((len(blurred),), 1.0, 3.0))


def paste(
    layers: Layers, images: ImageSet, frames: Tensor, labels: Tensor, first_id: int, draws: Draws
) -> None:
    """Paste layers over clips, in place, from the lowest depth up.

    Labelled objects get the id ``first_id + depth``; the others cover what is below as background.

    Args:
        layers: from `plan_layers`.
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
