"""DAVIS 2016 and 2017, from the folders of their zips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from maskstream.datasets.file_index import FileIndex, index_files
from maskstream.datasets.folders import folder_videos
from maskstream.datasets.readers import LabelledVideo, ReadingReport
from maskstream.errors import InputError


def davis_videos(
    root: Path, report: ReadingReport, *, year: int = 2017, subset: str = "train", resolution: str = "480p"
) -> Iterator[LabelledVideo]:
    """Sequences of a DAVIS list.

    The 2016 lists are sequence names in the zip of 2017 and pairs of paths in that of 2016; both are read.
    With 2016, all objects of a sequence are one, whichever zip the masks come from.

    Args:
        root: the ``DAVIS`` folder, or a tar of what is in it.
        report: learns of what is missing.
        year: 2016 or 2017.
        subset: ``train``, ``val``, ``trainval``, ``test-dev``, ...
        resolution: ``480p`` or ``Full-Resolution``; the 2016 zip calls the latter ``1080p``.

    Raises:
        InputError: there is no such list under ``root``.
    """
    files = index_files(root)
    return folder_videos(
        files,
        report,
        images=f"JPEGImages/{resolution}",
        masks=f"Annotations/{resolution}",
        step=1,
        sequences=davis_list(files, root, year, subset, resolution),
        one_object=year == 2016,
    )


def davis_list(
    files: FileIndex, root: Path, year: int, subset: str, resolution: str = "480p"
) -> tuple[str, ...]:
    """Names of the sequences of a DAVIS list, in its order.

    Args:
        files: of the data set, at least what is in ``ImageSets``.
        root: for the message.
        year: as for `davis_videos`, and so are the others.
        subset: name of the list.
        resolution: part of the path of the 2016 zip's lists.

    Raises:
        InputError: there is no such list.
    """
    names = [f"ImageSets/{year}/{subset}.txt"]
    if year == 2016:
        names.append(f"ImageSets/{resolution}/{subset}.txt")
    found = next((name for name in names if name in files), None)
    if found is None:
        raise InputError(
            f"{root} has no list {' or '.join(names)}; give the DAVIS folder and one of its lists"
        )
    lines = files[found].read().decode().split("\n")
    entries = (PurePosixPath(line.split()[0]) for line in lines if line.strip())
    return tuple(dict.fromkeys(entry.parent.name or entry.name for entry in entries))
