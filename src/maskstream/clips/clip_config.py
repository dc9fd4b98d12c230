"""What clips are made of: probabilities and ranges, and the skip interval over the course of a training."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from maskstream.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class SkipSchedule:
    """Largest skip interval, in source frames, as a function of training progress.

    It grows and then shrinks again for the last tenth, as MiVOS, STCN and the DAVIS-2020 winner train.

    Attributes:
        fractions: progress at which each stage begins, rising from 0.
        skips: largest skip interval of each stage, in source frames.
    """

    fractions: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.9)
    skips: tuple[int, ...] = (5, 10, 15, 20, 25, 5)

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.fractions, self.fractions[1:], strict=False))
        if (
            not self.fractions
            or len(self.fractions) != len(self.skips)
            or self.fractions[0] != 0
            or not rising
        ):
            raise InputError("skip schedule: give one skip for each fraction, fractions rising from 0")

    def max_skip(self, progress: float) -> int:
        """Largest skip interval at ``progress`` (0 = start, 1 = end of training), in source frames."""
        return self.skips[max(0, bisect_right(self.fractions, progress) - 1)]


@dataclass(frozen=True)
class ClipConfig:
    """Probabilities and ranges of clip making.

    Lengths are fractions of the clip's height unless said otherwise, speeds are lengths for one frame gap,
    angles are in degrees; a range is drawn from uniformly, or log-uniformly where marked *log*.

    Attributes:
        max_objects: most labelled objects in one clip.
        min_first_pixels: pixels an object needs in the first frame to stay labelled, for 192 x 192 clips
            (scaled with the area).
        min_object_area: smallest object worth showing in a video or still, as a fraction of the source.
        min_cutout_area: smallest object worth cutting out, as a fraction of its source.

        reverse: chance that a video clip runs backwards.
        flip: chance of a mirrored view, for every layer.
        crop_area: area of the view as a fraction of the largest that fits in the source.
        zoom: chance of a close view, set by the object's size instead of the source's.
        zoom_factor: view height over the object's longest side, for close views (*log*).
        video_weight_power: videos are drawn with weight ``length ** power``.
        set_weight_power: a set of stills is drawn from with weight ``images ** power``: 1 makes all images
            equally likely, 0 all sets.

        background: chance that a clip that is no video stands on a plain photograph.
        drop_labels: chance that the objects of a still are shown without labels.
        camera_shift: speed of the view over a still (*log*).
        camera_turn: rotation of the view for one gap (spread).
        camera_zoom: logarithm of the change of scale for one gap (spread).
        camera_shear: change of shear for one gap (spread).
        camera_warp: size of the low-frequency displacement of stills for one gap.
        video_jitter: shift of a video's view from frame to frame (spread).
        cut: chance that the view jumps once, as an editor cuts: elsewhere in a still, to any later or earlier
            time of a video. It doesn't happen between the first two frames of a longer clip.

        still_layers: weights of 0, 1, 2... pasted layers over a still.
        background_layers: the same over a background photograph, where at least one is pasted.
        video_layers: the same over a video.
        roles: weights of a pasted layer being a labelled object, a distractor, an occluder.
        twin_object: chance that a labelled layer is the same cut-out as the layer below it.
        twin_distractor: the same for distractors (look-alikes).
        crossing: chance that a look-alike passes what it looks like, close by and the other way.
        layer_scale: longest side of a cut-out, as a fraction of the clip's shorter side (*log*).
        layer_speed: speed of a layer (*log*).
        layer_turn: rotation for one gap (spread).
        layer_growth: logarithm of the change of scale for one gap (spread).
        layer_warp: displacement for one gap, as a fraction of the object's size.
        limbs: chance that a layer bends at joints; see `maskstream.clips.limbs`.
        limb_swing: how far limbs swing (spread).
        spin: chance that a layer turns about its height, and so gets narrow, then mirrored.
        spin_turn: rate of that for one gap (spread).
        hop: chance that a layer jumps up and down.
        hop_height: how high, as a fraction of its longest side.
        absent: chance that a layer is missing for some frames (never the first, for objects).
        leaving: chance that a layer moves out of the frame and back (out of the first never, for objects).
        motion_blur: chance that a layer is blurred along its motion.
        shutter: chance that a clip, its view as well as its layers, is blurred by all that moves while the
            shutter is open.
        shutter_time: for how long that is, as a share of a gap.
        thin: share of a cut-out that opening by three pixels of its source removes, from which it counts as
            thin and keeps what covers three tenths of a pixel, in place of half; 1: none does.

        layer_gain: spread of the brightness and colour of a pasted layer.
        brightness: spread of the clip's added brightness.
        contrast: logarithmic spread of contrast.
        saturation: range of the saturation factor.
        hue: spread of rotation about the grey axis.
        tone: spread of the mid-tone curve ``x + k x (1 - x)``, a cheap stand-in for gamma.
        frame_jitter: share of the above that also varies from frame to frame.
        exposure: chance that brightness jumps once, for the rest of the clip or for a single frame (a flash).
        exposure_gain: logarithm of that jump (spread).
        grey: chance of a greyscale clip.
        noise: chance of sensor noise.
        noise_level: its standard deviation, of a 0..1 scale.
        soften: chance of a loss of resolution.
        soften_factor: range of that loss.
        compress: chance of block quantisation with coarse colour, as in JPEG and video.
        compress_step: quantiser step of the lowest frequencies, of a 0..1 scale.
        compress_pulse: logarithm of how much that varies between frames, as around key frames (spread).
        shake: chance that some frames are blurred along a line, as by a hand that shakes.
        shake_length: of that line.
    """

    max_objects: int = 3
    min_first_pixels: int = 16
    min_object_area: float = 5e-4
    min_cutout_area: float = 6e-3

    reverse: float = 0.5
    flip: float = 0.5
    crop_area: Range = (0.36, 1.0)
    zoom: float = 0.3
    zoom_factor: Range = (1.2, 4.0)
    video_weight_power: float = 0.5
    set_weight_power: float = 0.5

    background: float = 0.2
    drop_labels: float = 0.1
    camera_shift: Range = (0.004, 0.2)
    camera_turn: float = 6.0
    camera_zoom: float = 0.08
    camera_shear: float = 0.05
    camera_warp: Range = (0.0, 0.02)
    video_jitter: float = 0.01
    cut: float = 0.04

    still_layers: tuple[float, ...] = (0.35, 0.3, 0.2, 0.1, 0.05)
    background_layers: tuple[float, ...] = (0.0, 0.35, 0.35, 0.2, 0.1)
    video_layers: tuple[float, ...] = (0.65, 0.2, 0.1, 0.05)
    roles: tuple[float, float, float] = (0.5, 0.25, 0.25)
    twin_object: float = 0.2
    twin_distractor: float = 0.6
    crossing: float = 0.5
    layer_scale: Range = (0.06, 0.8)
    layer_speed: Range = (0.004, 0.5)
    layer_turn: float = 10.0
    layer_growth: float = 0.1
    layer_warp: Range = (0.0, 0.05)
    limbs: float = 0.4
    limb_swing: float = 30.0
    spin: float = 0.15
    spin_turn: float = 30.0
    hop: float = 0.12
    hop_height: Range = (0.1, 0.5)
    absent: float = 0.12
    leaving: float = 0.1
    motion_blur: float = 0.15
    shutter: float = 0.1
    shutter_time: Range = (0.2, 0.7)
    thin: float = 0.35

    layer_gain: float = 0.12
    brightness: float = 0.06
    contrast: float = 0.15
    saturation: Range = (0.5, 1.4)
    hue: float = 8.0
    tone: float = 0.35
    frame_jitter: float = 0.12
    exposure: float = 0.1
    exposure_gain: float = 0.35
    grey: float = 0.06
    noise: float = 0.2
    noise_level: Range = (0.004, 0.04)
    soften: float = 0.12
    soften_factor: Range = (1.2, 2.5)
    compress: float = 0.2
    compress_step: Range = (0.01, 0.06)
    compress_pulse: float = 0.3
    shake: float = 0.05
    shake_length: Range = (0.01, 0.05)

    def __post_init__(self) -> None:
        if not 1 <= self.max_objects <= 100:
            raise InputError(f"clips: max_objects is {self.max_objects}; give 1 to 100")
        if self.background_layers[0] != 0:
            raise InputError("clips: background_layers[0] must be 0, an empty photograph holds no object")
