"""J and F of an exported network on the development sequences, beside both copy baselines.

    python benchmarks/development.py --data "$MASKSTREAM_DATA"
    python benchmarks/development.py --data "$MASKSTREAM_DATA" --size 360 --every 3 --previous

The development sequences (``video-dev*`` of the data folder, and one in six of ``video-train*``) are never
trained on. Each is segmented from its first mask; first and last frames are not scored, as DAVIS does it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from maskstream.datasets.collection import open_data_folder
from maskstream.judging.development import evaluate_sequences, labelled_sequences, score_table
from maskstream.runtime.load import load_model
from maskstream.streaming.memory import MemoryPolicy
from maskstream.streaming.segmenter import VideoSegmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="live")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, help="short side that the network sees (its default)")
    parser.add_argument("--every", type=int, help="keep every how many-th frame in memory (its default)")
    parser.add_argument("--max-frames", type=int, help="keep at most this many of them (its default)")
    parser.add_argument("--previous", action="store_true", help="always read the previous frame too")
    args = parser.parse_args()

    runtime = load_model(args.model, threads=args.threads)
    given = {"every": args.every, "max_frames": args.max_frames, "previous": args.previous or None}
    policy = replace(MemoryPolicy.of(runtime.info), **{k: v for k, v in given.items() if v is not None})
    videos = open_data_folder(args.data).dev_videos
    scores = evaluate_sequences(
        lambda: VideoSegmenter(runtime, size=args.size, policy=policy), labelled_sequences(videos)
    )
    print(score_table(list(scores)))


if __name__ == "__main__":
    main()
