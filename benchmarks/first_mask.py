"""First masks from boxes: IoU and time, beside plain GrabCut (``cv2.grabCut`` with the box).

    python benchmarks/first_mask.py --data "$MASKSTREAM_DATA"
    python benchmarks/first_mask.py --data "$MASKSTREAM_DATA" --each 20 --sheet boxes.png

Of each set of images whose background means something, some spread over the set, and the first frame of each
development sequence. The box is that of the largest object, each side moved by -3 to 8 % of the box's own
size outwards, as people draw. Plain GrabCut has five rounds on the frame at 320 pixels' width. ``--odd``
takes other images: those that the weights of ``first_mask/box.py`` were not chosen on.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from maskstream.arrays import Frame
from maskstream.datasets.collection import open_data_folder
from maskstream.first_mask.box import Box, clipped, from_box
from maskstream.judging.subject_scores import GOOD, subject_iou
from maskstream.masks.draw import contact_sheet, overlay

#: Sets in which one label is one whole object, or what stands out.
SETS = [
    "cars_side186",
    "cats81",
    "ccp",
    "coco_mini",
    "ecssd",
    "feral_cats",
    "grabcut18",
    "human198_resized",
    "human290",
    "msrc_animals63",
    "pennfudan",
    "pets100",
    "pets128",
    "voc07_seg44",
]
LEAST = 0.002  # of an image: smaller objects are left out
POOR = 0.5  # an IoU below it is no start


class Case(NamedTuple):
    """A box to find the object in."""

    name: str
    frame: Frame
    labels: Frame  # 1 = the object, 255 = void
    box: Box


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--each", type=int, default=8, help="images of each set (8)")
    parser.add_argument("--odd", action="store_true", help="other images")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="PNG of some results")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    ways: dict[str, Callable[[Frame, Box], Frame]] = {
        "from_box": from_box,
        "plain GrabCut": plain_grabcut,
        "the box": filled,
    }
    scores: dict[str, list[float]] = defaultdict(list)
    pictures, captions = [], []
    for case in cases(args.data, args.each, args.odd):
        for way, find in ways.items():
            found = find(case.frame, case.box)
            scores[way].append(subject_iou(found, case.labels))
            if way == "from_box" and args.sheet:
                pictures.append(_drawn(case, found))
                captions.append(f"{case.name[:20]} {scores[way][-1]:.2f}")
    print(f"{len(scores['from_box'])} boxes, {os.cpu_count()} processors, {args.threads} threads")
    print(f"{'':16}{'IoU':>8}{'> ' + str(GOOD):>8}{'< ' + str(POOR):>8}{'ms at 1080p, median, worst':>30}")
    for way, find in ways.items():
        iou = np.array(scores[way])
        times = milliseconds(find)
        print(
            f"{way:16}{iou.mean():8.3f}{np.mean(iou > GOOD):8.2f}{np.mean(iou < POOR):8.2f}"
            f"{np.median(times):20.0f}{max(times):10.0f}"
        )
    if args.sheet:
        step = max(1, len(pictures) // 40)
        sheet = contact_sheet(pictures[::step], 8, captions[::step])
        cv2.imwrite(str(args.sheet), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def cases(data: Path, each: int, odd: bool) -> Iterator[Case]:
    """The frames with their boxes; equal in each run."""
    folder = open_data_folder(data)
    sets = defaultdict(list)
    for image in folder.images:
        sets[image.name.split("/")[0]].append(image)
    chosen: list[Any] = []
    for name in SETS:
        images = sets[name]
        if images:
            spread = np.linspace(0, len(images) - 1, 2 * each + 2).astype(int)
            chosen += [images[i] for i in spread[int(odd) :: 2][:each]]
    chosen += [video.frames[0] for video in folder.dev_videos]
    draws = np.random.default_rng(int(odd))
    for item in chosen:
        frame, labels = item.load()
        areas = np.bincount(labels.ravel(), minlength=256)[1:255]
        if areas.max() < max(1, LEAST * labels.size):
            continue
        mask = labels == areas.argmax() + 1
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        left, top, right, bottom = draws.uniform(-0.03, 0.08, 4)
        x0, y0 = round(x - left * width), round(y - top * height)
        x1, y1 = round(x + width * (1 + right)), round(y + height * (1 + bottom))
        box = clipped((x0, y0, x1 - x0, y1 - y0), (mask.shape[0], mask.shape[1]))
        yield Case(item.name, frame, np.where(labels == 255, 255, mask).astype(np.uint8), box)


def plain_grabcut(frame: Frame, box: Box) -> Frame:
    """What the library has."""
    height, width = frame.shape[:2]
    scale = min(1.0, 320 / width)
    small: Any = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    hints = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    x, y, wide, high = (round(side * scale) for side in box)
    hints[y : y + max(1, high), x : x + max(1, wide)] = cv2.GC_PR_FGD
    if (hints == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)
        models: Any = (np.zeros((1, 65)), np.zeros((1, 65)))
        bgr = np.ascontiguousarray(small[..., ::-1])
        cv2.grabCut(bgr, hints, (0, 0, 1, 1), *models, 5, cv2.GC_INIT_WITH_MASK)
    found: Any = cv2.resize(hints & 1, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(found, np.uint8)


def filled(frame: Frame, box: Box) -> Frame:
    """All of the box."""
    mask = np.zeros(frame.shape[:2], np.uint8)
    x, y, width, height = box
    mask[y : y + height, x : x + width] = 1
    return mask


def milliseconds(find: Callable[[Frame, Box], Frame], runs: int = 9) -> list[float]:
    """What a drawn 1080p frame takes, in boxes of several sizes."""
    rows, columns = np.mgrid[:1080, :1920]
    noise = np.random.default_rng(0).normal(0, 15, (1080, 1920, 3))
    inside = ((columns - 960) / 300) ** 2 + ((rows - 540) / 420) ** 2 <= 1
    wall = np.where((columns // 90 % 2 == 0)[..., None], (60, 90, 160), (120, 110, 90))
    frame = (np.where(inside[..., None], (170, 90, 70), wall) + noise).clip(0, 255).astype(np.uint8)
    find(frame, (640, 100, 640, 880))
    times = []
    for run in range(runs):
        grown = 40 * (run % 3)
        start = time.perf_counter()
        find(frame, (640 - 4 * grown, 100 - grown, 640 + 8 * grown, 880 + 2 * grown))
        times.append(1000 * (time.perf_counter() - start))
    return times


def _drawn(case: Case, found: Frame) -> Frame:
    picture = overlay(case.frame, found)
    x, y, width, height = case.box
    line = max(2, round(max(picture.shape) / 150))
    cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), (255, 230, 0), line)
    side = max(picture.shape[:2])
    square = np.zeros((side, side, 3), np.uint8)
    square[: picture.shape[0], : picture.shape[1]] = picture
    return np.asarray(cv2.resize(square, (200, 200), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
