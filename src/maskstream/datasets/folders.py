"""Readers of the plain layouts: pairs side by side, ``JPEGImages`` with ``Annotations``, lone images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from maskstream.datasets.file_index import FileIndex
from maskstream.datasets.parts import parts_loader
from maskstream.datasets.readers import (
    LabelledFrame,
    LabelledImage,
    LabelledVideo,
    Load,
    Pair,
    ReadingReport,
    pair_loader,
    read_alpha,
    read_rgb,
)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MIN_FRAMES = 3  #: a training clip has three frames


def static_images(
    files: FileIndex,
    report: ReadingReport,
    *,
    paste_only: Collection[str] = (),
    exclude: Collection[str] = (),
    classes: Collection[str] = (),
) -> Iterator[LabelledImage]:
    """Images with a PNG mask of the same name beside them: ``<set>/x.jpg`` and ``<set>/x.png``.

    Args:
        files: of the data set.
        report: learns of images without a mask and masks without an image.
        paste_only: sets whose surroundings are meaningless.
        exclude: sets to leave out.
        classes: sets whose ids are classes: their connected parts become the objects.

    Yields:
        One item an image; its name is the set and the file's stem.
    """
    masks = {name for name in files if name.endswith(".png")}
    used = set()
    for name, file in files.items():
        path = PurePosixPath(name)
        if path.suffix.lower() not in IMAGE_SUFFIXES - {".png"} or path.parent.name in exclude:
            continue
        label = f"{path.parent.name}/{path.stem}"
        mask = str(path.with_suffix(".png"))
        if mask not in masks:
            report.skip(label, "no mask beside the image")
            continue
        used.add(mask)
        load = pair_loader(file, files[mask], label)
        stamp = f"{file.size} {files[mask].size}"
        if path.parent.name in classes:
            load, stamp = parts_loader(load), f"{stamp} parts"
        yield LabelledImage(label, load, paste_only=path.parent.name in paste_only, stamp=stamp)
    for mask in sorted(masks - used):
        path = PurePosixPath(mask)
        if path.parent.name not in exclude:
            report.skip(f"{path.parent.name}/{path.stem}", "no image beside the mask")


def matte_images(files: FileIndex, report: ReadingReport) -> Iterator[LabelledImage]:
    """Images with a soft matte beside them: ``x.webp`` and ``x-alpha.png``; see :func:`read_alpha`."""
    for name, file in files.items():
        path = PurePosixPath(name)
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.stem.endswith("-alpha"):
            continue
        label = f"{path.parent.name}/{path.stem}"
        matte = files.get(str(path.with_name(f"{path.stem}-alpha.png")))
        if matte is None:
            report.skip(label, "no -alpha.png beside the image")
            continue
        load = pair_loader(file, matte, label, read_mask=read_alpha)
        yield LabelledImage(label, load, stamp=f"{file.size} {matte.size}")


def background_images(files: FileIndex) -> Iterator[LabelledImage]:
    """All images of a folder, with empty label maps."""

    def loader(name: str) -> Load:
        def load() -> Pair:
            rgb = read_rgb(files[name], name)
            return rgb, np.zeros(rgb.shape[:2], np.uint8)

        return load

    for name, file in files.items():
        path = PurePosixPath(name)
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield LabelledImage(f"{path.parent.name}/{path.stem}", loader(name), stamp=str(file.size))


def folder_videos(
    files: FileIndex,
    report: ReadingReport,
    *,
    images: str = "JPEGImages",
    masks: str = "Annotations",
    step: int | None = None,
    sequences: Collection[str] | None = None,
    one_object: bool = False,
) -> Iterator[LabelledVideo]:
    """Sequences in ``JPEGImages/<sequence>/x.jpg`` with ``Annotations/<sequence>/x.png``, at any depth.

    Args:
        files: of the data set.
        report: learns of frames without a mask, and of sequences that are missing or have too few labels.
        images: the folder of the sequences' images.
        masks: the folder of the sequences' masks.
        step: source frames between labelled frames; None reads it off the frames' numbers.
        sequences: the ones wanted; None is all.
        one_object: all ids become 1.

    Yields:
        One video a sequence, with the frames that have a mask.
    """
    grouped: dict[tuple[str, str], list[str]] = {}
    for name in files:
        head, marker, tail = f"/{name}".partition(f"/{images}/")
        path = PurePosixPath(tail)
        if marker and path.suffix.lower() in IMAGE_SUFFIXES and len(path.parts) > 1:
            sequence = str(path.parent)
            if sequences is None or sequence in sequences:
                grouped.setdefault((head, sequence), []).append(path.name)
    for missing in sorted(set(sequences or ()) - {sequence for _, sequence in grouped}):
        report.skip(missing, "the list names it, but it has no images")
    for (head, sequence), frame_names in grouped.items():
        frames, unlabelled = [], []
        for frame_name in frame_names:
            stem = PurePosixPath(frame_name).stem
            image = files[f"{head}/{images}/{sequence}/{frame_name}".removeprefix("/")]
            mask = files.get(f"{head}/{masks}/{sequence}/{stem}.png".removeprefix("/"))
            label = f"{sequence}/{stem}"
            if mask is None:
                unlabelled.append(label)
                continue
            load = pair_loader(image, mask, label, one_object=one_object)
            stamp = f"{image.size} {mask.size} {one_object}"
            frames.append(LabelledFrame(label, load, stamp))
        if len(frames) < MIN_FRAMES:
            report.skip(
                sequence, f"{len(frames)} of {len(frame_names)} frames have masks, {MIN_FRAMES} needed"
            )
            continue
        for label in unlabelled:
            report.skip(label, "the frame has no mask")
        stems = [frame.name.rpartition("/")[2] for frame in frames]
        yield LabelledVideo(sequence, step or _label_step(stems), tuple(frames))


def _label_step(stems: list[str]) -> int:
    """The commonest distance between frame numbers; 1 if the names are no numbers."""
    if not all(stem.isdigit() for stem in stems):
        return 1
    gaps = Counter(int(after) - int(before) for before, after in pairwise(stems))
    return max(1, gaps.most_common(1)[0][0])
