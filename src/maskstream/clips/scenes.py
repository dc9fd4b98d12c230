"""Single frames with one label, the subject: whole stills, people and things over places, empty places.

**What the subject is:** if there are people, the people, with what the labels of their set count as theirs
(clothes, bags, the bicycle under a rider); else the thing or animal that stands out. So where a person is
pasted over a picture of a cat, the cat is background. Where nothing stands out, as in photographs of places,
there is no subject, and the label is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from maskstream.clips import colour_changes, layer_plan, pasting, warps
from maskstream.clips.limbs import without_limbs
from maskstream.clips.randomness import Draws
from maskstream.clips.scene_config import SceneConfig
from maskstream.clips.tensors import VOID, ImageSet, id_areas, set_weights
from maskstream.datasets.subject_sets import FRAMES, set_of
from maskstream.errors import InputError

_SUBJECT_ID = 240
_LARGEST_ZOOM = 3.0  # beyond this a cut-out looks like a blur
_BESIDE = 0.3  # half height of the smallest view beside a subject, in halves of the source's height
_MARGIN = 0.06  # between a subject and what is beside it, in halves of the source's height
_AT_BORDER = 0.03  # of the source's height: a cut-out that ends so close to its lower border goes on beyond


class Place(IntEnum):
    """What a frame stands on."""

    STILL = 0
    PEOPLE = 1
    THING = 2
    EMPTY = 3


@dataclass(frozen=True)
class Scenes:
    """A batch of frames.

    Attributes:
        frames: ``(B, 3, H, W)`` float32 RGB, 0..1.
        labels: ``(B, H, W)`` uint8: 1 is the subject, 0 the rest, 255 void.
    """

    frames: Tensor
    labels: Tensor


class SceneSampler:
    """Makes single frames with their subject; the generator's state is the whole state.

    Args:
        images: stills with label maps, also what cut-outs come from.
        backgrounds: photographs of places; may be None.
        config: probabilities and ranges.
        generator: where every random number comes from.
        device: where the sets are kept and frames are made.

    Raises:
        InputError: there is nothing to show for a place that has a weight.
    """

    def __init__(
        self,
        images: ImageSet,
        backgrounds: ImageSet | None,
        config: SceneConfig,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.generator = generator
        self.device = torch.device(device)
        self._draws = Draws(generator, self.device)
        self._images = images.to(self.device)
        self._photos = backgrounds.to(self.device) if backgrounds is not None else None
        sets = [set_of(name) for name in images.names]
        self._people = torch.tensor([name in config.people for name in sets], device=self.device)
        mixed = torch.tensor([name in config.mixed for name in sets], device=self.device)
        area = id_areas(self._images.labels)
        total = area.sum(1)
        weights = set_weights(self._images, config.set_weight_power)
        weights = torch.where(self._people, weights * config.people_weight, weights)
        whole = ~self._images.paste_only
        self._cutout_ids = area >= config.min_cutout_area
        cut = weights * self._cutout_ids.any(1)
        self._still_weights = weights * whole * (total >= config.min_area)
        self._beneath_weights = weights * whole * ~self._people * ~mixed
        self._beside, room = _places_beside(self._images)
        all_labelled = torch.tensor([name != FRAMES for name in sets], device=self.device)
        self._beside_weights = self._still_weights * all_labelled * (room >= _BESIDE) * config.beside
        self._cut_people = cut * self._people
        self._cut_things = cut * ~self._people * ~mixed
        places = torch.tensor(config.places)
        ground = self._photos is not None or bool(self._beside_weights.any())
        able = [
            bool(self._still_weights.any()),
            bool(self._cut_people.any()) and (ground or bool(self._beneath_weights.any())),
            bool(self._cut_things.any()) and ground,
            ground,
        ]
        self._places = places * torch.tensor(able)
        if not bool(self._places.any()):
            raise InputError("scenes: no image shows a subject, and there is no photograph; check the data")

    def sample(self, batch: int, size: tuple[int, int]) -> Scenes:
        """Make a batch of frames.

        Args:
            batch: how many.
            size: height and width, multiples of 8.
        """
        config, draws = self.config, self._draws
        frames = torch.empty((batch, 3, *size), device=self.device)
        labels = torch.zeros((batch, *size), dtype=torch.uint8, device=self.device)
        place = draws.weighted(self._places, batch).sort().values
        beneath = (place == Place.PEOPLE) & draws.chance((batch,), config.on_stills)
        if self._photos is None and not self._beside_weights.any():
            beneath |= place == Place.PEOPLE
        beneath &= torch.tensor(bool(self._beneath_weights.any()), device=self.device)
        photo = (place != Place.STILL) & ~beneath
        self._still(frames, labels, (place == Place.STILL).nonzero()[:, 0], self._still_weights)
        self._still(frames, labels, beneath.nonzero()[:, 0], self._beneath_weights)
        beside = torch.zeros_like(photo)
        if self._beside_weights.any():
            beside = photo & draws.chance((batch,), config.beside if self._photos is not None else 1.0)
        self._next_to(frames, beside.nonzero()[:, 0])
        self._photo(frames, (photo & ~beside).nonzero()[:, 0])
        labels[beneath] = 0
        labels[(labels > 0) & (labels < VOID)] = 1
        self._paste(frames, labels, place)
        labels[(labels >= _SUBJECT_ID) & (labels < VOID)] = 1
        self._light(frames)
        colour_changes.jitter(frames[:, None], config.look, draws)
        colour_changes.degrade(frames[:, None], config.look, draws)
        return Scenes(frames, labels)

    def _still(self, frames: Tensor, labels: Tensor, rows: Tensor, weights: Tensor) -> None:
        """Fill frames with views of stills, and their labels."""
        if not len(rows):
            return
        which = self._draws.weighted(weights, len(rows))
        source, aspect = self._images.labels[which], self._images.aspect[which]
        centre, extent = warps.boxes((source > 0) & (source < VOID), aspect)
        head = self._people[which] & self._draws.chance((len(rows),), self.config.at_head)
        where = self._view(frames.shape[-2:], aspect, centre, extent, head, _whole(aspect))
        self._show(frames, rows, self._images, which, where)
        labels[rows] = warps.sample_labels(source, where)

    def _photo(self, frames: Tensor, rows: Tensor) -> None:
        """Fill frames with views of photographs of places."""
        if not len(rows):
            return
        assert self._photos is not None
        which = self._draws.weighted(torch.ones(len(self._photos)), len(rows))
        aspect = self._photos.aspect[which]
        self._anywhere(frames, rows, self._photos, which, _whole(aspect))

    def _next_to(self, frames: Tensor, rows: Tensor) -> None:
        """Fill frames with views of the places beside the subjects of stills."""
        if len(rows):
            which = self._draws.weighted(self._beside_weights, len(rows))
            self._anywhere(frames, rows, self._images, which, self._beside[which])

    def _anywhere(self, frames: Tensor, rows: Tensor, source: ImageSet, which: Tensor, part: Tensor) -> None:
        """Fill frames with views from anywhere in a part ``(n, 2, 2)`` of each source."""
        centre = part[:, 0] + self._draws.uniform((len(rows), 2), -1.0, 1.0) * part[:, 1]
        never = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
        where = self._view(frames.shape[-2:], source.aspect[which], centre, 2 * part[:, 1], never, part)
        self._show(frames, rows, source, which, where)

    def _show(self, frames: Tensor, rows: Tensor, source: ImageSet, which: Tensor, where: warps.Grid) -> None:
        """Fill frames with what a grid shows of each source."""
        seen = torch.empty((len(rows), 3, 1, *frames.shape[-2:]), device=self.device)
        warps.sample_pictures(source.images, which, where.points, seen)
        frames[rows] = seen[:, :, 0]

    def _view(
        self,
        size: Sequence[int],
        aspect: Tensor,
        centre: Tensor,
        extent: Tensor,
        head: Tensor,
        part: Tensor,
    ) -> warps.Grid:
        """Views inside a part of the sources, near a box, or with its top in their upper half (``head``)."""
        config, draws = self.config, self._draws
        height, width = size
        n, shape = len(aspect), torch.tensor([width / height, 1.0], device=self.device)
        largest = (part[:, 1] / shape).amin(1)
        view = largest * draws.uniform((n,), *config.crop_area).sqrt()
        room = (part[:, 1] - view[:, None] * shape).clamp(min=0)
        middle = centre + draws.uniform((n, 2), -0.7, 0.7) * view[:, None] * shape
        top = centre[:, 1] - extent[:, 1] / 2
        middle[:, 1] = torch.where(head, top + view * draws.uniform((n,), 0.2, 1.0), middle[:, 1])
        middle = middle.maximum(part[:, 0] - room).minimum(part[:, 0] + room)
        turn = warps.linear_map(
            view,
            draws.normal((n,), 4.0),
            draws.normal((n,), 0.04),
            draws.chance((n,), config.look.flip),
        )
        node = warps.nodes(height, width, self.device) * shape
        lattice = middle[:, None, None] + torch.einsum("nij,yxj->nyxi", turn, node)
        return warps.grid(lattice[:, None], aspect, height, width)

    def _paste(self, frames: Tensor, labels: Tensor, place: Tensor) -> None:
        """Paste people and things, from the farthest to the nearest."""
        config, draws = self.config, self._draws
        people = (place == Place.PEOPLE).nonzero()[:, 0]
        things = (place == Place.THING).nonzero()[:, 0]
        clip, depth, weights = [], [], []
        counts = 1 + draws.weighted(torch.tensor(config.count), len(people))
        before = draws.chance((len(people),), config.in_front) & bool(self._cut_things.any())
        for row, count, covered in zip(people.tolist(), counts.tolist(), before.tolist(), strict=True):
            clip += [row] * (count + covered)
            depth += list(range(count + covered))
            weights += [pasting.Role.OBJECT] * count + [pasting.Role.DISTRACTOR] * covered
        clip += things.tolist()
        depth += [0] * len(things)
        weights += [pasting.Role.OBJECT] * len(things)
        if not clip:
            return
        role = torch.tensor(weights, device=self.device)
        items = torch.tensor(clip, device=self.device)
        person = (place[items] == Place.PEOPLE) & (role == pasting.Role.OBJECT)
        layers = self._planned(items, torch.tensor(depth, device=self.device), role, person, frames.shape)
        pasting.paste(layers, self._images, frames[:, None], labels[:, None], _SUBJECT_ID, draws)

    def _planned(
        self, clip: Tensor, depth: Tensor, role: Tensor, person: Tensor, shape: torch.Size
    ) -> pasting.Layers:
        """Everything about pasted layers; people as in front of a webcam, things anywhere."""
        config, draws, images, n = self.config, self._draws, self._images, len(clip)
        image = torch.zeros(n, dtype=torch.int64, device=self.device)
        for of, weights in ((person, self._cut_people), (~person, self._cut_things)):
            rows = of.nonzero()[:, 0]
            if len(rows):
                image[rows] = draws.weighted(weights, len(rows))
        cut = layer_plan.cut_out(images, image, draws.choose(self._cutout_ids[image], 1)[0][:, 0])
        centre, drawn = self._stand(cut, depth, role, person, shape)
        nothing = torch.zeros((n, 1), device=self.device)
        turn = warps.linear_map(
            nothing + 1,
            draws.normal((n, 1), 5.0),
            draws.normal((n, 1), 0.04),
            draws.chance((n, 1), config.look.flip),
        )
        blurred = draws.chance((n,), config.look.motion_blur)
        streak = draws.normal((n, 1, 2), 0.02) * blurred[:, None, None]
        gain = layer_plan.layer_gain(draws, n, config.look)
        return pasting.Layers(
            clip=clip,
            depth=depth,
            role=role,
            **cut._asdict(),
            centre=centre[:, None],
            length=drawn.amax(1)[:, None],
            turn=turn,
            warp=warps.displacement(draws, nothing + 1, draws.uniform((n,), 0.0, 0.03)),
            shown=torch.ones((n, 1), dtype=torch.bool, device=self.device),
            gain=gain,
            sharpness=layer_plan.layer_sharpness(draws, blurred),
            streak=streak,
            open_for=blurred.float(),
            edge=torch.full((n,), layer_plan.EDGE, device=self.device),
            limbs=without_limbs(n, 1, self.device),
            crosses=torch.zeros(n, dtype=torch.bool, device=self.device),
        )

    def _stand(
        self, cut: layer_plan.CutOuts, depth: Tensor, role: Tensor, person: Tensor, shape: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Where the middle of each layer is, and its width and height: ``(n, 2)`` in half heights."""
        config, draws, n = self.config, self._draws, len(person)
        height, aspect = shape[-2], shape[-1] / shape[-2]
        cut_off = cut.box_centre[:, 1] + cut.box_size[:, 1] / 2 > 1 - 2 * _AT_BORDER
        close = person & (cut_off | draws.chance((n,), config.close))
        tall = cut.box_size[:, 1] / cut.box_size[:, 0].clamp(min=1e-3)
        lowest, highest = config.close_height
        # Half bodies are seen at 1.5 frame heights at most, whole ones closer.
        most = torch.where(tall > 1.8, highest, min(1.5, highest))
        near = lowest * (most / lowest) ** draws.uniform((n,))
        far = draws.log_uniform((n,), *config.far_height)
        far = torch.where(role == pasting.Role.DISTRACTOR, far / 2, far)
        zoom = 2 * torch.where(close, near, far) / cut.box_size[:, 1]
        zoom = zoom.minimum(
            torch.full_like(zoom, layer_plan.most_zoomed(self._images, height, _LARGEST_ZOOM))
        )
        drawn = cut.box_size * zoom[:, None]

        top = -1 + 2 * draws.uniform((n,), *config.headroom)
        top = torch.where(close, top.maximum(1.02 - drawn[:, 1]), top)
        free = draws.uniform((n,), -1.0, 1.0) * (1 - drawn[:, 1] / 2).clamp(min=0)
        y = torch.where(close, top + drawn[:, 1] / 2, free)
        x = draws.normal((n,), 0.3 * aspect)
        x = torch.where(depth == 0, x, draws.uniform((n,), -0.9 * aspect, 0.9 * aspect))
        return torch.stack([x, y], -1), drawn

    def _light(self, frames: Tensor) -> None:
        """A colour cast on every frame, and dim light on some, in place."""
        config, draws, n = self.config, self._draws, len(frames)
        light = draws.normal((n, 3), config.cast).exp()
        dim = draws.chance((n, 1), config.dim)
        light = torch.where(dim, light * draws.log_uniform((n, 1), *config.dim_light), light)
        frames.mul_(light[:, :, None, None])


