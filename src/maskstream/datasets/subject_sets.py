"""Which sets show a subject, whose it is, and which of their images are held back from training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from maskstream.datasets.readers import LabelledImage, LabelledVideo

#: Sets in which all that is labelled are people; ``people`` is the project's own set of mattes.
PEOPLE = ("ccp", "viton", "people_cutouts", "pennfudan", "human198_resized", "human290", "people")
#: Sets whose subject may be a person or a thing: shown with their own labels, never beneath a pasted person.
MIXED = ("ecssd", "grabcut18", "frames")
#: Sets that label parts, every small thing, or things beside people.
LEFT_OUT = ("hair1050", "coco_mini", "coco128_seg", "voc07_seg44", "balloons74")
#: Sequences in which a part only of what stands out is labelled, and those that begin like YouTube-VOS's.
LEFT_OUT_VIDEOS = ("flamingo", "chair", "dog-agility", "soccerball", "paragliding", "ytvos-")

FRAMES = "frames"  #: the set that frames of videos become
FRAMES_OF_A_VIDEO = 12
#: Of each set one image in so many is held back: of the few mattes half, of the places a fifth.
HELD_BACK = {"people": 2, "backgrounds": 5}
HELD_BACK_USUALLY = 10


def set_of(name: str) -> str:
    """The set that an image of this name belongs to."""
    return name.partition("/")[0]


def subject_images(
    images: Iterable[LabelledImage], videos: Iterable[LabelledVideo], mattes: Iterable[LabelledImage]
) -> list[LabelledImage]:
    """The stills, mattes and some frames of each video that show a subject by the rule of ``clips.scenes``.

    Frames become stills of the set ``frames``; none of them is held back, as their like are trained on.
    """
    stills = [i for i in (*images, *mattes) if set_of(i.name) not in LEFT_OUT]
    for video in videos:
        if not video.name.startswith(LEFT_OUT_VIDEOS):
            step = max(1, len(video.frames) // FRAMES_OF_A_VIDEO)
            stills += [
                LabelledImage(f"{FRAMES}/{frame.name}", frame.load, stamp=frame.stamp)
                for frame in video.frames[::step]
            ]
    return stills


def held_back(
    images: Sequence[LabelledImage],
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """What is trained on, and what never is: every tenth image of each set, see ``HELD_BACK``.

    It depends on names only: the same files give the same parts.
    """
    by_set: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in sorted(images, key=lambda image: image.name):
        by_set[set_of(image.name)].append(image)
    train: list[LabelledImage] = []
    held: list[LabelledImage] = []
    for name, members in by_set.items():
        every = HELD_BACK.get(name, HELD_BACK_USUALLY)
        for position, image in enumerate(members):
            (held if name != FRAMES and position % every == every - 1 else train).append(image)
    return train, held
