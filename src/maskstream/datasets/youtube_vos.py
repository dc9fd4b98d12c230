"""YouTube-VOS (2018 and 2019), from the folders of its zips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from maskstream.datasets.file_index import index_files
from maskstream.datasets.folders import folder_videos
from maskstream.datasets.readers import LabelledVideo, ReadingReport
from maskstream.errors import InputError


def youtube_vos_videos(root: Path, report: ReadingReport, *, split: str = "train") -> Iterator[LabelledVideo]:
    """Videos that ``meta.json`` lists.

    Frames are numbered as in the source video and labelled every fifth, so the step is read off their names.

    Args:
        root: the folder that holds ``train``, ``valid``, ..., or a tar of what is in it.
        report: learns of what is missing.
        split: ``train``; of the others only first masks are public, which is too few labels for a clip.

    Raises:
        InputError: ``meta.json`` is missing or of another shape.
    """
    inside = {
        name.removeprefix(f"{split}/"): file
        for name, file in index_files(root).items()
        if name.startswith(f"{split}/")
    }
    if "meta.json" not in inside:
        raise InputError(
            f"{root} has no {split}/meta.json; give the folder that holds the YouTube-VOS splits"
        )
    try:
        videos = frozenset(json.loads(inside["meta.json"].read())["videos"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root}/{split}/meta.json is no list of videos ({error}); unpack it again"
        ) from error
    return folder_videos(inside, report, sequences=videos)
