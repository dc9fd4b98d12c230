"""How good mattes are against the truth, with each stage switched on and left out, and what a stage costs.

    python benchmarks/matte.py --only drawn key              # needs nothing but the repository
    python benchmarks/matte.py --data "$MASKSTREAM_DATA"     # cut-outs over photographs too
    python benchmarks/matte.py --only drawn --quick          # 360 lines, 8 frames

The clips are those of ``matte_clips.py``. Where source is *truth*, the matte is made of the true alpha as a
perfect network would give it: shrunk to a quarter of 240 lines, sharpened logits with a little noise of their
own in each frame, and enlarged again. Where it is *network*, the shipped network follows the object from the
thresholded alpha of the first frame. That frame isn't scored. Means over frames, then over clips; MSE in
thousandths, colours in levels of 255; ms are of one processor thread. ``--sheets`` writes the softest places
of each clip at 1:1 over a plain colour.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.masks.draw import contact_sheet
from maskstream.matte.config import KeyConfig, MatteConfig
from maskstream.matte.matting import Matte, Matting
from maskstream.runtime.load import load_model
from maskstream.runtime.protocol import Runtime
from maskstream.scoring.mattes import MattingScore, MattingScores, mean_scores
from maskstream.streaming.segmenter import VideoSegmenter
from matte_clips import Clip, TruthFrame, cutout_clips, drawn_clips, screen_clips

Seen = tuple[slice, slice] | None
#: What a network says of each frame of a clip.
Source = Callable[[Iterator[TruthFrame]], Iterator[tuple[TruthFrame, Floats, Seen]]]

LINES, STRIDE = 240, 4  # of the network's input, and of its logits on it
MOST = 8.0  # logit of a network that is sure
SHARPENING = 2.0  # networks learn from hard masks: what is half covered they take a side on
SHEET_COLOUR = (236, 238, 240)  # light: on it dark hair and old backgrounds show
CROP = 176  # side of a place on a sheet, in pixels


class Way(NamedTuple):
    """One way of making mattes."""

    config: MatteConfig
    tracked: bool = True


class Trial:
    """A way at work on one clip."""

    def __init__(self, way: Way) -> None:
        self.matting, self.tracked = Matting(way.config), way.tracked
        self.score = MattingScore()
        self.seconds: list[float] = []

    def take(self, truth: TruthFrame, probability: Floats, seen: Seen, *, scored: bool) -> Matte:
        """Make a frame's matte, and score it."""
        start = time.process_time()
        matte = self.matting(truth.frame, *((probability, seen) if self.tracked else (None, None)))
        self.seconds.append(time.process_time() - start)
        if scored:
            self.score.add(truth.alpha, matte.alpha, truth.foreground, matte.foreground)
        return matte


NOTHING = MatteConfig(refine=False, smooth=False, foreground="none")
ALL = MatteConfig()
STAGES = {
    "nothing: upsampled": Way(NOTHING),
    "refinement": Way(replace(NOTHING, refine=True)),
    "refinement, smoothing": Way(replace(NOTHING, refine=True, smooth=True)),
    "all: these and foreground colour": Way(ALL),
    "all but refinement": Way(replace(ALL, refine=False)),
    "all but smoothing": Way(replace(ALL, smooth=False)),
    "all and spill 0.5": Way(replace(ALL, spill=0.5)),
}
KEYS = {
    "no key": Way(ALL),
    "key alone": Way(replace(ALL, key=KeyConfig()), tracked=False),
    "key around the object": Way(replace(ALL, key=KeyConfig())),
    "the same, spill left": Way(replace(ALL, key=KeyConfig(spill=0))),
    "the same, not smoothed": Way(replace(ALL, key=KeyConfig(), smooth=False)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30, help="of each clip")
    parser.add_argument("--size", type=int, default=720, help="lines of a frame; it is 16:9")
    parser.add_argument(
        "--only", nargs="+", choices=("drawn", "cutouts", "key"), default=["drawn", "cutouts", "key"]
    )
    parser.add_argument("--source", nargs="+", choices=("truth", "network"), default=["truth", "network"])
    parser.add_argument("--noise", type=float, default=0.3, help="of the truth's logits")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MASKSTREAM_DATA"), help="the data folder"
    )
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--each", action="store_true", help="a table for each clip")
    parser.add_argument("--quick", action="store_true", help="8 frames of 360 lines")
    args = parser.parse_args()
    if args.quick:
        args.frames, args.size = 8, 360
    cv2.setNumThreads(1)
    size = args.size, 16 * args.size // 9
    runtime = load_model("live", threads=1) if "network" in args.source else None
    sources = {name: source(name, runtime, args.noise) for name in args.source}
    print(f"{size[1]}x{size[0]}, {args.frames} frames of each clip")
    groups: dict[str, list[Clip]] = {}
    if "drawn" in args.only:
        groups["drawn"] = drawn_clips(size)
    if "cutouts" in args.only:
        if args.data is None:
            parser.error("cut-outs need --data or MASKSTREAM_DATA; leave them out with --only drawn key")
        groups["cut-outs"] = cutout_clips(args.data, size)
    if args.each:
        groups = {clip.name: [clip] for clips in groups.values() for clip in clips}
    for title, clips in groups.items():
        report(title, clips, STAGES, sources, args.frames, args.sheets)
    if "key" in args.only:
        for clip in screen_clips(size):
            report(clip.name, [clip], KEYS, sources, args.frames, args.sheets)


# What a network says


