"""Frames a second of ``maskstream replace`` on whole files, stage by stage, beside its floor and a peer.

    python benchmarks/replace.py                      # 1280 x 720 and 1920 x 1080, 150 frames each
    python benchmarks/replace.py --sizes 720 --frames 60 --background blur

All rows run in the same pipeline, one after another in one run, on a drawn clip with one object:

- *decode + encode*: the floor; frames are read and written as they are.
- *+ matte and composite*: everything but the network, whose probabilities are known beforehand.
- *+ network*: all of it.
- *peer*: MediaPipe's person segmentation in the network's place, where an old ``mediapipe`` (0.10.21 and
  before hold it in the wheel) is installed; it knows persons only and follows nothing.

Stages work at the same time, so that their milliseconds add up to more than a frame takes; each is wall-clock
time while the others run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from maskstream.background.sources import open_background
from maskstream.drawn_clips import draw_clip
from maskstream.replacement.pipeline import pipelined
from maskstream.replacement.replacer import BackgroundReplacer, Found
from maskstream.runtime.load import load_model
from maskstream.runtime.speed import machine
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.video.read import VideoFrame, read_video
from maskstream.video.write import VideoWriter
from person_peer import person_peer

T = TypeVar("T")
STAGES = ("decode", "network", "matte + composite", "encode")
DRAWN = 240  # lines that the clip is drawn with, before it is enlarged


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, name: str, call: Callable[..., T]) -> Callable[..., T]:
        """The same call, timed."""

        def wrapped(*args: Any) -> T:
            start = time.perf_counter()
            try:
                return call(*args)
            finally:
                self.seconds[name] += time.perf_counter() - start

        return wrapped

    def drawn(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items, drawing them timed."""
        take, nothing = self.timed(name, lambda i: next(i, None)), None
        iterator = iter(items)
        while (item := take(iterator)) is not nothing:
            yield item


def write_clip(path: Path, lines: int, frames: int) -> np.ndarray[Any, Any]:
    """A drawn clip; its first label map comes back."""
    first = None
    width = lines * 16 // 9
    with VideoWriter(path, fps=30) as writer:
        for frame, truth in draw_clip(frames, DRAWN, DRAWN * 16 // 9, objects=1):
            writer.write(np.asarray(cv2.resize(frame, (width, lines), interpolation=cv2.INTER_CUBIC)))
            if first is None:
                first = cv2.resize(truth, (width, lines), interpolation=cv2.INTER_NEAREST)
    assert first is not None
    return np.asarray(first)


def write_picture(path: Path) -> Path:
    """A drawn picture as a background; encoding it costs what encoding the clip does."""
    picture, _ = next(draw_clip(1, DRAWN, DRAWN * 16 // 9, objects=1, seed=5))
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return path


def run(
    clip: Path,
    find: Callable[[VideoFrame], Found] | None,
    replacer: BackgroundReplacer,
) -> tuple[float, dict[str, float]]:
    """Milliseconds a frame of the whole, and by stage."""
    clock = Clock()

    def compose(item: tuple[VideoFrame, Found]) -> tuple[VideoFrame, Any]:
        frame, found = item
        return frame, replacer.compose(frame.image, found, float(frame.time or 0)).image

    stages: list[Callable[[Any], Any]] = []
    if find is not None:
        stages = [
            clock.timed("network", lambda frame: (frame, find(frame))),
            clock.timed("matte + composite", compose),
        ]
    count, start = 0, time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        read_video(clip) as reader,
        VideoWriter(Path(folder) / "out.mp4", like=reader.info) as writer,
    ):
        write = clock.timed("encode", writer.write)
        for item in pipelined(clock.drawn("decode", reader), *stages):
            frame, image = item if stages else (item, item.image)
            write(image, frame.time, frame.duration)
            count += 1
    whole = (time.perf_counter() - start) / count
    return 1000 * whole, {name: 1000 * seconds / count for name, seconds in clock.seconds.items()}


def known_probabilities(clip: Path, model: Any, first: np.ndarray[Any, Any]) -> Callable[[VideoFrame], Found]:
    """What the network says of each frame, worked out beforehand."""
    segmenter, found = VideoSegmenter(model), []
    with read_video(clip) as frames:
        for frame in frames:
            result = segmenter.step(frame.image, first if frame.index == 0 else None)
            found.append(Found(result.low_res[0].copy(), result.seen))
    return lambda frame: found[frame.index]


def followed(model: Any, first: np.ndarray[Any, Any]) -> Callable[[VideoFrame], Found]:
    segmenter = VideoSegmenter(model)

    def find(frame: VideoFrame) -> Found:
        result = segmenter.step(frame.image, first if frame.index == 0 else None)
        return Found(result.low_res[0], result.seen)

    return find


def peer() -> Callable[[VideoFrame], Found] | None:
    """MediaPipe's network for persons, or None where it is not installed."""
    network = person_peer()
    return None if network is None else lambda frame: Found(np.asarray(network(frame.image), np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[720, 1080], metavar="LINES")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--background", help="a drawn picture as rich as the clip, unless given")
    parser.add_argument("--model", default="live")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    cv2.setNumThreads(args.threads)
    model = load_model(args.model, threads=args.threads)
    print(f"{machine()}, {args.threads} threads; background: {args.background or 'drawn'}\n")
    print(
        "| lines | what runs | ms a frame | frames/s | of the floor | decode | network | matte + composite "
        "| encode |"
    )
    print("| --: | --- | --: | --: | --: | --: | --: | --: | --: |")
    for lines in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "clip.mp4"
            first = write_clip(clip, lines, args.frames)
            behind = args.background or write_picture(Path(folder) / "behind.png")
            rows: dict[str, Callable[[VideoFrame], Found] | None] = {
                "decode + encode": None,
                "+ matte and composite": known_probabilities(clip, model, first),
                "+ network": followed(model, first),
            }
            if (network := peer()) is not None:
                rows["peer: persons only"] = network
            floor = 0.0
            for name, find in rows.items():
                replacer = BackgroundReplacer(None, open_background(behind))
                whole, stages = run(clip, find, replacer)
                floor = floor or whole
                cells = [f"{stages[stage]:.1f}" if stage in stages else "" for stage in STAGES]
                print(
                    f"| {lines} | {name} | {whole:.1f} | {1000 / whole:.1f} | {whole / floor:.2f} | "
                    f"{' | '.join(cells)} |",
                    flush=True,
                )
    if peer() is None:
        print("\nNo mediapipe is installed here, so the peer's row is missing.")


if __name__ == "__main__":
    main()
