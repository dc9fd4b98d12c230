"""What the commands that train share: the data options, and JSON files of fields."""

from __future__ import annotations

import argparse
import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maskstream.errors import InputError

if TYPE_CHECKING:
    from maskstream.clips.tensors import ImageSet
    from maskstream.datasets.readers import LabelledImage, LabelledVideo, Report
    from maskstream.training.loop import SubjectData, TrainingData

logger = logging.getLogger(__name__)

STILL_SIZE, VIDEO_SIZE = 256, (320, 560)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name data."""
    data = parser.add_argument_group("data (each may be given several times)")
    for name, what in (
        ("--data", "of video-train*, video-dev*, static*, backgrounds*, matte* tars or folders"),
        ("--davis", "DAVIS 2017, its root"),
        ("--youtube-vos", "YouTube-VOS, its root"),
        ("--videos", "of JPEGImages/<sequence> and Annotations/<sequence>"),
        ("--static", "of images with masks beside them"),
    ):
        data.add_argument(name, action="append", type=Path, default=[], metavar="FOLDER", help=what)
    data.add_argument(
        "--coco",
        nargs=2,
        action="append",
        type=Path,
        default=[],
        metavar=("IMAGES", "JSON"),
        help="COCO images and their instances file",
    )
    data.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="to keep packed data in, for quick restarts"
    )


@dataclass(frozen=True)
class TrainingSources:
    """What the data options name; nothing is decoded yet.

    Attributes:
        images: stills with objects.
        videos: to train on.
        backgrounds: photographs without objects.
        development: sequences to judge by.
        mattes: people, labelled from their soft mattes; for the subject network.
        report: what was left out.
        cache: folder for the packed sets, or None.
    """

    report: Report
    cache: Path | None
    images: list[LabelledImage] = field(default_factory=list)
    videos: list[LabelledVideo] = field(default_factory=list)
    backgrounds: list[LabelledImage] = field(default_factory=list)
    development: list[LabelledVideo] = field(default_factory=list)
    mattes: list[LabelledImage] = field(default_factory=list)

    def fingerprint(self) -> str:
        """Differs when other files, or files of other sizes, would be trained on."""
        stills = [[(i.name, i.paste_only, i.stamp) for i in part] for part in (self.images, self.backgrounds)]
        videos = [(v.name, v.step, v.weight, [(f.name, f.stamp) for f in v.frames]) for v in self.videos]
        described = repr([STILL_SIZE, VIDEO_SIZE, stills, videos])
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    def packed(self) -> TrainingData:
        """Decode everything, or load it from the cache."""
        from maskstream.clips.packing import pack_videos
        from maskstream.training.loop import TrainingData

        packed = TrainingData(
            self._stills("images", self.images) if self.images else None,
            pack_videos(self.videos, *VIDEO_SIZE, cache=self._cache("videos"), report=self.report)
            if self.videos
            else None,
            self._stills("backgrounds", self.backgrounds) if self.backgrounds else None,
        )
        self._warn_of_skipped()
        return packed

    def subject_parts(self) -> tuple[SubjectParts, SubjectParts]:
        """What a network that finds the subject is trained on, and what is held back to judge it by."""
        from maskstream.datasets.subject_sets import held_back, subject_images

        stills = held_back(subject_images(self.images, self.videos, self.mattes))
        empty = held_back(self.backgrounds)
        return SubjectParts(stills[0], empty[0]), SubjectParts(stills[1], empty[1])

    def packed_subjects(self) -> SubjectData:
        """Decode the part of it that a network that finds the subject is trained on, or load it.

        Raises:
            InputError: there is no image to train on.
        """
        from maskstream.training.loop import SubjectData

        parts, _ = self.subject_parts()
        if not parts.images:
            raise InputError("no stills to find a subject in; give --data or --static with images and masks")
        packed = SubjectData(
            self._stills("subjects", parts.images),
            self._stills("places", parts.empty) if parts.empty else None,
        )
        self._warn_of_skipped()
        return packed

    def _stills(self, name: str, images: list[LabelledImage]) -> ImageSet:
        from maskstream.clips.packing import pack_images

        empty = name in ("backgrounds", "places")
        return pack_images(images, STILL_SIZE, cache=self._cache(name), report=self.report, keep_empty=empty)

    def _cache(self, name: str) -> Path | None:
        return self.cache / f"{name}.pt" if self.cache else None

    def _warn_of_skipped(self) -> None:
        if self.report.skipped:
            logger.warning("left out, each named above: %d", self.report.skipped)


@dataclass(frozen=True)
class SubjectParts:
    """Images with a subject, and empty places."""

    images: list[LabelledImage]
    empty: list[LabelledImage]


def training_sources(args: argparse.Namespace) -> TrainingSources:
    """Find what the data options name.

    Raises:
        InputError: a folder cannot be read, or there is nothing to train on.
    """
    from maskstream.datasets.coco import coco_images
    from maskstream.datasets.collection import open_data_folder
    from maskstream.datasets.davis import davis_videos
    from maskstream.datasets.file_index import index_files
    from maskstream.datasets.folders import folder_videos, static_images
    from maskstream.datasets.readers import Report
    from maskstream.datasets.youtube_vos import youtube_vos_videos

    report = Report()
    sources = TrainingSources(report, args.cache)
    for folder in args.data:
        part = open_data_folder(folder)
        sources.images.extend(part.images)
        sources.videos.extend(part.train_videos)
        sources.backgrounds.extend(part.backgrounds)
        sources.development.extend(part.dev_videos)
        sources.mattes.extend(part.mattes)
        report.problems += part.report.problems
    for folder in args.davis:
        sources.videos.extend(davis_videos(folder, report))
    for folder in args.youtube_vos:
        sources.videos.extend(youtube_vos_videos(folder, report))
    for folder in args.videos:
        sources.videos.extend(folder_videos(index_files(folder), report))
    for folder in args.static:
        sources.images.extend(static_images(index_files(folder), report))
    for folder, instances in args.coco:
        sources.images.extend(coco_images(folder, instances, report))
    if not (sources.images or sources.videos):
        raise InputError(
            "no data to train on; give --data, --davis, --youtube-vos, --videos, --static or --coco"
        )
    return sources
