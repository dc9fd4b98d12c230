"""What pasted layers are drawn to be: which cut-out, where it goes, when it is there, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maskstream.clips import limbs, warps
from maskstream.clips.clip_config import ClipConfig
from maskstream.clips.pasting import Layers, Role
from maskstream.clips.randomness import Draws
from maskstream.clips.tensors import ImageSet

EDGE = 0.5  #: share of a pixel that makes it the cut-out's
_THIN_EDGE = 0.3  # the same for thin ones, which would be lost
_LARGEST_ZOOM = 2.0  # beyond this a cut-out looks like a blur


@dataclass(frozen=True)
class LayerRequest:
    """What layers are drawn for a batch of ``B`` clips.

    Attributes:
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
        shutter: ``(B,)`` share of a gap for which each clip's shutter is open; 0, or None: layers are blurred
            on their own, if at all.
    """

    images: ImageSet
    cutouts: Tensor
    weights: Tensor
    counts: Tensor
    needy: Tensor
    base: tuple[Tensor, Tensor]
    size: tuple[int, int]
    frames: int
    config: ClipConfig
    shutter: Tensor | None = None

    @property
    def aspect(self) -> float:
        """Width over height of the clips."""
        return self.size[1] / self.size[0]


class CutOuts(NamedTuple):
    """Cut-outs in their sources; see `Layers`.

    Attributes:
        image: ``(n,)`` int64, index of the source image.
        mask: ``(n, S, S)`` bool.
        box_centre: ``(n, 2)`` where it lies, in half heights of the source.
        box_size: ``(n, 2)`` its extent.
    """

    image: Tensor
    mask: Tensor
    box_centre: Tensor
    box_size: Tensor


def cut_out(images: ImageSet, image: Tensor, object_id: Tensor) -> CutOuts:
    """Objects, each of an image of a set."""
    mask = images.labels[image] == object_id.to(torch.uint8)[:, None, None]
    return CutOuts(image, mask, *warps.boxes(mask, images.aspect[image]))


def most_zoomed(images: ImageSet, height: int, zoom: float) -> float:
    """How much larger a cut-out may be in a clip than in its source, in half heights, at a zoom in pixels."""
    return zoom * images.images.shape[-1] / height


def plan_layers(request: LayerRequest, draws: Draws) -> Layers:
    """Draw everything about the pasted layers of a batch."""
    config, frames, counts = request.config, request.frames, request.counts
    clip, depth = (torch.arange(int(counts.max()), device=counts.device) < counts[:, None]).nonzero(
        as_tuple=True
    )
    n = len(clip)
    role = draws.weighted(torch.tensor(config.roles), n)
    role = role.masked_fill(request.needy[clip] & (depth == 0), Role.OBJECT)
    source = _sources(request, clip, depth, role, draws)
    cut = cut_out(request.images, source.image, source.object_id)
    longest = cut.box_size.amax(1)

    time = warps.times(draws, n, frames)
    length = 2 * min(1.0, request.aspect) * source.scale
    length = length.minimum(longest * most_zoomed(request.images, request.size[0], _LARGEST_ZOOM))
    length = length[:, None] * (config.layer_growth * warps.path(draws, time, 1)[..., 0]).exp()
    centre = _paths(request, role, length, source.twin & (depth > 0), time, draws)
    angle, shear, mirror = _tilts(draws, time, config)
    shown = ~_absent(draws, role, frames, config)
    open_for = _open_for(request, clip, draws)
    gain = layer_gain(draws, n, config)
    turn = warps.linear_map(torch.ones_like(angle), angle, shear, mirror)
    turn[:, :, 0] *= limbs.narrowed(draws, time, config)[..., None]
    return Layers(
        clip=clip,
        depth=depth,
        role=role,
        **cut._asdict(),
        centre=centre,
        length=length,
        turn=turn,
        warp=warps.displacement(draws, time, draws.uniform((n,), *config.layer_warp)),
        shown=shown,
        gain=gain,
        sharpness=layer_sharpness(draws, open_for > 0),
        streak=_streaks(centre, length, open_for),
        open_for=open_for,
        edge=_edges(cut.mask, config),
        limbs=limbs.draw_limbs(draws, time, cut.box_size / longest[:, None], config),
        crosses=source.copied & draws.chance((n,), config.crossing),
    )


class _Sources(NamedTuple):
    """Which object each layer shows, and how large.

    Attributes:
        image: ``(n,)`` int64, index of the source image.
        object_id: ``(n,)`` int64, in that image.
        scale: ``(n,)`` longest side, as a share of the clip's shorter one.
        twin: ``(n,)`` bool, it looks like the layer below it, or like the base.
        copied: ``(n,)`` bool, it is the base's object.
    """

    image: Tensor
    object_id: Tensor
    scale: Tensor
    twin: Tensor
    copied: Tensor


def _sources(request: LayerRequest, clip: Tensor, depth: Tensor, role: Tensor, draws: Draws) -> _Sources:
    n, config = len(clip), request.config
    image = draws.weighted(request.weights, n)
    object_id = draws.choose(request.cutouts[image], 1)[0][:, 0]
    twin_chance = torch.tensor([config.twin_object, config.twin_distractor, 0.0], device=clip.device)[role]
    twin = draws.uniform((n,)) < twin_chance
    base_image, base_id = (column[clip] for column in request.base)
    copied = twin & (depth == 0) & (base_image >= 0)
    image, object_id = torch.where(copied, base_image, image), torch.where(copied, base_id, object_id)
    scale = draws.log_uniform((n,), *config.layer_scale)
    likeness = draws.uniform((n,), 0.7, 1.4)
    for level in range(1, int(depth.max()) + 1 if n else 0):
        copying = (twin & (depth == level)).nonzero()[:, 0]
        image[copying], object_id[copying] = image[copying - 1], object_id[copying - 1]
        scale[copying] = (scale[copying - 1] * likeness[copying]).clamp(*config.layer_scale)
    return _Sources(image, object_id, scale, twin, copied)


def _paths(
    request: LayerRequest, role: Tensor, length: Tensor, twin: Tensor, time: Tensor, draws: Draws
) -> Tensor:
    """Where each layer is in each frame: ``(n, T, 2)``."""
    config, frames, n = request.config, request.frames, len(role)
    speed = 2 * draws.log_uniform((n, 1, 1), *config.layer_speed)
    travel = warps.path(draws, time, 2) * speed
    # Objects stand somewhere in the first frame, other layers in any frame.
    anchor = draws.below(torch.full((n,), frames, device=role.device)).masked_fill(role == Role.OBJECT, 0)
    place = draws.uniform((n, 2), -0.9, 0.9) * torch.tensor([request.aspect, 1.0], device=role.device)
    centre = place[:, None] + travel - travel[torch.arange(n, device=role.device), anchor][:, None]
    centre = _crossing(draws, centre, length, twin, frames, config)
    centre = _leaving(draws, centre, length, role, request.aspect, frames, config)
    centre[..., 1] -= limbs.hops(draws, time, config) * length
    return centre


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


def _tilts(draws: Draws, time: Tensor, config: ClipConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Angle in degrees, shear, and whether it is mirrored: each ``(n, T)``."""
    n = len(time)
    angle = draws.normal((n, 1), 8.0) + config.layer_turn * warps.path(draws, time, 1)[..., 0]
    shear = draws.normal((n, 1), 0.06).expand_as(angle)
    return angle, shear, draws.chance((n, 1), config.flip).expand_as(angle)