def source(name: str, runtime: Runtime | None, noise: float) -> Source:
    if name == "truth":
        return lambda frames: true_probabilities(frames, noise)
    assert runtime is not None
    return lambda frames: network_probabilities(frames, runtime)


def true_probabilities(
    frames: Iterator[TruthFrame], noise: float
) -> Iterator[tuple[TruthFrame, Floats, Seen]]:
    """The true alpha as a perfect network would tell it."""
    generator = np.random.default_rng(0)
    for truth in frames:
        height, width = truth.alpha.shape
        lines = min(LINES, height)
        small = lines, round(width * lines / height)
        cells = small[1] // STRIDE, small[0] // STRIDE
        shares = cv2.resize(truth.alpha, cells, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        rest = np.exp(-MOST / SHARPENING)
        logits = SHARPENING * np.log((shares + rest) / (1 - shares + rest))
        logits += generator.normal(0, noise, logits.shape).astype(np.float32)
        large = cv2.resize(logits, small[::-1], interpolation=cv2.INTER_LINEAR)
        yield truth, (1 / (1 + np.exp(-large))).astype(np.float32), None


def network_probabilities(
    frames: Iterator[TruthFrame], runtime: Runtime
) -> Iterator[tuple[TruthFrame, Floats, Seen]]:
    """What the network says that was shown the first frame's true alpha, cut at one half."""
    segmenter, first = VideoSegmenter(runtime), True
    for truth in frames:
        mask = (truth.alpha >= 128).astype(np.uint8) if first else None
        segmentation = segmenter.step(truth.frame, mask)
        yield truth, segmentation.low_res[0], segmentation.seen
        first = False


# Running and reporting


def report(
    title: str,
    clips: Sequence[Clip],
    ways: Mapping[str, Way],
    sources: Mapping[str, Source],
    frames: int,
    sheets: Path | None,
) -> None:
    """Run all ways on all clips, and print a table for each source."""
    for name, says in sources.items():
        found: dict[str, list[MattingScores]] = {way: [] for way in ways}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for clip in clips:
            trials = {way: Trial(how) for way, how in ways.items()}
            start = time.monotonic()
            run_clip(clip, trials, says, frames, sheets and sheets / f"{clip.name}-{name}.png")
            print(f"{title}, {name}, {clip.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
            for way, trial in trials.items():
                found[way].append(trial.score.scores())
                seconds[way] += trial.seconds
        print(f"\n{title}, source: {name}\n")
        print(table({way: mean_scores(found[way]) for way in ways}, seconds), flush=True)


def run_clip(clip: Clip, trials: Mapping[str, Trial], says: Source, frames: int, sheet: Path | None) -> None:
    """Hand every frame to every trial; draw the last one."""
    for index, (truth, probability, seen) in enumerate(says(islice(clip.play(), frames))):
        mattes = {}
        for way, trial in trials.items():
            mattes[way] = trial.take(truth, probability, seen, scored=index > 0)
        if sheet is not None and index == frames - 1:
            draw_sheet(sheet, truth, mattes)


def table(scores: Mapping[str, MattingScores], seconds: Mapping[str, Sequence[float]]) -> str:
    lines = [
        "| stages | SAD | MSE | gradient | connectivity | dtSSD | colour | ms |",
        "| --- " + "| --: " * 7 + "|",
    ]
    for way, of in scores.items():
        cells = (
            f"{of.sad:.2f}",
            f"{1000 * of.mse:.2f}",
            f"{of.gradient:.2f}",
            f"{of.connectivity:.2f}",
            f"{of.dtssd:.2f}",
            f"{255 * of.colour_mad:.1f}",
            f"{1000 * float(np.median(seconds[way])):.1f}",
        )
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# Contact sheets


def draw_sheet(path: Path, truth: TruthFrame, mattes: Mapping[str, Matte]) -> None:
    """The softest places at 1:1: frame, truth, and every way, as composite and as alpha."""
    images, captions = [], []
    for place in softest(truth.alpha, places=2):
        shown = {"truth": (truth.alpha, truth.foreground)}
        shown |= {way: (matte.alpha, matte.foreground) for way, matte in mattes.items()}
        images.append(truth.frame[place])
        captions.append("frame")
        for way, (alpha, foreground) in shown.items():
            images.append(over(alpha[place], foreground[place]))
            captions.append(way)
        images.append(np.zeros_like(images[0]))
        captions.append("")
        for way, (alpha, _) in shown.items():
            images.append(cv2.cvtColor(np.ascontiguousarray(alpha[place]), cv2.COLOR_GRAY2RGB))
            captions.append(way)
    sheet = contact_sheet(images, len(mattes) + 2, captions)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}")


def softest(alpha: NDArray[np.uint8], places: int) -> list[tuple[slice, slice]]:
    """Squares with the most pixels that are neither object nor background, apart from each other."""
    soft = cv2.boxFilter(((alpha > 0) & (alpha < 255)).astype(np.float32), -1, (CROP, CROP))
    half, found = CROP // 2, []
    height, width = alpha.shape
    soft[:half], soft[height - half :], soft[:, :half], soft[:, width - half :] = -1, -1, -1, -1
    for _ in range(places):
        y, x = np.unravel_index(int(soft.argmax()), soft.shape)
        found.append(np.s_[y - half : y + half, x - half : x + half])
        soft[max(y - CROP, 0) : y + CROP, max(x - CROP, 0) : x + CROP] = -1
    return found


def over(alpha: NDArray[np.uint8], foreground: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha[..., None] / 255
    return np.round(weight * foreground + (1 - weight) * np.array(SHEET_COLOUR)).astype(np.uint8)


if __name__ == "__main__":
    main()
