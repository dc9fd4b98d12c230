"""How long scoring takes, against the arithmetic of the official DAVIS 2017 tool on the same masks.

    python benchmarks/score.py --truth DAVIS --results FOLDER

The reference here is our own plain code of that arithmetic as it is publicly described: whole sequences
one-hot in float64, each object's boundary widened over the full frame, one process. It isn't the official
program, whose imports and table writing are not in it. Both read the same files. The command's time has the
start of Python in it, the others have not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.arrays import Doubles
from maskstream.datasets.sequences import SequenceFiles, open_sequences
from maskstream.scoring.score_folder import score_folder


def reference(sequence: SequenceFiles, results: Path) -> tuple[Doubles, Doubles]:
    """J and F, ``(N, T - 2)`` each, the way the official tool works them out."""
    names = sorted(sequence.masks)
    truth = read([sequence.masks[name].path for name in names])
    truth[truth == 255] = 0
    objects = int(truth[0].max())
    true_masks = one_hot(truth, objects)[:, 1:-1]
    found = read([results / sequence.name / f"{name}.png" for name in names[1:-1]])
    masks = one_hot(found, objects)
    j, f = np.zeros((2, objects, len(names) - 2))
    for i in range(objects):
        j[i] = regions(true_masks[i], masks[i])
        f[i] = [boundaries(*pair) for pair in zip(true_masks[i], masks[i], strict=True)]
    return j, f


def read(paths: list[Path]) -> Doubles:
    """Label maps ``(T, H, W)`` in float64."""
    first = np.array(Image.open(paths[0]))
    maps = np.zeros((len(paths), *first.shape))
    for index, path in enumerate(paths):
        maps[index] = np.array(Image.open(path))
    return maps


def one_hot(maps: Doubles, objects: int) -> NDArray[np.bool_]:
    """``(N, T, H, W)`` by way of one large array of ids."""
    ids = np.ones((objects, *maps.shape)) * np.arange(1, objects + 1)[:, None, None, None]
    return ids == maps[None]


def regions(truth: NDArray[np.bool_], masks: NDArray[np.bool_]) -> Doubles:
    """J of each frame."""
    both = np.sum(truth & masks, axis=(1, 2))
    either = np.sum(truth | masks, axis=(1, 2))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def boundaries(truth: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """F of one frame."""
    radius = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    true_edge, edge = outline(truth), outline(mask)
    near_truth = cv2.dilate(true_edge.astype(np.uint8), disk) > 0
    near = cv2.dilate(edge.astype(np.uint8), disk) > 0
    count, true_count = np.sum(edge), np.sum(true_edge)
    if count == 0 or true_count == 0:
        return float(count == true_count)
    precision, recall = np.sum(edge & near_truth) / count, np.sum(true_edge & near) / true_count
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that differ from their right, lower or lower right neighbour, over the full frame."""
    right, below, corner = np.zeros((3, *mask.shape), bool)
    right[:, :-1] = mask[:, 1:]
    below[:-1] = mask[1:]
    corner[:-1, :-1] = mask[1:, 1:]
    edge = (mask ^ right) | (mask ^ below) | (mask ^ corner)
    edge[-1] = mask[-1] ^ right[-1]
    edge[:, -1] = mask[:, -1] ^ below[:, -1]
    edge[-1, -1] = False
    return edge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, required=True, help="DAVIS 2017")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--set", default="val")
    parser.add_argument("--workers", type=int, help="processes of ours (as the command chooses)")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    truth = open_sequences(args.truth, "davis2017", args.set)
    start = time.perf_counter()
    expected = {sequence.name: reference(sequence, args.results) for sequence in truth.sequences}
    plain = time.perf_counter() - start

    start = time.perf_counter()
    alone = score_folder(truth, args.results, 1)
    one = time.perf_counter() - start
    start = time.perf_counter()
    scores = score_folder(truth, args.results, args.workers)
    several = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        words = ["--truth", args.truth, "--results", args.results, "--set", args.set, "-o", folder, "-q"]
        words += ["--workers", args.workers] if args.workers else []
        command = [sys.executable, "-m", "maskstream.cli", "score", *map(str, words)]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        whole = time.perf_counter() - start

    difference = 0.0
    for score, other in zip(scores.objects, alone.objects, strict=True):
        j, f = (values[score.object_id - 1] for values in expected[score.sequence])
        for mine in (score, other):
            difference = max(difference, np.abs(mine.j - j).max(), np.abs(mine.f - f).max())
    processes = f"{args.workers} processes" if args.workers else "as many processes as it chooses"
    frames = sum(len(sequence.masks) for sequence in truth.sequences)
    print(f"{frames} frames, {len(scores.objects)} objects; largest difference of a figure: {difference:.1e}")
    print(f"{'':50} {'seconds':>8} {'ratio':>6}")
    for label, seconds in (
        ("plain reference, 1 process", plain),
        ("ours, 1 process", one),
        (f"ours, {processes}", several),
        (f"ours as a command, {processes}", whole),
    ):
        print(f"{label:50} {seconds:8.2f} {plain / seconds:5.1f}x")


if __name__ == "__main__":
    main()
