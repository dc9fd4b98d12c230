"""Time and memory of the ``stm`` network beside the published code's way of computing it.

    python benchmarks/stm.py                 # 1, 3, 10 objects; 5, 20, 50 memory frames; 854 x 480
    python benchmarks/stm.py --quick         # 1 and 3 objects, 5 memory frames, 432 x 240
    python benchmarks/stm.py --only 4k       # ten objects in 3840 x 2160, ours alone: minutes

A frame is what a stream pays for one: the previous frame is memorized and joins the memory, this one is
encoded, segmented and aggregated. Time is the processor's, of one thread, the least of two frames: another
program beside it doesn't count. Memory is the peak of a process of its own, Python and torch included. The
reference is ``stm_reference.py``; both have the same made-up weights and memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskstream.network import checkpoints
from maskstream.network.model import SegmentationNetwork
from maskstream.network.presets import preset
from maskstream.runtime.pytorch import TorchRuntime
from maskstream.streaming.memory import MemoryBank, MemoryPolicy
from maskstream.streaming.objects import sum_of_others
from maskstream.streaming.segmenter import VideoSegmenter
from stm_reference import SLOTS, joined, made_up

KINDS = ("reference", "ours", "half")
TIMED = 2
GB = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--frames", type=int, nargs="+", default=[5, 20, 50], help="in memory")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("table", "4k"))
    parser.add_argument("--case", nargs=4, metavar=("KIND", "OBJECTS", "FRAMES", "FILE"), help="used inside")
    args = parser.parse_args()
    if args.quick:
        args.objects, args.frames, args.height, args.width = [1, 3], [5], 240, 432
    height, width = (-(-side // 16) * 16 for side in (args.height, args.width))
    if args.case:
        kind, objects, frames, file = args.case
        run_case(kind, int(objects), int(frames), height, width, Path(file))
        return
    if args.only != "4k":
        print_table(args.objects, args.frames, height, width)
    if args.only == "4k" or not (args.only or args.quick):
        row = measured("4k", 10, 6, 2160, 3840, "none")
        print(f"\n3840x2160, 10 objects, half-precision memory for 6 frames: {described(row)}")


def print_table(objects: list[int], frames: list[int], height: int, width: int) -> None:
    """Run every case and print its line as soon as it is known."""
    print(f"{width}x{height}; seconds a frame and peak memory of reference, ours, and ours with half memory")
    print(
        "| objects | memory frames | reference | ours | faster | memory | largest difference "
        "| half memory | its memory | its difference |"
    )
    print("|---" * 10 + "|")
    for count in objects:
        for length in frames:
            print(table_line(count, length, height, width), flush=True)


def table_line(objects: int, frames: int, height: int, width: int) -> str:
    """One case, all kinds."""
    need, free = reference_bytes(objects, frames, height, width), free_bytes()
    rows, maps = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            if kind == "reference" and need > 0.9 * free:
                continue
            file = Path(folder) / f"{kind}.npy"
            rows[kind] = measured(kind, objects, frames, height, width, str(file))
            maps[kind] = np.load(file)
    ours, half = rows["ours"], rows["half"]
    change = np.abs(maps["half"] - maps["ours"]).max()
    if (reference := rows.get("reference")) is None:
        why = f"not run: needs some {need / GB:.0f} GB, and {free / GB:.0f} GB are free"
        cells = [why, described(ours), "-", "-", "-"]
    else:
        cells = [
            described(reference),
            described(ours),
            f"{reference['seconds'] / ours['seconds']:.2f} x",
            f"1/{reference['bytes'] / ours['bytes']:.1f}",
            f"{np.abs(maps['reference'] - maps['ours']).max():.1e}",
        ]
    against = f"1/{reference['bytes'] / half['bytes']:.1f}" if reference else "-"
    cells += [described(half), against, f"{change:.1e}"]
    return "| " + " | ".join([str(objects), str(frames), *cells]) + " |"


def described(row: dict[str, float]) -> str:
    return f"{row['seconds']:.2f} s, {row['bytes'] / GB:.2f} GB"


def measured(kind: str, objects: int, frames: int, height: int, width: int, file: str) -> dict[str, float]:
    """A case in a process of its own."""
    numbers = [str(number) for number in (objects, frames)]
    size = ["--height", str(height), "--width", str(width)]
    command = [sys.executable, __file__, *size, "--case", kind, *numbers, file]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def reference_bytes(objects: int, frames: int, height: int, width: int) -> int:
    """About what the reference needs: two memories, and two affinities or else features of all objects."""
    cells = height * width // 256
    memory = SLOTS * 640 * cells * (2 * frames - 1)
    affinity, features = 2 * objects * frames * cells**2, objects * 5 * 16 * height * width
    return 4 * (memory + max(affinity, features)) + 600 * 10**6


def free_bytes() -> int:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return 1024 * int(lines["MemAvailable"].split()[0])


def run_case(kind: str, objects: int, frames: int, height: int, width: int, file: Path) -> None:
    """Measure one kind in this process; print its figures, and write its probabilities."""
    torch.set_num_threads(1)
    reference = made_up()
    if kind == "reference":
        seconds, probabilities = time_reference(reference, objects, frames, height, width)
    else:
        network = SegmentationNetwork(preset("stm"))
        network.load_state_dict(checkpoints.convert_stm(reference.state_dict()))
        del reference
        runtime = TorchRuntime(network, device="cpu", half_memory=kind != "ours")
        if kind == "4k":
            seconds = time_large(runtime, objects, frames, height, width)
        else:
            seconds, probabilities = time_ours(runtime, objects, frames, height, width)
    if kind != "4k":
        np.save(file, probabilities)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "bytes": peak}))


@torch.inference_mode()
def time_reference(
    network: Any, objects: int, frames: int, height: int, width: int
) -> tuple[float, np.ndarray]:
    def image(index: int) -> torch.Tensor:
        return torch.from_numpy(picture(index, height, width).transpose(2, 0, 1)[None] / np.float32(255))

    masks = torch.zeros(1, SLOTS, height, width)
    masks[0, 1 : objects + 1] = torch.from_numpy(shapes(objects, height, width))
    masks[0, 0] = 1 - masks[0, 1:].sum(0)
    entry = network.memorize(image(0), masks, objects)
    memory = tuple(x.repeat(1, 1, 1, frames - 1, 1, 1) for x in entry)
    seconds = []
    for index in range(1, TIMED + 1):
        start = time.process_time()
        read = joined(memory, network.memorize(image(index), masks, objects))
        result = torch.softmax(network.segment(image(index + 1), read, objects), 1)
        seconds.append(time.process_time() - start)
        del read
    return min(seconds), result[0, 1 : objects + 1].numpy()


def time_ours(runtime: Any, objects: int, frames: int, height: int, width: int) -> tuple[float, np.ndarray]:
    masks = shapes(objects, height, width)
    others = sum_of_others(masks)
    bank = MemoryBank(MemoryPolicy(every=1, max_frames=frames - 1), False, runtime.empty)

    def memorized(index: int) -> Any:
        frame = picture(index, height, width)
        return runtime.memorize(frame, runtime.encode(frame), masks, others)

    entry = memorized(0)
    for index in range(frames - 1):
        bank.remember(index, entry, keep=True)
    del entry
    features, seconds = runtime.encode(picture(1, height, width)), []
    for index in range(1, TIMED + 1):
        frame = picture(index, height, width)
        start = time.process_time()
        bank.remember(frames + index, runtime.memorize(frame, features, masks, others), keep=False)
        features = runtime.encode(picture(index + 1, height, width))
        result = runtime.aggregate(runtime.segment(features, bank.read(), masks))
        seconds.append(time.process_time() - start)
    return min(seconds), result


def time_large(runtime: Any, objects: int, frames: int, height: int, width: int) -> float:
    """The second step of a stream, with storage for all memory frames filled from the first on."""
    make = runtime.empty
    runtime.empty = lambda shape: make(shape).zero_()
    policy = MemoryPolicy(every=5, max_frames=frames - 2)
    segmenter = VideoSegmenter(runtime, size="native", policy=policy)
    labels = (shapes(objects, height, width) * np.arange(1, objects + 1)[:, None, None]).sum(0)
    segmenter.step(picture(0, height, width), labels.astype(np.uint8))
    start = time.process_time()
    for index in (1, 2):
        start = time.process_time()
        segmenter.step(picture(index, height, width))
    return time.process_time() - start


def picture(index: int, height: int, width: int) -> np.ndarray:
    """A frame of coloured blocks that drift."""
    blocks = np.random.default_rng(0).integers(0, 255, (height // 16, width // 16, 3), np.uint8)
    return np.ascontiguousarray(np.roll(blocks.repeat(16, 0).repeat(16, 1), 5 * index, 1))


def shapes(objects: int, height: int, width: int) -> np.ndarray:
    """``(N, H, W)`` upright bars, one for each object."""
    masks = np.zeros((objects, height, width), np.float32)
    each = width // objects
    for i, mask in enumerate(masks):
        mask[height // 4 : -height // 4, i * each + each // 4 : (i + 1) * each - each // 4] = 1
    return masks


if __name__ == "__main__":
    main()
