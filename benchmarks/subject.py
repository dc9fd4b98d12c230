"""How well the subject is found in images that were held back from training, beside what others ship.

    python benchmarks/subject.py scenes --data "$MASKSTREAM_DATA" -o scenes
    python benchmarks/subject.py score --data "$MASKSTREAM_DATA" --scenes scenes
    python benchmarks/subject.py peer --data "$MASKSTREAM_DATA" --scenes scenes -o mediapipe
    python benchmarks/subject.py score --data "$MASKSTREAM_DATA" --scenes scenes --peer mediapipe=mediapipe
    python benchmarks/subject.py ship run/average.safetensors --data "$MASKSTREAM_DATA" --scenes scenes

``scenes`` makes a set of webcam-like pictures, people that were held back pasted over places that were held
back (needs torch). ``score`` prints IoU, the share of images above 0.8, and false alarms in empty places.
``peer`` writes the masks of MediaPipe's selfie segmentation, a person network, for ``--peer``; it runs
wherever ``mediapipe`` is installed, an environment of its own if need be (``PYTHONPATH=src``, no torch).
``ship`` exports weights into the package with these figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from maskstream.datasets.collection import open_data_folder
from maskstream.datasets.file_index import index_files
from maskstream.datasets.folders import static_images
from maskstream.datasets.readers import LabelledImage, ReadingReport
from maskstream.datasets.subject_sets import MIXED, PEOPLE, held_back, set_of, subject_images
from maskstream.judging.subject_scores import (
    Find,
    SubjectScore,
    alarm_share,
    good_share,
    mean_iou,
    score_subjects,
)

SCENES, SCENES_SET, SCENE_SIZE = 200, "webcam", (360, 640)
DEV_STEP = 6  #: of the frames of development sequences
LEAST_AREA = 0.003  #: of a frame; less of a peer's mask is nobody, as it is in our own rules
GROUPS = ("people", "webcam", "video", "things", "mixed")
VIDEOS = ("breakdance-flare", "tennis", "scooter-gray", "car-turn", "mallard-fly")


def held(data: Path, scenes: Path | None) -> list[LabelledImage]:
    """All that is scored: images of the held-back part that may be shown whole, and empty places."""
    found = open_data_folder(data)
    images = held_back(subject_images(found.images, (), found.mattes))[1]
    used = [image for image in images if not image.paste_only]
    for video in found.dev_videos:
        used += [
            LabelledImage(f"{video.name}/{frame.name.rpartition('/')[2]}", frame.load)
            for frame in video.frames[::DEV_STEP]
        ]
    if scenes:
        used += static_images(index_files(scenes), ReadingReport())
    return used + held_back(found.backgrounds)[1]


def group_of(score: SubjectScore) -> str:
    """Which of ``GROUPS`` an image counts in; one of an empty place in none."""
    name = set_of(score.image)
    if score.iou is None:
        return "places"
    for group, sets in (("people", PEOPLE), ("webcam", (SCENES_SET,)), ("video", VIDEOS), ("mixed", MIXED)):
        if name in sets:
            return group
    return "things"


def make_scenes(args: argparse.Namespace) -> None:
    """Write people over places, both held back, as pictures with masks beside them."""
    import torch

    from maskstream.clips.packing import pack_images
    from maskstream.clips.scene_config import SceneConfig
    from maskstream.clips.scenes import SceneSampler

    found = open_data_folder(args.data)
    images = held_back(subject_images(found.images, (), found.mattes))[1]
    people = [image for image in images if set_of(image.name) in PEOPLE]
    places = held_back(found.backgrounds)[1]
    config = SceneConfig(places=(0, 1, 0, 0), on_stills=0.0, beside=0.0)
    sampler = SceneSampler(
        pack_images(people, 384),
        pack_images(places, 384, keep_empty=True),
        config,
        torch.Generator().manual_seed(0),
    )
    folder = args.output / SCENES_SET
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(SCENES):
        scene = sampler.sample(1, SCENE_SIZE)
        frame = (255 * scene.frames[0]).byte().permute(1, 2, 0).numpy()
        Image.fromarray(frame).save(folder / f"{index:05d}.webp", quality=90)
        Image.fromarray(scene.labels[0].numpy()).save(folder / f"{index:05d}.png")


def ours(model: Path | None, threads: int, least_score: float | None) -> Callable[[Any], Any]:
    """Our finder."""
    from maskstream.first_mask.subject import RULES, SubjectFinder

    rules = RULES if least_score is None else replace(RULES, least_score=least_score)
    return SubjectFinder(model, threads=threads, rules=rules)


def masks_in(folder: Path, names: Iterator[str]) -> Find:
    """A peer's masks, in the order in which the images come."""

    def find(frame: Any) -> Any:
        path = folder / f"{next(names)}.png"
        if not path.is_file():
            raise SystemExit(f"{path}: no mask of the peer; run `subject.py peer` again")
        mask = (np.asarray(Image.open(path)) > 127).astype(np.uint8)
        return mask if mask.mean() >= LEAST_AREA else None

    return find


def write_peer(args: argparse.Namespace) -> None:
    """Masks of MediaPipe's selfie segmentation of all images that are scored."""
    try:
        import mediapipe
    except ImportError:
        raise SystemExit("mediapipe is not installed here; nothing to compare with") from None
    finder = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=args.model_selection)
    seconds = []
    for image in held(args.data, args.scenes):
        frame = np.ascontiguousarray(image.load()[0])
        started = time.perf_counter()
        mask = finder.process(frame).segmentation_mask
        seconds.append(time.perf_counter() - started)
        path = args.output / f"{image.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(((mask > 0.5) * 255).astype(np.uint8)).save(path)
    taken = 1000 * median(seconds)
    print(f"mediapipe {mediapipe.__version__}: {taken:.1f} ms an image (median, threads as it likes)")


