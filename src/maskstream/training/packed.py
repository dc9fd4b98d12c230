"""The data of a training, decoded once and held in memory."""

from __future__ import annotations

import logging
from pathlib import Path

from maskstream.clips.packing import pack_images, pack_videos
from maskstream.clips.tensors import ImageSet
from maskstream.datasets.readers import LabelledImage
from maskstream.datasets.sources import STILL_SIZE, VIDEO_SIZE, TrainingSources
from maskstream.errors import InputError
from maskstream.training.find import SubjectData
from maskstream.training.follow import TrainingData

logger = logging.getLogger(__name__)


def packed(sources: TrainingSources, cache: Path | None = None) -> TrainingData:
    """Decode everything that a network which follows objects is trained on, or load it from the cache.

    Args:
        sources: what was found.
        cache: folder for the packed sets; None: they are made again each time.
    """
    data = TrainingData(
        _stills(sources, "images", sources.images, cache) if sources.images else None,
        pack_videos(sources.videos, *VIDEO_SIZE, cache=_file(cache, "videos"), report=sources.report)
        if sources.videos
        else None,
        _stills(sources, "backgrounds", sources.backgrounds, cache) if sources.backgrounds else None,
    )
    _warn_of_skipped(sources)
    return data


def packed_subjects(sources: TrainingSources, cache: Path | None = None) -> SubjectData:
    """Decode the part of it that a network that finds the subject is trained on, or load it.

    Args:
        sources: what was found.
        cache: as for `packed`.

    Raises:
        InputError: there is no image to train on.
    """
    parts, _ = sources.subject_parts()
    if not parts.images:
        raise InputError("no stills to find a subject in; give `data` or `static` with images and masks")
    data = SubjectData(
        _stills(sources, "subjects", parts.images, cache),
        _stills(sources, "places", parts.empty, cache) if parts.empty else None,
    )
    _warn_of_skipped(sources)
    return data


def _stills(sources: TrainingSources, name: str, images: list[LabelledImage], cache: Path | None) -> ImageSet:
    empty = name in ("backgrounds", "places")
    return pack_images(images, STILL_SIZE, cache=_file(cache, name), report=sources.report, keep_empty=empty)


def _file(cache: Path | None, name: str) -> Path | None:
    return cache / f"{name}.pt" if cache else None


def _warn_of_skipped(sources: TrainingSources) -> None:
    if sources.report.skipped:
        logger.warning("left out, each named above: %d", sources.report.skipped)
