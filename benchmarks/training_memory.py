"""Peak memory of a training step of ``damo``, with and without what saves it.

    python benchmarks/training_memory.py
    python benchmarks/training_memory.py --network stm --size 256

One clip of three frames and three objects. The whole process counts: Python and torch, weights, gradients,
the average and the optimizer's state after two steps. Each way runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from maskstream.clips.samplers import Clips
from maskstream.network.model import SegmentationNetwork
from maskstream.network.presets import preset
from maskstream.training.averaging import Average
from maskstream.training.config import TrainConfig
from maskstream.training.rollout import rollout

WAYS = {
    "plain": {},
    "checkpointed": {"checkpoint_activations": True},
    "checkpointed, one object at a time": {"checkpoint_activations": True, "object_chunk": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="damo")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--float32", action="store_true", help="without autocast to bfloat16")
    parser.add_argument("--way", choices=WAYS, help="used inside")
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args, WAYS[args.way])))
        return
    print(f"{args.network}, {args.objects} objects, {args.frames} frames of {args.size} x {args.size}")
    for way in WAYS:
        command = [sys.executable, *sys.argv, "--way", way]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{way}: did not run (ended with {done.returncode})", flush=True)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{way}: {row['bytes'] / 1e9:.2f} GB, {row['seconds']:.1f} s of processor time a step", flush=True
        )


def measure(args: argparse.Namespace, saving: dict[str, bool | int]) -> dict[str, float]:
    """Two steps in this process."""
    torch.manual_seed(0)
    config = TrainConfig(steps=2, bfloat16=not args.float32, **saving)
    network = SegmentationNetwork(preset(args.network)).to(memory_format=torch.channels_last).train()
    average = Average(network, config.ema)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    labels = torch.zeros(1, args.frames, args.size, args.size, dtype=torch.uint8)
    each = args.size // args.objects
    for i in range(args.objects):
        labels[..., each // 2 :, i * each + each // 4 : (i + 1) * each] = i + 1
    frames = torch.rand(1, args.frames, 3, args.size, args.size)
    clips = Clips(frames, labels, torch.tensor([args.objects]))
    generator = torch.Generator().manual_seed(0)
    for step in range(2):
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            result = rollout(network, clips, config, truth=0.5, hard_share=0.5, generator=generator)
        optimizer.zero_grad(set_to_none=True)
        result.loss.backward()
        optimizer.step()
        average.update(network, step)
        seconds = time.process_time() - start
    return {"seconds": seconds, "bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


if __name__ == "__main__":
    main()