def _absent(draws: Draws, role: Tensor, frames: int, config: ClipConfig) -> Tensor:
    """``(n, T)`` bool: it is gone for some frames; objects are there in the first."""
    n, device = len(role), role.device
    leaves = draws.below(torch.full((n,), frames - 1, device=device)) + (role == Role.OBJECT)
    returns = leaves + 1 + draws.below((frames - leaves).clamp(min=1))
    moment = torch.arange(frames, device=device)
    gone = (moment >= leaves[:, None]) & (moment < returns[:, None])
    return draws.chance((n, 1), config.absent) & gone


def _open_for(request: LayerRequest, clip: Tensor, draws: Draws) -> Tensor:
    """``(n,)`` share of a gap between two frames for which the shutter is open."""
    n, shutter = len(clip), request.shutter
    own = draws.uniform((n,), 0.2, 0.6) * draws.chance((n,), request.config.motion_blur)
    return own if shutter is None else torch.where(shutter[clip] > 0, shutter[clip], own)


def _streaks(centre: Tensor, length: Tensor, open_for: Tensor) -> Tensor:
    """``(n, T, 2)`` the way that each layer goes while the shutter is open, never more than 0.4 of it."""
    motion = limbs.motion_of(centre) * open_for[:, None, None]
    bound = 0.4 * length[..., None] / motion.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    streaks: Tensor = motion * bound.clamp(max=1.0)
    return streaks


def _edges(mask: Tensor, config: ClipConfig) -> Tensor:
    """``(n,)`` share of a pixel that makes it a cut-out's: less for thin ones."""
    if config.thin >= 1 or not len(mask):
        return torch.full((len(mask),), EDGE, device=mask.device)
    whole = mask.view(torch.uint8)
    core = whole[:, 1:-1] & whole[:, :-2] & whole[:, 2:]
    core = core[:, :, 1:-1] & core[:, :, :-2] & core[:, :, 2:]
    opened = core.clone()
    opened[:, 1:] |= core[:, :-1]
    opened[:, :-1] |= core[:, 1:]
    opened[:, :, 1:] |= opened[:, :, :-1].clone()
    opened[:, :, :-1] |= opened[:, :, 1:].clone()
    area, kept = (part.flatten(1).sum(1, dtype=torch.int32) for part in (whole, opened))
    return torch.where(kept < (1 - config.thin) * area, _THIN_EDGE, EDGE)


def layer_gain(draws: Draws, layers: int, config: ClipConfig) -> Tensor:
    """How much brighter, and in each colour, layers are than what they came from: ``(layers, 3)``."""
    light = draws.normal((layers, 1), config.layer_gain)
    return (light + draws.normal((layers, 3), config.layer_gain / 2)).exp()


def layer_sharpness(draws: Draws, blurred: Tensor) -> Tensor:
    """How sharp the edges of layers are; blurred ones (``(layers,)`` bool) are soft."""
    return torch.where(blurred, 1.0, draws.uniform((len(blurred),), 1.0, 3.0))
