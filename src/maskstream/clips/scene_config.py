"""What the single frames are made of that the subject network is trained on; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskstream.clips.clip_config import ClipConfig, Range
from maskstream.datasets.subject_sets import MIXED, PEOPLE
from maskstream.errors import InputError


@dataclass(frozen=True)
class SceneConfig:
    """What single frames for the subject network are made of; lengths are fractions of the frame's height.

    Attributes:
        places: weights of a still with its own labels, people pasted over a place, a thing pasted over a
            photograph, an empty photograph.
        people: sets of people.
        mixed: sets of people or things.
        set_weight_power: a set is drawn from with weight ``images ** power``.
        people_weight: how much more often a set of people is shown than another of its size.
        min_area: smallest subject worth showing, as a fraction of its source.
        min_cutout_area: smallest cut-out worth pasting, as a fraction of its source.
        on_stills: chance that people are pasted over a still of a thing instead of a photograph.
        beside: chance that a place is what is beside the labelled thing of a still, instead of a photograph.
        count: weights of one, two and three pasted people.
        in_front: chance that a thing that is no subject stands before pasted people.
        close: chance that a pasted person is cut by the lower border, as in front of a webcam.
        close_height: height of such a person, whole or not (*log*).
        far_height: height of one who is seen whole (*log*).
        headroom: distance of the first person's head from the upper border.
        crop_area: area of the view as a fraction of the largest that fits in the source.
        at_head: chance that a view of people is chosen by their heads.
        cast: spread of the colour cast of the light.
        dim: chance of a dim frame.
        dim_light: its light (*log*).
        look: colour, noise and compression, and how pasted people differ from the place.
    """

    places: tuple[float, float, float, float] = (0.48, 0.36, 0.05, 0.11)
    people: tuple[str, ...] = PEOPLE
    mixed: tuple[str, ...] = MIXED
    set_weight_power: float = 0.5
    people_weight: float = 2.5
    min_area: float = 0.01
    min_cutout_area: float = 0.02
    on_stills: float = 0.3
    beside: float = 0.5
    count: tuple[float, float, float] = (0.75, 0.18, 0.07)
    in_front: float = 0.12
    close: float = 0.75
    close_height: Range = (0.6, 3.2)
    far_height: Range = (0.3, 0.95)
    headroom: Range = (-0.05, 0.45)
    crop_area: Range = (0.3, 1.0)
    at_head: float = 0.6
    cast: float = 0.08
    dim: float = 0.2
    dim_light: Range = (0.2, 0.8)
    look: ClipConfig = field(
        default_factory=lambda: ClipConfig(
            brightness=0.08,
            contrast=0.2,
            hue=10.0,
            tone=0.45,
            noise=0.3,
            noise_level=(0.004, 0.06),
            soften=0.35,
            soften_factor=(1.2, 4.0),
            compress=0.3,
            compress_step=(0.01, 0.09),
            motion_blur=0.15,
            layer_gain=0.15,
        )
    )

    def __post_init__(self) -> None:
        if min(self.places) < 0 or sum(self.places) <= 0:
            raise InputError(f"scenes: places are {self.places}; give four weights, one at least above 0")
