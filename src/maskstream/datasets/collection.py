"""The project's own data folder: everything a training run needs, found by the names of its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from maskstream.datasets.file_index import FileIndex, index_files
from maskstream.datasets.folders import background_images, folder_videos, matte_images, static_images
from maskstream.datasets.readers import LabelledImage, LabelledVideo, ReadingReport
from maskstream.errors import InputError

Number = TypeVar("Number", int, float)

#: Sets to cut objects out of only: studio grey (viton), nothing outside the mask (people_cutouts), white and
#: painted checkerboards behind (objects_alexppppp, bananas31). Shown whole, they teach "not grey is object".
PASTE_ONLY = frozenset({"viton", "people_cutouts", "objects_alexppppp", "bananas31"})

#: Sets whose ids are classes or teams: several persons share one. Their connected parts are the objects.
CLASSES = frozenset({"sysu_scenes", "football"})

#: Source frames between labelled ones, by prefix, where the names are numbered on all the same: YouTube-VOS;
#: and pictures a second or a change of view apart, of which only neighbours belong together.
SPARSE_STEPS = {"ytvos-": 5, "desk-": 25, "panda-": 25}

#: How often sequences are drawn, by prefix: things from all sides often; classes in place of objects seldom,
#: and two places that many sequences show.
WEIGHTS = {"desk-": 2.0, "spbstu-": 2.0, "xiph-": 0.25, "cdnet-": 0.25}

#: Held out of ``video-train*`` to judge by, one in six, of each kind: people and animals in fast motion, thin
#: and small things, look-alikes, several objects, sparse labels.
DEVELOPMENT = frozenset(
    {
        "bms26-cars4",
        "bms26-marple7",
        "bms26-people2",
        "bmx-bumps",
        "cdnet-highway-000730",
        "dance-jump",
        "desk-3",
        "dog-agility",
        "kite-walk",
        "panda-panda-051",
        "panda-panda-153",
        "segtrack-girl",
        "soccerball",
        "xiph-chen-ice",
        "xmem2-caps",
        "ytvos-003234408d",
        "ytvos-f635e9568b_2",
    }
)


@dataclass(frozen=True)
class DataFolder:
    """What a data folder holds, decoded only when loaded.

    Attributes:
        images: still images with objects.
        train_videos: to train on.
        dev_videos: to judge by, those of ``video-dev*`` first; none of them is among ``train_videos``.
        backgrounds: places without objects, with empty label maps.
        mattes: people, labelled from their soft mattes.
        report: what was left out.
    """

    images: tuple[LabelledImage, ...]
    train_videos: tuple[LabelledVideo, ...]
    dev_videos: tuple[LabelledVideo, ...]
    backgrounds: tuple[LabelledImage, ...]
    mattes: tuple[LabelledImage, ...]
    report: ReadingReport = field(default_factory=ReadingReport)


def open_data_folder(root: Path, *, exclude: Collection[str] = ()) -> DataFolder:
    """Opens a folder of ``video-train*``, ``video-dev*``, ``static*``, ``backgrounds*`` and ``matte*``.

    Each part is a ``.tar`` or a folder. A sequence of ``video-train*`` that is in ``video-dev*`` too, or in
    ``DEVELOPMENT``, counts as development only.

    Args:
        root: the folder.
        exclude: static sets to leave out.

    Raises:
        InputError: ``root`` holds none of these, or a part cannot be read.
    """
    root, report = Path(root), ReadingReport()
    if not root.is_dir():
        raise InputError(f"no data folder at {root}")

    def files(pattern: str) -> FileIndex:
        merged: FileIndex = {}
        for part in sorted(root.glob(pattern)):
            if part.is_dir() or part.suffix == ".tar":
                for name, ref in index_files(part).items():
                    if name in merged:
                        report.skip(f"{part.name}:{name}", "an earlier part has a file of this name")
                    else:
                        merged[name] = ref
        return merged

    dev_files = files("video-dev*")
    dev = list(_with_steps(folder_videos(dev_files, report)))
    # By folder, not by video: a sequence that the reader refuses is held out all the same.
    held_out = {PurePosixPath(name).parent.name for name in dev_files}
    train = []
    for video in _with_steps(folder_videos(files("video-train*"), report)):
        if video.name in held_out:
            report.skip(video.name, "a development sequence among the training ones")
        elif video.name in DEVELOPMENT:
            dev.append(video)
        else:
            train.append(video)
    found = DataFolder(
        images=tuple(
            static_images(files("static*"), report, paste_only=PASTE_ONLY, exclude=exclude, classes=CLASSES)
        ),
        train_videos=tuple(train),
        dev_videos=tuple(dev),
        backgrounds=tuple(background_images(files("backgrounds*"))),
        mattes=tuple(matte_images(files("matte*"), report)),
        report=report,
    )
    if not (found.images or found.train_videos or found.dev_videos):
        raise InputError(f"{root} holds no static*, video-train* or video-dev* (a .tar or a folder each)")
    return found


def _with_steps(videos: Iterator[LabelledVideo]) -> Iterator[LabelledVideo]:
    for video in videos:
        yield replace(
            video,
            step=_by_prefix(SPARSE_STEPS, video.name, video.step),
            weight=_by_prefix(WEIGHTS, video.name, video.weight),
        )


def _by_prefix(table: Mapping[str, Number], name: str, otherwise: Number) -> Number:
    return next((value for prefix, value in table.items() if name.startswith(prefix)), otherwise)
