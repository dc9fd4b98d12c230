"""Training clips: a base layer (a video, a still in motion, a photograph), cut-outs moving over it, one look.

All of it is batched tensor operations on the training device; every random number comes from one generator.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from maskstream.clips import colour_changes, layer_plan, limbs, pasting, warps
from maskstream.clips.clip_config import ClipConfig, SkipSchedule
from maskstream.clips.randomness import Draws
from maskstream.clips.tensors import VOID, ImageSet, VideoSet, id_areas, set_weights
from maskstream.errors import InputError

__all__ = ["ClipConfig", "ClipSampler", "Clips", "SkipSchedule"]

_log = logging.getLogger(__name__)
_START_TRIES = 6  # places tried in a video for a first frame that shows an object
_BATCH_TRIES = 10
_SHUTTER_INSTANTS = (-0.4, -0.13, 0.13, 0.4)  # of the time that a shutter is open
_FIRST_LAYER_ID = 240  # pasted objects carry the ids from here on until a clip is finished


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
        InputError: nothing that was given holds an object, or a label map uses ids from 240 to 254.
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
            area = id_areas(self._images.labels)
            self._still_ids = (area >= config.min_object_area) & ~self._images.paste_only[:, None]
            self._cutout_ids = area >= config.min_cutout_area
            weights = set_weights(self._images, config.set_weight_power)
            self._still_weights = weights * self._still_ids.any(1)
            self._cutout_weights = weights * self._cutout_ids.any(1)
        if self._videos is not None:
            self._frame_ids = id_areas(self._videos.labels) >= config.min_object_area
        self._has_stills = bool(self._still_ids.any())
        self._has_cutouts = bool(self._cutout_ids.any())
        for kind, ids in (("image", self._still_ids), ("frame", self._frame_ids)):
            high = ids[:, _FIRST_LAYER_ID:VOID].any(1)
            if bool(high.any()):
                where = int(high.to(torch.uint8).argmax())
                raise InputError(
                    f"clips: {kind} {where} uses object ids over {_FIRST_LAYER_ID - 1}; renumber them"
                )
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

        Returns:
            Clips on videos first, then on stills, then on photographs.

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
        canvas = torch.empty((batch, frames, 3, *size), device=self.device)
        labels = torch.zeros((batch, frames, *size), dtype=torch.uint8, device=self.device)
        # An object of each clip's still, which look-alikes may copy.
        image = torch.full((batch,), -1, device=self.device)
        object_id = torch.zeros((batch,), dtype=torch.int64, device=self.device)
        counts = torch.zeros((batch,), dtype=torch.int64, device=self.device)
        shutter = draws.uniform((batch,), *config.shutter_time) * draws.chance((batch,), config.shutter)
        videos, stills = self._kinds(batch, frames, video_fraction)
        first, second = videos, videos + stills
        if videos:
            self._video(canvas[:first], labels[:first], max_skip)
            counts[:first] = draws.weighted(torch.tensor(config.video_layers), videos)
        if stills:
            image[first:second], object_id[first:second] = self._still(
                canvas[first:second], labels[first:second], shutter[first:second]
            )
            counts[first:second] = draws.weighted(torch.tensor(config.still_layers), stills)
        if second < batch:
            self._photo(canvas[second:], shutter[second:])
            counts[second:] = draws.weighted(torch.tensor(config.background_layers), batch - second)
        if self._images is not None and self._has_cutouts:
            needy = ~((labels[:, 0] > 0) & (labels[:, 0] < VOID)).flatten(1).any(1)
            counts = torch.where(needy, counts.clamp(min=1), counts)
            layers = layer_plan.plan_layers(
                layer_plan.LayerRequest(
                    self._images,
                    self._cutout_ids,
                    self._cutout_weights,
                    counts,
                    needy,
                    (image, object_id),
                    size,
                    frames,
                    config,
                    shutter,
                ),
                draws,
            )
            pasting.paste(layers, self._images, canvas, labels, _FIRST_LAYER_ID, draws)
        colour_changes.jitter(canvas, config, draws)
        colour_changes.degrade(canvas, config, draws)
        labels, objects = self._compacted(labels)
        return Clips(canvas, labels, objects)

    def _kinds(self, batch: int, frames: int, video_fraction: float) -> tuple[int, int]:
        """How many clips of the batch stand on videos and on stills; the rest stand on photographs."""
        videos = self._videos is not None and bool((self._videos.length >= frames).any())
        photos = self._backgrounds is not None and self._has_cutouts
        if not (videos or photos or self._has_stills):
            raise InputError(f"clips: no video has {frames} frames, and there is nothing else to show")
        fraction = (video_fraction if photos or self._has_stills else 1.0) if videos else 0.0
        photo = (self.config.background if self._has_stills else 1.0) if photos else 0.0
        on_video, on_photo = self._draws.chance((batch,), fraction), self._draws.chance((batch,), photo)
        return int(on_video.sum()), int((~on_video & ~on_photo).sum())

    def _video(self, canvas: Tensor, labels: Tensor, max_skip: int) -> None:
        """Fill clips with a few frames of real videos, in order or reversed, through nearly the same view."""
        assert self._videos is not None
        config, draws, videos = self.config, self._draws, self._videos
        n, frames, height, width = labels.shape
        video, which = pick_frames(videos, self._frame_ids.any(1), n, frames, max_skip, config, draws)
        focus = draws.choose(self._frame_ids[which[:, 0]], 1)[0]
        aspect = videos.aspect[video]
        found = videos.labels[which]
        centre, extent = warps.boxes(found[:, 0] == focus[:, :, None].to(torch.uint8), aspect)
        middle, view = self._view(aspect, (height, width), centre, extent)
        middle = middle[:, None] + draws.normal((n, frames, 2), config.video_jitter) * view[:, None, None]
        flat = torch.zeros((n, frames), device=self.device)
        turn = warps.linear_map(
            flat + view[:, None],
            flat + draws.normal((n, 1), 2.0),
            flat + draws.normal((n, 1), 0.03),
            draws.chance((n, 1), config.flip).expand(n, frames),
        )
        lattice = self._lattice((height, width), middle, turn).flatten(0, 1)[:, None]
        where = warps.grid(lattice, aspect.repeat_interleave(frames), height, width)
        warps.sample_pictures(videos.frames, which.flatten(), where.points, canvas.flatten(0, 1)[:, :, None])
        labels.copy_(warps.sample_labels(found.flatten(0, 1), where).view(labels.shape))

    def _still(self, canvas: Tensor, labels: Tensor, shutter: Tensor) -> tuple[Tensor, Tensor]:
        """Fill clips with stills as moving, yielding pictures; gives their indices and an id in each."""
        assert self._images is not None
        config, draws, images = self.config, self._draws, self._images
        n = len(labels)
        which = draws.weighted(self._still_weights, n)
        focus = draws.choose(self._still_ids[which], 1)[0][:, 0]
        source, aspect = images.labels[which], images.aspect[which]
        centre, extent = warps.boxes(source == focus.to(torch.uint8)[:, None, None], aspect)
        where = self._camera(images, which, canvas, centre, extent, shutter)
        shown = ~(draws.chance((n, 1, 1, 1), config.drop_labels) & self._has_cutouts)
        torch.mul(warps.sample_labels(source, where).view(labels.shape), shown, out=labels)
        return which, focus

    def _photo(self, canvas: Tensor, shutter: Tensor) -> None:
        """Fill clips with photographs of places, which hold nothing to label."""
        assert self._backgrounds is not None
        images, draws, n = self._backgrounds, self._draws, len(canvas)
        which = draws.weighted(torch.ones(len(images)), n)
        aspect = images.aspect[which]
        whole = torch.stack([aspect, torch.ones_like(aspect)], -1)
        self._camera(images, which, canvas, draws.uniform((n, 2), -1.0, 1.0) * whole, whole, shutter)

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
        self, images: ImageSet, which: Tensor, canvas: Tensor, centre: Tensor, extent: Tensor, shutter: Tensor
    ) -> warps.Grid:
        """Fill ``canvas`` with views that move over stills near a box; gives where their pixels are from."""
        config, draws = self.config, self._draws
        aspect = images.aspect[which]
        n, frames, _, height, width = canvas.shape
        middle, view = self._view(aspect, (height, width), centre, extent)
        time = warps.times(draws, n, frames)
        speed = 2 * view * draws.log_uniform((n,), *config.camera_shift)
        middle = middle[:, None] + warps.path(draws, time, 2) * speed[:, None, None]
        zoom, turned, sheared = warps.path(draws, time, 3).unbind(-1)
        scale = view[:, None] * (config.camera_zoom * zoom).exp()
        other, other_view = self._view(aspect, (height, width), centre, extent)
        cut = cuts(draws, n, frames, config)
        middle = torch.where(cut[..., None], middle + (other - middle[:, 0])[:, None], middle)
        scale = torch.where(cut, scale * (other_view / view)[:, None], scale)
        turn = warps.linear_map(
            scale,
            draws.normal((n, 1), 4.0) + config.camera_turn * turned,
            draws.normal((n, 1), 0.06) + config.camera_shear * sheared,
            draws.chance((n, 1), config.flip).expand(n, frames),
        )
        warp = warps.displacement(draws, time, 2 * view * draws.uniform((n,), *config.camera_warp))
        lattice = self._lattice((height, width), middle, turn) + warps.evaluate(warp, height, width)
        where = warps.grid(lattice, aspect, height, width)
        seen = canvas.transpose(1, 2)
        warps.sample_pictures(images.images, which, where.points, seen)
        blurred = (shutter > 0).nonzero()[:, 0]
        if len(blurred):
            # While the shutter is open the view moves, but not through a cut.
            motion = limbs.motion_of(lattice[blurred]) * shutter[blurred].view(-1, 1, 1, 1, 1)
            through = limbs.motion_of(cut[blurred].to(motion.dtype)) != 0
            motion = motion.masked_fill(through[..., None, None, None], 0.0)
            part = torch.empty((len(blurred), *seen.shape[1:]), device=self.device)
            total = torch.zeros_like(part)
            for instant in _SHUTTER_INSTANTS:
                moved = warps.grid(lattice[blurred] + instant * motion, aspect[blurred], height, width)
                warps.sample_pictures(images.images, which[blurred], moved.points, part)
                total += part
            seen[blurred] = total.div_(len(_SHUTTER_INSTANTS))
        return where

    def _lattice(self, size: tuple[int, int], middle: Tensor, turn: Tensor) -> Tensor:
        """Source positions ``(n, T, gh, gw, 2)`` of a view's nodes."""
        node = warps.nodes(*size, self.device) * torch.tensor([size[1] / size[0], 1.0], device=self.device)
        return middle[:, :, None, None] + torch.einsum("ntij,yxj->ntyxi", turn, node)

    def _compacted(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Keep up to ``max_objects`` objects that the first frame shows, numbered 1..K in random order."""
        config = self.config
        enough = config.min_first_pixels / 192**2
        ids, kept = self._draws.choose(id_areas(labels[:, 0]) >= enough, config.max_objects)
        result = (labels == VOID).view(torch.uint8).mul_(VOID)
        for number in range(config.max_objects):
            # The first columns are the kept ones; an id that no pixel has stands for none.
            value = torch.where(kept[:, number], ids[:, number], 0).to(torch.uint8).view(-1, 1, 1, 1)
            result += ((labels == value) & (value > 0)).view(torch.uint8).mul_(number + 1)
        return result, kept.sum(1)


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
    if videos.weight is not None:
        weights = weights * videos.weight
    video = draws.weighted(weights, n * _START_TRIES)
    length = videos.length[video]
    longest = (max_skip // videos.step[video]).minimum((length - 1) // (frames - 1)).clamp(min=1)
    gaps = 1 + draws.below(longest[:, None].expand(-1, frames - 1))
    offset = torch.cat([torch.zeros_like(gaps[:, :1]), gaps.cumsum(1)], 1)
    start = videos.start[video] + draws.below(length - offset[:, -1])
    which = start[:, None] + offset
    # After a cut the clip is elsewhere in the video, in the same order.
    cut = cuts(draws, len(video), frames, config)
    first = torch.where(cut, offset, offset[:, -1:]).amin(1)
    elsewhere = videos.start[video] + draws.below(length - (offset[:, -1] - first))
    which = torch.where(cut, elsewhere[:, None] + offset - first[:, None], which)
    backwards = draws.chance((len(which), 1), config.reverse)
    which = torch.where(backwards, which.flip(1), which).view(n, _START_TRIES, frames)
    best = useful[which[:, :, 0]].to(torch.uint8).argmax(1)
    rows = torch.arange(n, device=best.device)
    return video.view(n, _START_TRIES)[rows, best], which[rows, best]


def cuts(draws: Draws, count: int, frames: int, config: ClipConfig) -> Tensor:
    """``(count, frames)`` bool, the frames after a cut: never the first.

    In clips of more than three frames nor the second: something must be seen to move first.
    """
    earliest = 1 if frames <= 3 else 2
    place = earliest + draws.below(torch.full((count, 1), frames - earliest, device=draws.device))
    moment = torch.arange(frames, device=draws.device)
    return draws.chance((count, 1), config.cut) & (moment >= place)
