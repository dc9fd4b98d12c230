"""How many clips a second a network trains on, as what is dear on a CPU is left out, side by side in one run.

    python benchmarks/training_speed.py                 # live's network, two threads
    python benchmarks/training_speed.py --side 192 --frames 4 --threads 1

Each row adds to the one before. Clips are noise with two objects; making real ones takes a little longer.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import median

import torch

from maskstream.clips.samplers import Clips
from maskstream.network.model import SegmentationNetwork
from maskstream.network.presets import preset
from maskstream.training.config import TrainConfig
from maskstream.training.rollout import rollout

#: Name, whether trunk norms stay, bfloat16, stride up to which the trunk is frozen, depthwise filters too.
ROWS = (
    ("all trained, norms, single precision", True, False, 0, False),
    ("bfloat16", True, True, 0, False),
    ("norms folded into the trunk's convolutions", False, True, 0, False),
    ("depthwise filters frozen", False, True, 0, True),
    ("trunk frozen up to 1/4", False, True, 4, True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="live")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    clips = noise(args.batch, args.frames, args.side)
    print(f"{args.network}, {args.batch} clips of {args.frames} frames of {args.side}x{args.side}")
    first = 0.0
    for name, norms, bfloat16, stride, depthwise in ROWS:
        config = replace(preset(args.network), pretrained=False, trunk_norm=norms)
        network = SegmentationNetwork(config)
        network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        network.image_encoder.trunk.freeze(stride, depthwise)
        rate = args.batch / seconds(network, clips, args.steps, bfloat16)
        first = first or rate
        print(f"{rate:6.1f} clips/s  {rate / first:4.2f} times  {name}")


def noise(batch: int, frames: int, side: int) -> Clips:
    """Clips without meaning, of two square objects each."""
    labels = torch.zeros(batch, frames, side, side, dtype=torch.uint8)
    labels[..., side // 4 : side // 2, side // 4 : side // 2] = 1
    labels[..., side // 2 : side * 3 // 4, side // 2 : side * 3 // 4] = 2
    return Clips(torch.rand(batch, frames, 3, side, side), labels, torch.full((batch,), 2))


def seconds(network: SegmentationNetwork, clips: Clips, steps: int, bfloat16: bool) -> float:
    """Of a training step there and back; median, after one that warms up."""
    config, generator = TrainConfig(steps=1), torch.Generator().manual_seed(0)
    taken = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            result = rollout(network, clips, config, truth=0.0, hard_share=0.5, generator=generator)
        network.zero_grad(set_to_none=True)
        torch.autograd.backward(result.loss)
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


if __name__ == "__main__":
    main()
