"""The project's own data folder: everything a training run needs, found by the names of its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from maskstream.data.files import FileIndex, index_files
from maskstream.data.folders import background_images, folder_videos, matte_images, static_images
from maskstream.data.readers import LabelledImage, LabelledVideo, Report
from maskstream.errors import InputError

#: Sets to cut objects out of only: studio grey (viton), nothing outside the mask (people_cutouts), white and
#: painted checkerboards behind (objects_alexppppp, bananas31). Shown whole, they teach "not grey is object".
PASTE_ONLY = frozenset({"viton", "people_cutouts", "objects_alexppppp", "bananas31"})

SPARSE_PREFIX = "ytvos-"  #: sequences labelled like YouTube-VOS, though their frames are numbered on
SPARSE_STEP = 5


@dataclass(frozen=True)
class DataFolder:
    """What a data folder holds, decoded only when loaded.

    Attributes:
        images: still images with objects.
        train_videos: to train on.
        dev_videos: to judge by; none of them is among ``train_videos``.
        backgrounds: places without objects, with empty label maps.
        mattes: people, labelled from their soft mattes.
        report: what was left out.
    """

    images: tuple[LabelledImage, ...]
    train_videos: tuple[LabelledVideo, ...]
    dev_videos: tuple[LabelledVideo, ...]
    backgrounds: tuple[LabelledImage, ...]
    mattes: tuple[LabelledImage, ...]
    report: Report = field(default_factory=Report)


def open_data_folder(root: Path, *, exclude: Collection[str] = ()) -> DataFolder:
    """Opens a folder of ``video-train*``, ``video-dev*``, ``static*``, ``backgrounds*`` and ``matte*``.

    Each part is a ``.tar`` or a folder. A sequence that is in both ``video-dev*`` and ``video-train*`` counts
    as development only.

    Args:
        root: the folder.
        exclude: static sets to leave out.

    Raises:
        InputError: ``root`` holds none of these, or a part cannot be read.
    """
    root, report = Path(root), Report()
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
    dev = tuple(_with_steps(folder_videos(dev_files, report)))
    # By folder, not by video: a sequence that the reader refuses is held out all the same.
    held_out = {PurePosixPath(name).parent.name for name in dev_files}
    train = []
    for video in _with_steps(folder_videos(files("video-train*"), report)):
        if video.name in held_out:
            report.skip(video.name, "a development sequence among the training ones")
        else:
            train.append(video)
    found = DataFolder(
        images=tuple(static_images(files("static*"), report, paste_only=PASTE_ONLY, exclude=exclude)),
        train_videos=tuple(train),
        dev_videos=dev,
        backgrounds=tuple(background_images(files("backgrounds*"))),
        mattes=tuple(matte_images(files("matte*"), report)),
        report=report,
    )
    if not (found.images or found.train_videos or found.dev_videos):
        raise InputError(f"{root} holds no static*, video-train* or video-dev* (a .tar or a folder each)")
    return found


def _with_steps(videos: Iterator[LabelledVideo]) -> Iterator[LabelledVideo]:
    for video in videos:
        yield replace(video, step=SPARSE_STEP) if video.name.startswith(SPARSE_PREFIX) else video
