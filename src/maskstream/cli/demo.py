"""``maskstream demo``: draw a clip, segment it, score it, show it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstream.judging.development import SequenceScores

NAME = "demo"
HELP = "draw a clip in which three objects cross, follow them from the first mask, and score the result"

FRAMES_PER_SECOND = 24
PICTURES = 8  #: on the contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo"), metavar="FOLDER", help="where to write (demo)"
    )
    parser.add_argument("--frames", type=int, default=60, help="length of the clip, 3 or more (60)")
    parser.add_argument("--seed", type=int, default=2, help="another seed draws another clip (2)")


def run(args: argparse.Namespace) -> int:
    """Draw, segment and score; write clip, first mask, label maps, overlay video and contact sheet."""
    import time
    from itertools import chain
    from statistics import median

    from PIL import Image

    from maskstream import InputError, VideoSegmenter, load_model
    from maskstream.drawn_clips import draw_clip
    from maskstream.files import written_beside
    from maskstream.judging.development import ComparedScorer
    from maskstream.masks.draw import contact_sheet, overlay
    from maskstream.masks.palette import write_label_map
    from maskstream.video.write import VideoWriter

    if args.frames < 3:
        raise InputError(f"--frames is {args.frames}; a clip needs 3 frames or more to be scored")
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed}; give 0 or more")
    folder: Path = args.output
    label_maps = folder / "masks"
    label_maps.mkdir(parents=True, exist_ok=True)

    segmenter = VideoSegmenter(load_model("live"))
    clip = draw_clip(args.frames, seed=args.seed)
    first_frame, first_mask = next(clip)
    scorer = ComparedScorer(first_mask)
    shown = {round(i * (args.frames - 1) / (PICTURES - 1)) for i in range(PICTURES)}
    pictures, captions, seconds = [], [], []
    with (
        VideoWriter(folder / "clip.mp4", fps=FRAMES_PER_SECOND) as clip_writer,
        VideoWriter(folder / "overlay.mp4", fps=FRAMES_PER_SECOND) as overlay_writer,
    ):
        for index, (frame, truth) in enumerate(chain([(first_frame, first_mask)], clip)):
            start = time.perf_counter()
            label_map = segmenter.step(frame, None if index else first_mask).label_map
            seconds.append(time.perf_counter() - start)
            scorer.add(truth, label_map)
            picture = overlay(frame, label_map)
            clip_writer.write(frame)
            overlay_writer.write(picture)
            write_label_map(label_maps / f"{index:05d}.png", label_map)
            if index in shown:
                pictures.append(picture)
                captions.append(f"frame {index}")
    write_label_map(folder / "first.png", first_mask)
    with written_beside(folder / "contact-sheet.png") as part:
        Image.fromarray(contact_sheet(pictures, columns=PICTURES // 2, captions=captions)).save(part, "PNG")
    _remove_frames_from(label_maps, args.frames)

    height, width = first_mask.shape
    print(_table(scorer.scores("demo")))
    print()
    print(f"{args.frames} frames of {width}x{height}, {1000 * median(seconds):.0f} ms each (median)")
    print(f"look at  {folder / 'overlay.mp4'}  {folder / 'contact-sheet.png'}  {label_maps}")
    print(f"again by hand:  maskstream segment {folder / 'clip.mp4'} --mask {folder / 'first.png'} -o out")
    return 0


def _remove_frames_from(folder: Path, count: int) -> None:
    """Remove what a longer run left behind, so that the folder holds one run."""
    for path in folder.glob("[0-9]*.png"):
        if path.stem.isdecimal() and int(path.stem) >= count:
            path.unlink()


def _table(scores: SequenceScores) -> str:
    """J and F of each object, and the J of both copy baselines."""
    from maskstream.tables import aligned_table

    baselines = scores.baselines
    columns = [scores.predicted.j, scores.predicted.f, *(baselines[name].j for name in baselines)]
    means = [values.mean(axis=1) for values in columns]
    rows = [
        [f"object {i}", *(f"{mean[n]:.3f}" for mean in means)] for n, i in enumerate(scores.predicted.ids)
    ]
    rows.append(["mean", *(f"{mean.mean():.3f}" for mean in means)])
    return aligned_table(["", "J", "F", *(f"{name} J" for name in baselines)], rows)
