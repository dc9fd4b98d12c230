"""Judge a network while it trains: scores and a contact sheet on development sequences."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskstream.data.readers import LabelledVideo
from maskstream.evaluation.development import (
    Frame,
    Segmented,
    evaluate_sequences,
    labelled_sequences,
    overall,
    score_table,
)
from maskstream.masks.draw import contact_sheet, overlay
from maskstream.masks.palette import written_beside
from maskstream.network.model import SegmentationNetwork
from maskstream.runtime.pytorch import TorchRuntime
from maskstream.streaming.segmenter import VideoSegmenter

PICTURES = 6  #: of each sequence
PICTURE_HEIGHT = 160

Judge = Callable[[SegmentationNetwork, Path, int], dict[str, float]]


def judge_on(videos: Sequence[LabelledVideo], device: str = "cpu") -> Judge:
    """What ``Trainer`` calls at each checkpoint.

    It writes ``development.md``, a table with both copy baselines, and ``development-<step>.jpg``, overlays
    of evenly spaced frames, one sequence a row.

    Args:
        videos: development sequences, none of which is trained on.
        device: where the network is run.
    """

    def judge(network: SegmentationNetwork, folder: Path, step: int) -> dict[str, float]:
        runtime = TorchRuntime(copy.deepcopy(network), device=device)
        pictures: list[Frame] = []
        lengths = iter([len(video.frames) for video in videos])

        def segmenter() -> _Watched:
            return _Watched(VideoSegmenter(runtime), next(lengths), pictures)

        results = list(evaluate_sequences(segmenter, labelled_sequences(videos)))
        table = score_table(results)
        (folder / "development.md").write_text(f"Step {step}\n\n{table}\n", encoding="utf-8")
        with written_beside(folder / f"development-{step:06d}.jpg") as part:
            Image.fromarray(contact_sheet(pictures, columns=PICTURES)).save(part, "JPEG", quality=85)
        j, f, both = overall(result.predicted for result in results)
        return {"development/J": j, "development/F": f, "development/J&F": both}

    return judge


class _Watched:
    """A segmenter that keeps small overlays of evenly spaced frames, of a sequence of so many."""

    def __init__(self, segmenter: VideoSegmenter, frames: int, pictures: list[Frame]) -> None:
        self._segmenter = segmenter
        self._pictures = pictures
        self._shown = Counter(round(i * (frames - 1) / (PICTURES - 1)) for i in range(PICTURES))
        self._index = 0

    def step(self, frame: Frame, masks: Any = None) -> Segmented:
        segmentation = self._segmenter.step(frame, masks)
        if times := self._shown[self._index]:
            picture = Image.fromarray(overlay(frame, segmentation.label_map))
            width = round(PICTURE_HEIGHT * 16 / 9)
            self._pictures += [np.asarray(picture.resize((width, PICTURE_HEIGHT)))] * times
        self._index += 1
        return segmentation
