"""How long the three calls of a shipped network take, at its live size, by objects and memory frames.

    python benchmarks/live.py                 # 432 x 240, two threads
    python benchmarks/live.py --height 480 --width 854 --model path/to/exported

Medians over many calls. ``step`` is what a frame costs on average under the network's own memory policy:
encode + segment, and every k-th frame one memorize more. The last line is of whole steps on larger
frames, and of what is around the network there: shrinking the frame, and the label map at full size.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import cv2
import numpy as np

from maskstream.runtime.load import load_model
from maskstream.runtime.protocol import Runtime
from maskstream.runtime.speed import milliseconds, repeated
from maskstream.streaming.segmenter import VideoSegmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="live")
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=432)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()

    runtime = load_model(args.model, threads=args.threads)
    info, random = runtime.info, np.random.default_rng(0)
    frame = random.integers(0, 255, (args.height, args.width, 3), np.uint8)
    features = runtime.encode(frame)
    encode = milliseconds(lambda: runtime.encode(frame), args.repeats)
    print(f"{info.name}, {args.width}x{args.height}, {args.threads} threads: encode {encode:.1f} ms")
    print(f"{'objects':>8} {'memory':>7} {'segment':>8} {'memorize':>9} {'encode+segment':>15} {'step':>6}")
    for objects in (1, 2, 3, 5):
        masks = random.random((objects, args.height, args.width), np.float32)
        entry = runtime.memorize(frame, features, masks, masks)
        memorize = milliseconds(lambda m=masks: runtime.memorize(frame, features, m, m), args.repeats)
        for frames in (1, 4, 8):
            memory = repeated(entry, frames)
            segment = milliseconds(lambda m=memory, p=masks: runtime.segment(features, m, p), args.repeats)
            step = encode + segment + memorize / (1 if info.memory_previous else info.memory_every)
            times = f"{segment:>8.1f} {memorize:>9.1f} {encode + segment:>15.1f} {step:>6.1f}"
            print(f"{objects:>8} {frames:>7} {times}")
    print_around(runtime, args.repeats)


def print_around(runtime: Runtime, repeats: int, height: int = 720, width: int = 1280) -> None:
    """Print what whole steps with one object take on frames of this size, and what is not the network."""
    frame = np.random.default_rng(0).integers(0, 255, (height // 18, width // 18, 3), np.uint8)
    frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : -height // 4, width // 3 : -width // 3] = 1
    segmenter = VideoSegmenter(runtime)
    segmenter.step(frame, mask)
    networks, wholes = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        result = segmenter.step(frame)
        assert result.label_map.shape == frame.shape[:2]
        wholes.append(1000 * (time.perf_counter() - start))
        networks.append(1000 * sum(result.timing[:3]))
    network, whole = median(networks), median(wholes)
    print(
        f"{width}x{height}: step and label map {whole:.1f} ms, network {network:.1f} ms, "
        f"around it {(whole - network) / network:.2f} times as long"
    )


if __name__ == "__main__":
    main()
