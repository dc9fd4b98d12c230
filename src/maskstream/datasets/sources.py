"""Where the data for a training lies, and what is found there; nothing is decoded yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from maskstream.datasets.coco import coco_images
from maskstream.datasets.collection import open_data_folder
from maskstream.datasets.davis import davis_videos
from maskstream.datasets.file_index import index_files
from maskstream.datasets.folders import folder_videos, static_images
from maskstream.datasets.readers import LabelledImage, LabelledVideo, ReadingReport
from maskstream.datasets.subject_sets import held_back, subject_images
from maskstream.datasets.youtube_vos import youtube_vos_videos
from maskstream.errors import InputError

STILL_SIZE, VIDEO_SIZE = 256, (320, 560)  #: pixels that stills and frames are packed at


@dataclass(frozen=True)
class SubjectParts:
    """Images with a subject, and empty places."""

    images: list[LabelledImage]
    empty: list[LabelledImage]


@dataclass(frozen=True)
class TrainingSources:
    """What was found to train on.

    Attributes:
        report: what was left out.
        images: stills with objects.
        videos: to train on.
        backgrounds: photographs without objects.
        development: sequences to judge by.
        mattes: people, labelled from their soft mattes; for the subject network.
    """

    report: ReadingReport = field(default_factory=ReadingReport)
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

    def subject_parts(self) -> tuple[SubjectParts, SubjectParts]:
        """What a network that finds the subject is trained on, and what is held back to judge it by."""
        stills = held_back(subject_images(self.images, self.videos, self.mattes))
        empty = held_back(self.backgrounds)
        return SubjectParts(stills[0], empty[0]), SubjectParts(stills[1], empty[1])

    def development_named(self, names: Iterable[str] = ()) -> list[LabelledVideo]:
        """The development sequences of these names; all if there are none.

        Raises:
            InputError: there is no such sequence.
        """
        videos = {video.name: video for video in self.development}
        names = list(names)
        if unknown := next((name for name in names if name not in videos), None):
            raise InputError(
                f"`sequences`: no development sequence is called {unknown!r}; there are: {', '.join(videos)}"
            )
        return [video for name, video in videos.items() if not names or name in names]


@dataclass(frozen=True)
class DataFolders:
    """Where data for a training lies; several of each kind count together.

    Attributes:
        data: folders of ``video-train*``, ``video-dev*``, ``static*``, ``backgrounds*``, ``matte*`` tars or
            folders.
        davis: roots of DAVIS 2017.
        youtube_vos: roots of YouTube-VOS.
        videos: folders of ``JPEGImages/<sequence>`` and ``Annotations/<sequence>``.
        static: folders of images with masks beside them.
        coco: folders of COCO images, each with its instances file.
    """

    data: tuple[Path, ...] = ()
    davis: tuple[Path, ...] = ()
    youtube_vos: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    static: tuple[Path, ...] = ()
    coco: tuple[tuple[Path, Path], ...] = ()

    def open(self) -> TrainingSources:
        """Find what is there.

        Raises:
            InputError: a folder cannot be read, or there is nothing to train on.
        """
        sources = TrainingSources()
        report = sources.report
        for folder in self.data:
            _add_collection(sources, folder)
        for folder in self.davis:
            sources.videos.extend(davis_videos(folder, report))
        for folder in self.youtube_vos:
            sources.videos.extend(youtube_vos_videos(folder, report))
        for folder in self.videos:
            sources.videos.extend(folder_videos(index_files(folder), report))
        for folder in self.static:
            sources.images.extend(static_images(index_files(folder), report))
        for folder, instances in self.coco:
            sources.images.extend(coco_images(folder, instances, report))
        if not (sources.images or sources.videos):
            raise InputError(
                "no data to train on; give `data`, `davis`, `youtube_vos`, `videos`, `static` or `coco`"
            )
        return sources


def _add_collection(sources: TrainingSources, folder: Path) -> None:
    part = open_data_folder(folder)
    sources.images.extend(part.images)
    sources.videos.extend(part.train_videos)
    sources.backgrounds.extend(part.backgrounds)
    sources.development.extend(part.dev_videos)
    sources.mattes.extend(part.mattes)
    sources.report.problems += part.report.problems
