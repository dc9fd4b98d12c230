"""What adapting to the first frame of a clip is worth, and what it costs, on the development sequences.

    python benchmarks/adapting.py --data "$MASKSTREAM_DATA"
    python benchmarks/adapting.py --data "$MASKSTREAM_DATA" --steps 40 --sequences bmx-bumps,dog-agility

Each sequence is segmented from its first mask by the network as it is, and by one adapted to that frame.
``dreamt`` is the mean IoU on clips made from the first frame that were not trained on, ``back`` how much of
the first mask returns from the way through the sequence: what is kept is decided by these two, not by J&F.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from maskstream.adaptation.config import WAY_FRAMES, AdaptConfig
from maskstream.adaptation.dreams import Marked
from maskstream.adaptation.runtimes import adapt_runtime, running, trainable
from maskstream.datasets.collection import open_data_folder
from maskstream.datasets.readers import VOID, LabelledVideo
from maskstream.judging.development import evaluate_sequences, labelled_sequences, overall
from maskstream.runtime.load import load_model
from maskstream.runtime.protocol import Runtime
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.tables import aligned_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="live")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--steps", type=int, default=0, help="of training, however long they take")
    parser.add_argument("--train-trunk", action="store_true")
    parser.add_argument("--sequences", help="names, with commas between (all)")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    config = AdaptConfig(
        seconds=1e6 if args.steps else args.seconds, steps=args.steps, train_trunk=args.train_trunk
    )
    runtime, rows = load_model(args.model, threads=args.threads), []
    for video in open_data_folder(args.data).dev_videos:
        if args.sequences and video.name not in args.sequences.split(","):
            continue
        rows.append(compared(runtime, video, config))
        print(*rows[-1], flush=True)
    before, after = (float(np.mean([float(row[i]) for row in rows])) for i in (1, 2))
    rows.append(["mean", f"{before:.3f}", f"{after:.3f}", "", "", "", ""])
    print(aligned_table(["sequence", "J&F", "adapted", "share kept", "dreamt", "back", "seconds"], rows))


def compared(runtime: Runtime, video: LabelledVideo, config: AdaptConfig) -> list[str]:
    """A row of the table."""
    frame, truth = video.frames[0].load()
    marked = Marked(frame, np.where(truth == VOID, 0, truth))
    every = max(1, len(video.frames) // WAY_FRAMES)
    way = [each.load()[0] for each in video.frames[::every]]
    adapted, told = adapt_runtime(runtime, [marked], config, way=way)
    runtime = running(trainable(runtime), runtime)  # the same weights, in the same arithmetic
    back = "" if told.back_before is None else f"{told.back_before:.3f} to {told.back_after:.3f}"
    return [
        video.name,
        f"{score(runtime, video):.3f}",
        f"{score(adapted, video):.3f}",
        f"{told.share:g}",
        f"{told.before:.3f} to {told.after:.3f}",
        back,
        f"{told.seconds:.0f}",
    ]


def score(runtime: Runtime, video: LabelledVideo) -> float:
    """J&F of a network on a sequence."""
    results = evaluate_sequences(lambda: VideoSegmenter(runtime), labelled_sequences([video]))
    return overall(result.predicted for result in results)[2]


if __name__ == "__main__":
    main()
