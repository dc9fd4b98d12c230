"""Judge a network while it trains, on what it is not trained on: scores and a contact sheet."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maskstream.arrays import Frame
from maskstream.datasets.readers import LabelledImage, LabelledVideo
from maskstream.datasets.subject_sets import PEOPLE, set_of
from maskstream.files import written_beside
from maskstream.first_mask.subject import shown, subject_of
from maskstream.judging.development import (
    Segmented,
    evaluate_sequences,
    labelled_sequences,
    over_sequences,
    overall,
    score_table,
)
from maskstream.judging.subject_scores import alarm_share, mean_iou, score_subjects
from maskstream.masks.draw import contact_sheet, overlay
from maskstream.network.model import SegmentationNetwork
from maskstream.network.subject_network import SubjectNetwork
from maskstream.runtime.pytorch import TorchRuntime, subject_info
from maskstream.streaming.segmenter import VideoSegmenter

PICTURES = 6  #: of each sequence
PICTURE_HEIGHT = 160

SUBJECTS = 240  #: held-back images that a subject network is judged by while it trains
SUBJECT_PICTURES = 48
COLUMNS = 8

Judge = Callable[[SegmentationNetwork, Path, int], dict[str, float]]
SubjectJudge = Callable[[SubjectNetwork, Path, int], dict[str, float]]


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
        spread = over_sequences(result.predicted for result in results)
        return {
            "development/J": j,
            "development/F": f,
            "development/J&F": both,
            "development/mean": spread.mean,
            "development/worst fifth": spread.worst_fifth,
        }

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


def judge_subjects(
    images: Sequence[LabelledImage], empty: Sequence[LabelledImage], device: str = "cpu"
) -> SubjectJudge:
    """What ``SubjectTrainer`` calls at each checkpoint: IoU over images, over those of people, false alarms.

    It writes ``subjects-<step>.jpg``, what was found in some of the images.

    Args:
        images: held back, with a subject; evenly spaced ones are used, none of those that are cut-outs only.
        empty: places where nobody is.
        device: where the network is run.
    """
    whole = [image for image in images if not image.paste_only]
    used = [whole[i * len(whole) // SUBJECTS] for i in range(SUBJECTS)] if len(whole) > SUBJECTS else whole

    def judge(network: SubjectNetwork, folder: Path, step: int) -> dict[str, float]:
        run, pictures = copy.deepcopy(network).to(device), list[Frame]()

        def find(frame: Frame) -> Frame | None:
            subject = subject_of(_probability(run, frame, device), frame.shape[:2])
            mask = None if subject is None else subject.mask
            picture = frame if mask is None else overlay(frame, mask)
            pictures.append(np.asarray(Image.fromarray(picture).resize((160, 120))))
            return mask

        scores = score_subjects(find, [*used, *empty])
        every = max(1, len(pictures) // SUBJECT_PICTURES)
        with written_beside(folder / f"subjects-{step:06d}.jpg") as part:
            sheet = contact_sheet(pictures[::every], columns=COLUMNS)
            Image.fromarray(sheet).save(part, "JPEG", quality=85)
        people = [score for score in scores if set_of(score.image) in PEOPLE]
        figures = {"all": mean_iou(scores), "people": mean_iou(people), "alarms": alarm_share(scores)}
        return {f"held back/{name}": value for name, value in figures.items() if value == value}

    return judge


@torch.inference_mode()
def _probability(network: SubjectNetwork, frame: Frame, device: str) -> Any:
    small = torch.from_numpy(shown(frame, subject_info(network.config))).to(device)
    return network(small.permute(2, 0, 1)[None].float() / 255)[0].sigmoid().cpu().numpy()
