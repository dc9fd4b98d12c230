"""How long the three calls of a shipped network take, at its live size, by objects and memory frames.

    python benchmarks/live.py                 # 432 x 240, two threads
    python benchmarks/live.py --height 480 --width 854 --model path/to/exported

Medians over many calls. ``step`` is what a frame costs on average under the network's own memory policy:
encode + segment, and every k-th frame one memorize more.
"""

from __future__ import annotations

import argparse

import numpy as np

from maskstream.runtime.load import load_model
from maskstream.runtime.speed import milliseconds, repeated


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


if __name__ == "__main__":
    main()
