"""How a network is trained: stages, rates and budgets, as frozen data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Self

from maskstream.clips.clip_config import ClipConfig, SkipSchedule
from maskstream.clips.scene_config import SceneConfig
from maskstream.errors import InputError
from maskstream.network.config import STRIDE, STRIDES
from maskstream.network.subject_config import SUBJECT_STRIDE
from maskstream.plain_data import from_plain


@dataclass(frozen=True)
class Stage:
    """A part of a training run.

    Attributes:
        until: progress (0..1) at which it ends.
        size: side of the square clips, in pixels, a multiple of 16; several are drawn from at random.
        batch: clips in a step, on each process.
        frames: frames of a clip.
        video_fraction: chance that a clip stands on a real video; the others are stills and composites.
    """

    until: float
    size: tuple[int, ...]
    batch: int
    frames: int
    video_fraction: float

    def __post_init__(self) -> None:
        if not self.size or any(side < STRIDE or side % STRIDE for side in self.size):
            raise InputError(f"training stage: size is {self.size}; give one or more multiples of {STRIDE}")
        if self.batch < 1 or self.frames < 2:
            raise InputError(
                f"training stage: batch {self.batch} of {self.frames} frames; give 1 clip, 2 frames or more"
            )


#: Stills and composites first, then mixed with video (never video alone: few videos overfit); larger at last.
STAGES = (
    Stage(until=0.2, size=(144, 160), batch=8, frames=3, video_fraction=0.0),
    Stage(until=0.75, size=(160, 192), batch=8, frames=3, video_fraction=0.35),
    Stage(until=1.0, size=(192, 224, 256), batch=6, frames=4, video_fraction=0.35),
)


@dataclass(frozen=True)
class RunConfig:
    """What every training run has, whatever is trained.

    Attributes:
        steps: length of the run; progress is step / steps. 0: the budget ``minutes`` sets the length instead.
        minutes: stop cleanly after this much training time, over all resumptions; None: no limit.
        rate: highest learning rate of AdamW.
        warm_up: steps of linear warm-up.
        schedule: ``"cosine"`` or ``"poly"`` (power 0.9) decay over the run.
        weight_decay: of AdamW, on convolution weights only.
        clip_norm: largest norm of the gradient.
        ema: decay of the averaged weights, which are what is evaluated and shipped.
        hard_pixels: share of pixels, the hardest, that the cross-entropy counts at the end; all at the start.
        dice_weight: weight of the dice loss beside the cross-entropy.
        bfloat16: autocast.
        trunk_rate: learning rate of the trunk, as a multiple of the others'.
        frozen_stride: trunk stages up to this stride (2, 4, 8, 16) aren't trained; 0: all are. The finest
            ones are the dearest on the way back.
        freeze_depthwise: the trunk's depthwise filters aren't trained; on CPUs their gradients are
            the dearest of all.
        freeze_norm: keep batch norm statistics fixed, as STM does when it starts from pretrained trunks.
        save_minutes: time between checkpoints.
        seed: of everything random.
    """

    steps: int = 0
    minutes: float | None = None
    rate: float = 1e-3
    warm_up: int = 200
    schedule: str = "cosine"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.999
    hard_pixels: float = 0.25
    dice_weight: float = 1.0
    bfloat16: bool = True
    trunk_rate: float = 1.0
    frozen_stride: int = 0
    freeze_depthwise: bool = False
    freeze_norm: bool = False
    save_minutes: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps and self.minutes is None:
            raise InputError("training: give a number of steps or a budget in minutes")
        if self.schedule not in ("cosine", "poly"):
            raise InputError(f"training: schedule is {self.schedule!r}; choose cosine or poly")
        if self.frozen_stride not in (0, *STRIDES):
            raise InputError(f"training: frozen_stride is {self.frozen_stride}; give 0, 2, 4, 8 or 16")

    def hard_share(self, progress: float) -> float:
        """Share of the pixels that the cross-entropy counts at ``progress``."""
        return 1 - (1 - self.hard_pixels) * min(1.0, max(0.0, (progress - 0.1) / 0.4))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The config that ``to_dict`` described; missing fields keep their defaults.

        Raises:
            InputError: a field is unknown or has an impossible value.
        """
        return from_plain(cls, data, "training config")


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """A training run of a network that follows objects.

    Attributes:
        stages: what is shown, in order.
        truth_until: progress at which the last true mask has been handed over to the network's own
            predictions, for memory and previous mask; at the start all are true.
        drop_previous: chance that an object's previous mask is shown empty, as after an occlusion.
        shift_previous: chance that it is shown displaced, as after fast motion.
        halve_previous: chance that only one side of it is shown, as after a part was lost.
        checkpoint_activations: trade time for memory (large networks, many objects).
        object_chunk: with activation checkpointing, decode this many objects at a time; 0: all at once.
        skip: the skip interval over the run.
        clips: what clips are made of.
    """

    stages: tuple[Stage, ...] = STAGES
    truth_until: float = 0.33
    drop_previous: float = 0.15
    shift_previous: float = 0.2
    halve_previous: float = 0.15
    checkpoint_activations: bool = False
    object_chunk: int = 0
    skip: SkipSchedule = field(default_factory=SkipSchedule)
    clips: ClipConfig = field(default_factory=ClipConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stages or any(a.until >= b.until for a, b in pairwise(self.stages)):
            raise InputError("training: give one stage or more, each until a later progress than the last")

    def stage(self, progress: float) -> Stage:
        """The stage at ``progress``."""
        return next((s for s in self.stages if progress < s.until), self.stages[-1])


@dataclass(frozen=True)
class SubjectTrainConfig(RunConfig):
    """A training run of a network that finds the subject.

    Attributes:
        sizes: (height, width) of the frames, multiples of 32; each batch has one of them.
        batch: frames in a step, on each process.
        scenes: what frames are made of.
    """

    hard_pixels: float = 0.5
    sizes: tuple[tuple[int, int], ...] = ((192, 320), (224, 384), (224, 288), (256, 256), (320, 192))
    batch: int = 16
    scenes: SceneConfig = field(default_factory=SceneConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        sides = [side for size in self.sizes for side in size]
        if not sides or any(side < SUBJECT_STRIDE or side % SUBJECT_STRIDE for side in sides):
            raise InputError(f"training: sizes are {self.sizes}; give pairs of multiples of {SUBJECT_STRIDE}")
        if self.batch < 1:
            raise InputError(f"training: batch is {self.batch}; give 1 or more")
