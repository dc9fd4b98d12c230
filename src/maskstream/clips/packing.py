"""Decodes a data set once into uint8 tensors, and keeps them in a file so that a restart takes seconds."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from maskstream.arrays import Bytes
from maskstream.clips.tensors import ImageSet, VideoSet
from maskstream.datasets.folders import MIN_FRAMES
from maskstream.datasets.readers import VOID, LabelledImage, LabelledVideo, Load, ReadingReport
from maskstream.errors import InputError
from maskstream.files import written_beside

logger = logging.getLogger(__name__)

FORMAT = 2  #: raised whenever the same files would pack into other tensors
PROGRESS_SECONDS = 10.0


def pack_images(
    images: Iterable[LabelledImage],
    size: int = 288,
    *,
    cache: Path | None = None,
    report: ReadingReport | None = None,
    keep_empty: bool = False,
    workers: int | None = None,
) -> ImageSet:
    """Packs still images into one square set.

    Args:
        images: from any of the readers.
        size: side of the square in pixels.
        cache: file to load the set from if it holds exactly this one, and to save it in otherwise.
        report: learns of broken images and of images without an object; a new one if None.
        keep_empty: keep images without an object, for backgrounds.
        workers: decoding threads; None is one for each core.

    Raises:
        InputError: nothing is left.
    """
    items, report = list(images), report or ReadingReport()
    identity = ["images", size, keep_empty, *((i.name, i.paste_only, i.stamp) for i in items)]

    def build() -> dict[str, Any]:
        stack = _Stack(len(items), size, size)

        def decode(index: int) -> str | None:
            return stack.put(index, items[index].load, keep_empty=keep_empty)

        kept = _decode_all([i.name for i in items], decode, report, "images", workers)
        return {
            "images": _keep(stack.frames, kept),
            "labels": _keep(stack.labels, kept),
            "aspect": stack.aspect[kept],
            "paste_only": torch.tensor([items[i].paste_only for i in kept], dtype=torch.bool),
            "names": tuple(items[i].name for i in kept),
        }

    return ImageSet(**_cached(cache, identity, report, build))


def pack_videos(
    videos: Iterable[LabelledVideo],
    height: int = 288,
    width: int = 512,
    *,
    cache: Path | None = None,
    report: ReadingReport | None = None,
    workers: int | None = None,
) -> VideoSet:
    """Packs videos into one set; frames without an object stay, as objects leave and return.

    Args:
        videos: from any of the readers.
        height: of the packed frames, in pixels.
        width: of the packed frames, in pixels.
        cache: file to load the set from if it holds exactly this one, and to save it in otherwise.
        report: learns of broken frames, and of videos with fewer than three frames left; a new one if None.
        workers: decoding threads; None is one for each core.

    Raises:
        InputError: nothing is left.
    """
    clips, report = list(videos), report or ReadingReport()
    flat = [(v, frame) for v, clip in enumerate(clips) for frame in clip.frames]
    identity = [
        "videos",
        height,
        width,
        *((clip.name, clip.step, clip.weight, [(f.name, f.stamp) for f in clip.frames]) for clip in clips),
    ]

    def build() -> dict[str, Any]:
        stack = _Stack(len(flat), height, width)

        def decode(index: int) -> str | None:
            return stack.put(index, flat[index][1].load, keep_empty=True)

        intact = _decode_all([frame.name for _, frame in flat], decode, report, "frames", workers)
        members: list[list[int]] = [[] for _ in clips]
        for index in intact:
            members[flat[index][0]].append(index)
        used = []
        for v, clip in enumerate(clips):
            if len(members[v]) >= MIN_FRAMES:
                used.append(v)
            else:
                report.skip(clip.name, f"only {len(members[v])} frames can be used, {MIN_FRAMES} needed")
        if not used:
            raise InputError("no video with labels is left to train on; see the warnings above")
        kept = [index for v in used for index in members[v]]
        length = torch.tensor([len(members[v]) for v in used])
        return {
            "frames": _keep(stack.frames, kept),
            "labels": _keep(stack.labels, kept),
            "start": length.cumsum(0) - length,
            "length": length,
            "step": torch.tensor([clips[v].step for v in used]),
            "aspect": stack.aspect[[members[v][0] for v in used]],
            "names": tuple(clips[v].name for v in used),
            "weight": torch.tensor([clips[v].weight for v in used]),
        }

    return VideoSet(**_cached(cache, identity, report, build))


class _Stack:
    """Frames and labels at one size, filled by several threads, each at its own index."""

    def __init__(self, count: int, height: int, width: int) -> None:
        self.frames = torch.empty(count, 3, height, width, dtype=torch.uint8)
        self.labels = torch.empty(count, height, width, dtype=torch.uint8)
        self.aspect = torch.empty(count)

    def put(self, index: int, load: Load, *, keep_empty: bool) -> str | None:
        """Decodes and resizes one item; returns why it was left out, or None."""
        try:
            rgb, labels = load()
        except InputError as error:
            return str(error)
        size = (self.frames.shape[3], self.frames.shape[2])
        small = _resize(labels, size, Image.Resampling.NEAREST)
        if not keep_empty and not ((small > 0) & (small < VOID)).any():
            return f"no object in it at {size[0]}x{size[1]}"
        # Pillow's bilinear filter widens with the reduction, so nothing aliases.
        frame = _resize(rgb, size, Image.Resampling.BILINEAR)
        self.frames[index] = torch.from_numpy(frame).permute(2, 0, 1)
        self.labels[index] = torch.from_numpy(small)
        self.aspect[index] = rgb.shape[1] / rgb.shape[0]
        return None


def _resize(pixels: Bytes, size: tuple[int, int], how: Image.Resampling) -> Bytes:
    return np.array(Image.fromarray(pixels).resize(size, how))


def _decode_all(
    names: Sequence[str],
    decode: Callable[[int], str | None],
    report: ReadingReport,
    what: str,
    workers: int | None,
) -> list[int]:
    """Runs ``decode`` on every index; returns those that succeeded."""
    kept, said = [], time.monotonic()
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for index, problem in enumerate(pool.map(decode, range(len(names)))):
            if problem is None:
                kept.append(index)
            else:
                report.skip(names[index], problem.removeprefix(f"{names[index]}: "))
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                logger.info("packed %d of %d %s", index + 1, len(names), what)
    if not kept:
        raise InputError(f"none of {len(names)} {what} can be used; see the warnings above")
    return kept


def _keep(stack: Tensor, kept: list[int]) -> Tensor:
    return stack if len(kept) == len(stack) else stack[kept]


def _cached(
    cache: Path | None, identity: list[Any], report: ReadingReport, build: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The set that ``cache`` holds if it was packed from the same items, else a new one, saved there."""
    key = hashlib.sha256(repr([FORMAT, *identity]).encode()).hexdigest()
    if cache is not None and cache.exists():
        # Read, not mapped: where the page cache is reclaimed early, random reads of a mapped file starve
        # training.
        try:
            stored = torch.load(cache, weights_only=True)
            stored_key = stored["key"]
        except Exception as error:  # zip, pickle and torch each raise their own
            raise InputError(f"{cache} is no packed data set; delete it or name another file") from error
        if stored_key == key:
            for name, reason in stored["skipped"]:
                report.skip(name, reason)
            logger.info("loaded %s", cache)
            return dict(stored["set"])
        logger.info("%s was packed from other files or sizes: packing again", cache)
    before = report.skipped
    packed = build()
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        skipped = [tuple(problem) for problem in report.problems[before:]]
        with written_beside(cache) as part:
            torch.save({"key": key, "skipped": skipped, "set": packed}, part)
        logger.info("saved %s: %d bytes", cache, cache.stat().st_size)
    return packed