def _whole(aspect: Tensor) -> Tensor:
    """Sources as parts of themselves: centre and half size ``(n, 2, 2)``, in halves of their height."""
    half = torch.stack([aspect, torch.ones_like(aspect)], -1)
    return torch.stack([torch.zeros_like(half), half], 1)


def _places_beside(images: ImageSet) -> tuple[Tensor, Tensor]:
    """The best of the four parts left and right of, above and below all that is labelled in each source.

    Returns:
        Centre and half size ``(n, 2, 2)``, and ``(n,)`` half the height of the largest view of 3:2 in it,
        both in halves of the source's height.
    """
    edge = _whole(images.aspect)[:, 1]
    centre, size = warps.boxes(images.labels > 0, images.aspect)
    low, high = centre - size / 2 - _MARGIN, centre + size / 2 + _MARGIN
    corners = torch.stack([-edge, edge], 1).repeat(4, 1, 1, 1)  # part, source, (low, high), (x, y)
    corners[0, :, 1, 0], corners[1, :, 0, 0] = low[:, 0], high[:, 0]
    corners[2, :, 1, 1], corners[3, :, 0, 1] = low[:, 1], high[:, 1]
    half = (corners[:, :, 1] - corners[:, :, 0]).clamp(min=0) / 2
    room, best = torch.minimum(half[..., 0] / 1.5, half[..., 1]).max(0)
    source = torch.arange(len(best), device=best.device)
    return torch.stack([corners.mean(2)[best, source], half[best, source]], 1), room
