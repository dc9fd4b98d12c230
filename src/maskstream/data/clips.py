"""Training clips: a base layer (a video, a still in motion, a photograph), cut-outs moving over it, one look.

All of it is batched tensor operations on the training device; every random number comes from one generator.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from maskstream.data import colour, synthetic, warps
from maskstream.data.clip_config import ClipConfig, SkipSchedule
from maskstream.data.draws import Draws
from maskstream.data.tensors import VOID, ImageSet, VideoSet
from maskstream.errors import InputError

__all__ = ["ClipConfig", "ClipSampler", "Clips", "SkipSchedule"]

_log = logging.getLogger(__name__)
_START_TRIES = 6  # places tried in a video for a first frame that shows an object
_BATCH_TRIES = 10


@dataclass(frozen=True)
class Clips:
    """A batch of training clips.

    Attributes:
        frames: ``(B, T, 3, H, W)`` float32 RGB, 0..1.
        labels: ``(B, T, H, W)`` uint8 object ids, 0 = background, 1..K, 255 = void.
        objects: ``(B,)`` int64, K of each clip, at least 1; all of 1..K are in the first frame.
    """

    frames: Tensor
    labels: Tensor
    objects: Tensor


@dataclass(frozen=True)
class _Base:
    """Lowest layer of some clips; a look-alike may copy ``object_id`` of still ``image`` (-1: none)."""

    frames: Tensor
    labels: Tensor
    image: Tensor
    object_id: Tensor


class ClipSampler:
    """Makes training clips from still images, videos and photographs of places.

    The state of ``generator`` is the whole state of the sampler: restore it and the same clips follow.

    Args:
        images: stills with label maps; also what cut-outs come from. May be None.
        videos: labelled videos. May be None.
        backgrounds: photographs without objects to label; their labels are ignored. May be None.
        config: probabilities and ranges.
        generator: where every random number comes from (on any device).
        device: where the sets are kept and clips are made.

    Raises:
        InputError: nothing that was given holds an object.
    """

    def __init__(
        self,
        images: ImageSet | None,
        videos: VideoSet | None,
        backgrounds: ImageSet | None,
        config: ClipConfig,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.generator = generator
        self.device = torch.device(device)
        self._draws = Draws(generator, self.device)
        self._images = images.to(self.device) if images is not None and len(images) else None
        self._videos = videos.to(self.device) if videos is not None and len(videos) else None
        self._backgrounds = (
            backgrounds.to(self.device) if backgrounds is not None and len(backgrounds) else None
        )
        none = torch.zeros((0, 256), dtype=torch.bool, device=self.device)
        self._still_ids, self._cutout_ids, self._frame_ids = none, none, none
        if self._images is not None:
            area = _id_areas(self._images.labels)
            self._still_ids = (area >= config.min_object_area) & ~self._images.paste_only[:, None]
            self._cutout_ids = area >= config.min_cutout_area
        if self._videos is not None:
            self._frame_ids = _id_areas(self._videos.labels) >= config.min_object_area
        self._has_stills = bool(self._still_ids.any())
        self._has_cutouts = bool(self._cutout_ids.any())
        if not (self._has_stills or self._has_cutouts or bool(self._frame_ids.any())):
            raise InputError("clips: no image or video holds a labelled object; check the label maps")

    def sample(
        self,
        batch: int,
        size: int | tuple[int, int],
        frames: int = 3,
        max_skip: int = 5,
        video_fraction: float = 0.5,
    ) -> Clips:
        """Make a batch of clips.

        Args:
            batch: how many.
            size: side of square clips, or (height, width); multiples of 8.
            frames: frames of a clip, at least 2.
            max_skip: largest gap between two frames of a video clip, in source frames.
            video_fraction: chance that a clip stands on a real video (ignored while only one kind exists).

        Raises:
            InputError: the size is no multiple of 8, fewer than 2 frames are wanted, or the sets give no clip
                with an object.
        """
        height, width = (size, size) if isinstance(size, int) else size
        if height % 8 or width % 8 or frames < 2:
            raise InputError(
                f"clips: {height} x {width}, {frames} frames; give multiples of 8 and 2 frames or more"
            )
        for _ in range(_BATCH_TRIES):
            clips = self._compose(batch, (height, width), frames, max_skip, video_fraction)
            good = clips.objects > 0
            if bool(good.all()):
                return clips
            if bool(good.any()):
                return self._replaced(clips, good)
        raise InputError(f"clips: no object visible in {_BATCH_TRIES} batches; check the label maps")

    def _replaced(self, clips: Clips, good: Tensor) -> Clips:
        """Clips without an object give way to copies of others in the batch."""
        source = torch.arange(len(good), device=self.device)
        empty = int((~good).sum())
        _log.debug("%d of %d clips held no object and were replaced", empty, len(good))
        source[~good] = self._draws.weighted(good, empty)
        return Clips(clips.frames[source], clips.labels[source], clips.objects[source])

    def _compose(
        self, batch: int, size: tuple[int, int], frames: int, max_skip: int, video_fraction: float
    ) -> Clips:
        config, draws = self.config, self._draws
        video, still, photo = self._kinds(batch, frames, video_fraction)
        image = torch.full((batch,), -1, device=self.device)
        object_id = torch.zeros((batch,), dtype=torch.int64, device=self.device)
        canvas = torch.empty((batch, frames, 3, *size), device=self.device)
        labels = torch.zeros((batch, frames, *size), dtype=torch.uint8, device=self.device)
        counts = torch.zeros((batch,), dtype=torch.int64, device=self.device)
        bases = []
        if len(video):
            bases.append((video, self._video(len(video), size, frames, max_skip), config.video_layers))
        if len(still):
            bases.append((still, self._still(len(still), size, frames), config.still_layers))
        if len(photo):
            bases.append((photo, self._photo(len(photo), size, frames), config.background_layers))
        for members, base, weights in bases:
            canvas[members], labels[members] = base.frames, base.labels
            image[members], object_id[members] = base.image, base.object_id
            counts[members] = draws.weighted(torch.tensor(weights), len(members))
        highest = config.max_objects
        if self._images is not None and self._has_cutouts:
            needy = ~((labels[:, 0] > 0) & (labels[:, 0] < VOID)).flatten(1).any(1)
            counts = torch.where(needy, counts.clamp(min=1), counts)
            layers = synthetic.plan_layers(
                self._images, self._cutout_ids, counts, needy, (image, object_id), size, frames, config, draws
            )
            synthetic.paste(layers, self._images, canvas, labels, config.max_objects + 1, draws)
            highest += int(counts.max())
        colour.jitter(canvas, config, draws)
        colour.degrade(canvas, config, draws)
        labels, objects = self._compacted(labels, highest)
        return Clips(canvas, labels, objects)

    def _kinds(self, batch: int, frames: int, video_fraction: float) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the batch that stand on a video, on a still, on a photograph."""
        videos = self._videos is not None and bool((self._videos.length >= frames).any())
        photos = self._backgrounds is not None and self._has_cutouts
        if not (videos or photos or self._has_stills):
            raise InputError(f"clips: no video has {frames} frames, and there is nothing else to show")
        on_video = self._draws.uniform((batch,)) < video_fraction
        on_photo = self._draws.chance((batch,), self.config.background if self._has_stills else 1.0) & photos
        on_video = torch.full_like(on_video, videos) & (on_video | (not (photos or self._has_stills)))
        kinds = (on_video, ~on_video & ~on_photo, ~on_video & on_photo)
        rows = [kind.nonzero()[:, 0] for kind in kinds]
        return rows[0], rows[1], rows[2]

    def _video(self, n: int, size: tuple[int, int], frames: int, max_skip: int) -> _Base:
        """A few frames of real videos, in order or reversed, through nearly the same view."""
        assert self._videos is not None
        config, draws, videos = self.config, self._draws, self._videos
        video, which = pick_frames(videos, self._frame_ids.any(1), n, frames, max_skip, config, draws)
        ids, there = draws.choose(self._frame_ids[which[:, 0]], config.max_objects)
        wanted = ids.masked_fill(~there, 0)
        aspect = videos.aspect[video]
        found = videos.labels[which]
        centre, extent = warps.boxes(found[:, 0] == wanted[:, :1, None].to(torch.uint8), aspect)
        middle, view = self._view(aspect, size, centre, extent)
        middle = middle[:, None] + draws.normal((n, frames, 2), config.video_jitter) * view[:, None, None]
        flat = torch.zeros((n, frames), device=self.device)
        mirror = draws.chance((n, 1), config.flip).expand(n, frames)
        angle = flat + draws.normal((n, 1), 2.0)
        turn = warps.linear_map(flat + view[:, None], angle, flat + draws.normal((n, 1), 0.03), mirror)
        lattice = self._lattice(size, middle, turn).flatten(0, 1)[:, None]
        where = warps.grid(lattice, aspect.repeat_interleave(frames), *size)
        shown = warps.sample_pictures(videos.frames, which.flatten(), where.points).view(n, frames, 3, *size)
        labels = warps.sample_labels(found.flatten(0, 1), where).view(n, frames, *size)
        nothing = torch.full((n,), -1, device=self.device)
        return _Base(shown, _kept(labels, wanted), nothing, nothing.clamp(min=0))

    def _still(self, n: int, size: tuple[int, int], frames: int) -> _Base:
        """Still images as a moving, slightly yielding picture."""
        assert self._images is not None
        config, draws, images = self.config, self._draws, self._images
        which = draws.weighted(self._still_ids.any(1), n)
        ids, there = draws.choose(self._still_ids[which], config.max_objects)
        wanted = ids.masked_fill(~there, 0)
        focus = wanted[:, 0]
        centre, extent = warps.boxes(
            images.labels[which] == focus.to(torch.uint8)[:, None, None], images.aspect[which]
        )
        middle, view = self._view(images.aspect[which], size, centre, extent)
        where = self._camera(images.aspect[which], size, frames, middle, view)
        labels = warps.sample_labels(images.labels[which], where).view(n, frames, *size)
        dropped = draws.chance((n, 1), config.drop_labels) & self._has_cutouts
        return _Base(
            _shown(images, which, where, frames), _kept(labels, wanted.masked_fill(dropped, 0)), which, focus
        )

    def _photo(self, n: int, size: tuple[int, int], frames: int) -> _Base:
        """Photographs of places, with no labels."""
        assert self._backgrounds is not None
        images, draws = self._backgrounds, self._draws
        which = draws.weighted(torch.ones(len(images)), n)
        aspect = images.aspect[which]
        anywhere = torch.stack([aspect, torch.ones_like(aspect)], -1)
        middle, view = self._view(aspect, size, draws.uniform((n, 2), -1.0, 1.0) * anywhere, anywhere)
        where = self._camera(aspect, size, frames, middle, view)
        nothing = torch.full((n,), -1, device=self.device)
        labels = torch.zeros((n, frames, *size), dtype=torch.uint8, device=self.device)
        return _Base(_shown(images, which, where, frames), labels, nothing, nothing.clamp(min=0))

    def _view(
        self, aspect: Tensor, size: tuple[int, int], centre: Tensor, extent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Middle ``(n, 2)`` and height ``(n,)`` of a view that mostly holds the box, inside the source."""
        config, draws = self.config, self._draws
        n, shape = len(aspect), torch.tensor([size[1] / size[0], 1.0], device=self.device)
        largest = (aspect / shape[0]).clamp(max=1.0)
        view = largest * draws.uniform((n,), *config.crop_area).sqrt()
        close = extent.amax(1) / 2 * draws.log_uniform((n,), *config.zoom_factor)
        view = torch.where(draws.chance((n,), config.zoom), close.clamp(min=0.15).minimum(largest), view)
        room = (torch.stack([aspect, torch.ones_like(aspect)], -1) - view[:, None] * shape).clamp(min=0)
        middle = centre + draws.uniform((n, 2), -0.8, 0.8) * view[:, None] * shape
        return middle.maximum(-room).minimum(room), view

    def _camera(
        self, aspect: Tensor, size: tuple[int, int], frames: int, middle: Tensor, view: Tensor
    ) -> warps.Grid:
        """Grid, frames sharing a source, of a view that moves over a still."""
        config, draws, n = self.config, self._draws, len(aspect)
        time = warps.times(draws, n, frames)
        speed = 2 * view * draws.log_uniform((n,), *config.camera_shift)
        middle = middle[:, None] + warps.path(draws, time, 2) * speed[:, None, None]
        zoom, turned, sheared = warps.path(draws, time, 3).unbind(-1)
        turn = warps.linear_map(
            view[:, None] * (config.camera_zoom * zoom).exp(),
            draws.normal((n, 1), 4.0) + config.camera_turn * turned,
            draws.normal((n, 1), 0.06) + config.camera_shear * sheared,
            draws.chance((n, 1), config.flip).expand(n, frames),
        )
        warp = warps.displacement(draws, time, 2 * view * draws.uniform((n,), *config.camera_warp))
        lattice = self._lattice(size, middle, turn) + warps.evaluate(warp, *size)
        return warps.grid(lattice, aspect, *size)

    def _lattice(self, size: tuple[int, int], middle: Tensor, turn: Tensor) -> Tensor:
        """Source positions ``(n, T, gh, gw, 2)`` of a view's nodes."""
        node = warps.nodes(*size, self.device) * torch.tensor([size[1] / size[0], 1.0], device=self.device)
        return middle[:, :, None, None] + torch.einsum("ntij,yxj->ntyxi", turn, node)

    def _compacted(self, labels: Tensor, highest: int) -> tuple[Tensor, Tensor]:
        """Keep up to ``max_objects`` objects that the first frame shows, numbered 1..K in random order."""
        config = self.config
        enough = config.min_first_pixels / 192**2
        there = _id_areas(labels[:, 0])[:, 1 : highest + 1] >= enough
        ids, kept = self._draws.choose(there, config.max_objects)
        return _kept(labels, (ids + 1).masked_fill(~kept, 0)), kept.sum(1)


def pick_frames(
    videos: VideoSet, useful: Tensor, n: int, frames: int, max_skip: int, config: ClipConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Frames for video clips: any start equally likely, each gap uniform from 1 to the skip interval.

    Args:
        videos: the videos; those shorter than ``frames`` are left out.
        useful: ``(F,)`` bool, frames that show an object; a clip's first frame is one where it can be found.
        n: clips wanted.
        frames: frames of a clip.
        max_skip: largest gap, in source frames; at least one labelled frame, less where a video is too short.
        config: chances.
        draws: random numbers.

    Returns:
        ``(n,)`` int64 videos, and ``(n, frames)`` int64 indices into ``videos.frames``, in order of time or
        reversed.
    """
    weights = videos.length.float() ** config.video_weight_power * (videos.length >= frames)
    video = draws.weighted(weights, n * _START_TRIES)
    length = videos.length[video]
    longest = (max_skip // videos.step[video]).minimum((length - 1) // (frames - 1)).clamp(min=1)
    gaps = 1 + draws.below(longest[:, None].expand(-1, frames - 1))
    offset = torch.cat([torch.zeros_like(gaps[:, :1]), gaps.cumsum(1)], 1)
    start = videos.start[video] + draws.below(length - offset[:, -1])
    which = start[:, None] + offset
    backwards = draws.chance((len(which), 1), config.reverse)
    which = torch.where(backwards, which.flip(1), which).view(n, _START_TRIES, frames)
    best = useful[which[:, :, 0]].to(torch.uint8).argmax(1)
    rows = torch.arange(n, device=best.device)
    return video.view(n, _START_TRIES)[rows, best], which[rows, best]


def _shown(images: ImageSet, which: Tensor, where: warps.Grid, frames: int) -> Tensor:
    """Stills seen through moving views, ``(n, T, 3, H, W)``."""
    shown = warps.sample_pictures(images.images, which, where.points)
    return shown.view(len(which), 3, frames, -1, shown.shape[-1]).transpose(1, 2)


def _kept(labels: Tensor, wanted: Tensor) -> Tensor:
    """Number the wanted ids 1, 2, ... and make all others background; void stays.

    Args:
        labels: ``(n, T, H, W)`` uint8.
        wanted: ``(n, K)`` int64 ids, 0 for none.
    """
    shape = (-1, 1, 1, 1)
    result = (labels == VOID) * torch.tensor(VOID, dtype=torch.uint8, device=labels.device)
    number = torch.zeros_like(wanted[:, 0])
    for column in wanted.unbind(1):
        number = number + (column > 0)
        value = torch.where(column > 0, number, 0).to(torch.uint8)
        result += (labels == column.to(torch.uint8).view(shape)) * value.view(shape)
    return result


def _id_areas(labels: Tensor) -> Tensor:
    """Share of each label map that each id covers; background and void count as nothing.

    Args:
        labels: ``(N, H, W)`` uint8.

    Returns:
        ``(N, 256)`` float32.
    """
    areas = []
    for first in range(0, len(labels), 64):
        part = labels[first : first + 64]
        flat = part.flatten(1).long()
        rows = torch.arange(len(part), device=labels.device)[:, None] * 256
        areas.append(torch.bincount((flat + rows).flatten(), minlength=256 * len(part)).view(-1, 256))
    share = torch.cat(areas).float() / labels[0].numel()
    share[:, [0, VOID]] = 0
    return share