def table(all_scores: dict[str, list[SubjectScore]]) -> str:
    """Rows of sets and of groups, columns of finders."""
    from maskstream.tables import aligned_table

    first = next(iter(all_scores.values()))
    rows = []
    sets = sorted({set_of(score.image) for score in first if score.iou is not None})
    parts: list[tuple[str, Callable[[SubjectScore], bool]]] = [
        (name, lambda score, name=name: set_of(score.image) == name) for name in sets
    ]
    for group in GROUPS:
        parts.append((f"**{group}**", lambda score, group=group: group_of(score) == group))
    parts.append(("**all**", lambda score: score.iou is not None))
    for name, belongs in parts:
        chosen = {finder: [s for s in scores if belongs(s)] for finder, scores in all_scores.items()}
        count = len(next(iter(chosen.values())))
        if count:
            row = [name, str(count)]
            for scores in chosen.values():
                row += [f"{mean_iou(scores):.3f}", f"{good_share(scores):.2f}"]
            rows.append(row)
    head = ["set", "images", *(f"{f} {what}" for f in all_scores for what in ("IoU", "> 0.8"))]
    empty = {finder: [s for s in scores if s.iou is None] for finder, scores in all_scores.items()}
    alarms = ", ".join(f"{finder} {alarm_share(scores):.2f}" for finder, scores in empty.items())
    count = len(next(iter(empty.values())))
    return f"{aligned_table(head, rows)}\n\nFalse alarms in {count} empty places: {alarms}"


def sheet(images: list[LabelledImage], finder: Any, path: Path, every: int) -> None:
    """What is found in some images, as one picture."""
    from maskstream.masks.draw import contact_sheet, overlay

    pictures = []
    for image in images[::every]:
        frame = np.ascontiguousarray(image.load()[0])
        subject = finder(frame)
        shown = frame if subject is None else overlay(frame, subject.mask)
        canvas = Image.new("RGB", (200, 150))
        picture = Image.fromarray(shown)
        picture.thumbnail((200, 150))
        canvas.paste(picture, (0, 0))
        pictures.append(np.asarray(canvas))
    Image.fromarray(contact_sheet(pictures, columns=8)).save(path)


def score(args: argparse.Namespace) -> dict[str, list[SubjectScore]]:
    """Score our network, and peers from folders, and print their table."""
    images = held(args.data, args.scenes)
    finder = ours(args.model, args.threads, args.least_score)

    def find(frame: Any) -> Any:
        subject = finder(frame)
        return None if subject is None else subject.mask

    scores = {"ours": score_subjects(find, images)}
    for peer in args.peer:
        name, _, folder = peer.partition("=")
        if not Path(folder).is_dir():
            print(f"{name}: no masks in {folder or 'no folder'}; left out")
            continue
        names = iter([image.name for image in images])
        scores[name] = score_subjects(masks_in(Path(folder), names), images)
    print(table(scores))
    if args.sheet:
        sheet(images, finder, args.sheet, args.every)
    return scores


def ship(args: argparse.Namespace) -> None:
    """Export weights into the package, with what was measured of them."""
    import torch

    from maskstream.first_mask.subject import time_of_a_subject
    from maskstream.network import checkpoints
    from maskstream.runtime.cards import SUBJECT_TASK, Notes, Score, Speed
    from maskstream.runtime.export import export
    from maskstream.runtime.load import WEIGHTS
    from maskstream.runtime.speed import machine

    with tempfile.TemporaryDirectory() as temporary:
        args.model = Path(temporary) / "subject"
        export(args.weights, args.model, size=args.size)
        scores = score(args)["ours"]
        command = 'python benchmarks/subject.py score --data "$MASKSTREAM_DATA"'
        figures = []
        for group, what in (
            ("people", "photographs of people, held out of training"),
            ("things", "photographs of animals and vehicles, held out of training"),
        ):
            part = [s for s in scores if group_of(s) == group]
            figures.append(Score(f"{len(part)} {what}", "IoU", round(mean_iou(part), 3), command))
        taken, what = time_of_a_subject(args.model, args.threads)
        speed = Speed(round(taken, 1), what, args.threads, machine(), "maskstream models --benchmark")
        notes = replace(Notes(), task=SUBJECT_TASK, scores=tuple(figures), speed=speed)
        folder = WEIGHTS / "subject"
        export(args.weights, folder, size=args.size, notes=notes)
    network = checkpoints.load_subject(args.weights)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.half()
    checkpoints.save(network, folder / "subject.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    doing = {"scenes": make_scenes, "score": score, "peer": write_peer, "ship": ship}
    for name, function in doing.items():
        part = parts.add_parser(name)
        part.set_defaults(function=function)
        if name == "ship":
            part.add_argument("weights", type=Path)
            part.add_argument("--size", type=int, help="default short side of the network's input")
        part.add_argument("--data", type=Path, required=True)
        if name in ("scenes", "peer"):
            part.add_argument("-o", "--output", type=Path, required=True)
        if name != "scenes":
            part.add_argument("--scenes", type=Path, help="what `scenes` made")
        if name in ("score", "ship"):
            part.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER")
            part.add_argument("--threads", type=int, default=1)
            part.add_argument("--least-score", type=float, help="of a subject; that of our rules")
            part.add_argument("--sheet", type=Path, help="picture of what is found")
            part.add_argument("--every", type=int, default=8, help="every how many images are on it")
        if name == "score":
            part.add_argument("--model", type=Path, help="folder of an exported network; the shipped one")
        if name == "peer":
            part.add_argument("--model-selection", type=int, default=0, help="0: general, 1: landscape")
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
