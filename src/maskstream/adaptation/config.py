"""How a network is adapted to a clip, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskstream.clips.clip_config import ClipConfig
from maskstream.errors import InputError

WAY_FRAMES = 12  #: of a clip, evenly spread, that adapted networks are judged on

#: Clips dreamt from one still: the scene itself in motion, or its objects over the scene without them.
DREAMS = ClipConfig(
    background=0.6,
    drop_labels=0.0,
    cut=0.0,
    crop_area=(0.5, 1.0),
    zoom=0.5,
    zoom_factor=(1.3, 3.0),
    still_layers=(0.5, 0.3, 0.2),
    background_layers=(0.0, 0.5, 0.35, 0.15),
    roles=(0.6, 0.2, 0.2),
    twin_object=0.05,
    twin_distractor=0.5,
    layer_scale=(0.15, 0.9),
    layer_turn=15.0,
    layer_growth=0.15,
    layer_warp=(0.0, 0.08),
)


@dataclass(frozen=True)
class AdaptConfig:
    """A fine-tuning on a handful of reference frames.

    Attributes:
        seconds: of training; judging before and after comes on top, a few seconds.
        steps: stop after so many steps even if there is time; 0: no limit.
        rate: highest learning rate of AdamW; it falls to 0 over the run.
        batch: dreamt clips in a step.
        frames: of a dreamt clip.
        sides: of dreamt clips in pixels; each step has one of them.
        truth: chance at the start that the true mask is remembered instead of the prediction; it falls to 0
            by the middle of the run.
        train_trunk: whether the trunk is trained too; its features then change, which costs twice the time.
        shares: how much of the way from the old weights to the trained ones is tried; the best is kept.
        judged: dreamt clips, never trained on, that the old and the new weights are compared on.
        least_gain: in mean IoU on those clips; with less the old weights stay.
        seed: of everything random.
        dreams: what clips are made of.
    """

    seconds: float = 30.0
    steps: int = 0
    rate: float = 2e-4
    batch: int = 4
    frames: int = 4
    sides: tuple[int, ...] = (192, 224, 256)
    truth: float = 0.5
    train_trunk: bool = False
    shares: tuple[float, ...] = (0.5, 1.0)
    judged: int = 12
    least_gain: float = 0.002
    seed: int = 0
    dreams: ClipConfig = field(default_factory=lambda: DREAMS)

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise InputError(f"time to adapt is {self.seconds:g} s; give more than 0")
