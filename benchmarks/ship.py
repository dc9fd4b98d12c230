"""Put trained weights into the package as a shipped network, with what is measured of it.

    python benchmarks/ship.py runs/live/average.safetensors --data "$MASKSTREAM_DATA"
    python benchmarks/ship.py runs/live/average.safetensors --data "$MASKSTREAM_DATA" --max-frames 3

Exports to ONNX, scores the development sequences, times a frame, and writes all of it to
``src/maskstream/weights/NAME`` at once: the graphs, ``model.json`` with scores and speed, which ``maskstream
models`` shows, and ``NAME.safetensors`` with convolutions in half precision. The table of scores is printed
for the model card, which people write.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from maskstream.datasets.collection import open_data_folder
from maskstream.judging.development import evaluate_sequences, labelled_sequences, over_sequences, score_table
from maskstream.network import checkpoints
from maskstream.runtime.cards import Notes, Score, Speed
from maskstream.runtime.export import export
from maskstream.runtime.load import WEIGHTS, load_model
from maskstream.runtime.speed import machine, time_of_a_frame
from maskstream.streaming.segmenter import VideoSegmenter


def halved(weights: Path, path: Path) -> None:
    """Write the same weights with convolutions in half precision."""
    network = checkpoints.load(weights)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.half()
    checkpoints.save(network, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="live")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="folder of all shipped networks")
    parser.add_argument("--threads", type=int, default=2)
    for option in ("--size", "--every", "--max-frames"):
        parser.add_argument(option, type=int, help="as for maskstream export")
    args = parser.parse_args()
    options = {"size": args.size, "every": args.every, "max_frames": args.max_frames}

    with tempfile.TemporaryDirectory() as temporary:
        trial = Path(temporary) / "network"
        export(args.weights, trial, name=args.name, **options)
        runtime = load_model(trial, threads=args.threads)
        videos = open_data_folder(args.data).dev_videos
        results = list(evaluate_sequences(lambda: VideoSegmenter(runtime), labelled_sequences(videos)))
        print(score_table(results))
        taken, what = time_of_a_frame(runtime, repeats=100)
        model = "" if args.name == "live" else f" --model {args.name}"
        score = Score(
            data=f"{len(results)} held-out development sequences (their mean)",
            measure="J&F",
            value=round(over_sequences(result.predicted for result in results).mean, 3),
            command=f'python benchmarks/development.py --data "$MASKSTREAM_DATA"{model}',
        )
        speed = Speed(round(taken, 1), what, args.threads, machine(), "maskstream models --benchmark")
        folder = args.to / args.name
        notes = Notes(scores=(score,), speed=speed)
        export(args.weights, folder, name=args.name, notes=notes, **options)
    halved(args.weights, folder / f"{args.name}.safetensors")
    print(json.dumps(asdict(notes), indent=1))


if __name__ == "__main__":
    main()
