"""Put trained weights into the package as a shipped network, with what is measured of it.

    python benchmarks/ship.py runs/live/average.safetensors --data "$MASKSTREAM_DATA"
    python benchmarks/ship.py runs/live/average.safetensors --data "$MASKSTREAM_DATA" --max-frames 3

Exports to ONNX, scores the development sequences, times a frame, and writes all of it to
``src/maskstream/weights/NAME`` at once: the graphs, ``model.json`` with scores and speed, which ``maskstream
models`` shows, and ``NAME.safetensors`` with convolutions in half precision. The table of scores is printed
for the model card, which people write. Options that are not its own go to ``maskstream export``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from maskstream.cli.__main__ import main as maskstream
from maskstream.datasets.collection import open_data_folder
from maskstream.judging.development import evaluate_sequences, labelled_sequences, overall, score_table
from maskstream.network import checkpoints
from maskstream.runtime.cards import Notes, Score, Speed
from maskstream.runtime.load import WEIGHTS, load_model
from maskstream.runtime.speed import machine, time_of_a_frame
from maskstream.streaming.segmenter import VideoSegmenter


def export(weights: Path, folder: Path, options: list[str]) -> None:
    if code := maskstream(["export", str(weights), "-o", str(folder), *options]):
        raise SystemExit(code)


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
    args, options = parser.parse_known_args()
    options += ["--name", args.name]

    with tempfile.TemporaryDirectory() as temporary:
        trial = Path(temporary) / "network"
        export(args.weights, trial, options)
        runtime = load_model(trial, threads=args.threads)
        videos = open_data_folder(args.data).dev_videos
        results = list(evaluate_sequences(lambda: VideoSegmenter(runtime), labelled_sequences(videos)))
        print(score_table(results))
        taken, what = time_of_a_frame(runtime, repeats=100)
        model = "" if args.name == "live" else f" --model {args.name}"
        score = Score(
            data=f"video-dev ({', '.join(result.name for result in results)})",
            measure="J&F",
            value=round(overall(result.predicted for result in results)[2], 3),
            command=f'python benchmarks/development.py --data "$MASKSTREAM_DATA"{model}',
        )
        speed = Speed(round(taken, 1), what, args.threads, machine(), "maskstream models --benchmark")
        notes = Path(temporary) / "notes.json"
        notes.write_text(json.dumps(asdict(Notes(scores=(score,), speed=speed))))
        folder = args.to / args.name
        export(args.weights, folder, [*options, "--notes", str(notes)])
    halved(args.weights, folder / f"{args.name}.safetensors")
    maskstream(["models", *([] if args.to == WEIGHTS else [str(folder)])])


if __name__ == "__main__":
    main()
