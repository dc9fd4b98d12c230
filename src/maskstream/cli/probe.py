"""``maskstream probe``: what a video is, and what will and won't be kept of it."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskstream.video.colour import ColourTags
    from maskstream.video.report import Report

NAME = "probe"
HELP = "say what a video is, and what will and won't be kept of it"

_MATRICES = {0: "RGB", 1: "BT.709", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}
_RANGES = {1: "limited range", 2: "full range"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", type=Path, metavar="FILE", help="video file, or folder of images")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="NAME",
        help="what would be written: a file, or a folder of PNGs; a file like the input, else an mp4",
    )
    parser.add_argument("--json", action="store_true", help="the same for programs")


def run(args: argparse.Namespace) -> int:
    """Look, and print."""
    import json

    from maskstream.video.report import report

    found = report(args.video, args.output)
    print(json.dumps(_as_dict(found), indent=1, ensure_ascii=False) if args.json else _as_text(found))
    return 0


def _as_text(found: Report) -> str:
    info = found.info
    lines = [f"{info.path}: {found.kind}, {_bytes(found.size)}"]
    lines.append(
        f"  picture: {info.width}x{info.height}, {info.codec}, {info.pixel_format} ({info.bits} bits)"
    )
    if info.rotation or info.orientation.mirrored:
        turn = f"turned by {info.rotation} degrees" if info.rotation else ""
        lines.append(f"  shown: {' and '.join(filter(None, (turn, 'mirrored' * info.orientation.mirrored)))}")
    if info.sample_aspect_ratio != 1:
        lines.append(f"  shape of a pixel: {info.sample_aspect_ratio}")
    if not info.images:
        lines.append(f"  colours: {_colours(info.colour, info.conversion)}")
    lines.append(f"  frames: {_frames(found)}")
    lines += [f"  {plan.stream}" for plan in found.plans]
    lines += [
        f"  chapter: {_clock(chapter.start)} to {_clock(chapter.end)}"
        + (f' "{chapter.title}"' if chapter.title else "")
        for chapter in found.chapters
    ]
    lines += [f"  {key}: {value}" for key, value in found.metadata]
    where = "a folder of PNGs" if not found.keeps else found.output.suffix
    lines.append(f"written to {found.output.name} ({where}):")
    lines.append(f"  picture: encoded anew by {found.encoder}" + "".join(f"; {c}" for c in found.changes))
    lines += [f"  {plan.stream}: {plan.outcome}" for plan in found.plans if plan.fate != "encoded anew"]
    kept = "kept" if found.keeps else "left out: pictures hold none"
    if found.chapters:
        lines.append(f"  chapters: {kept}")
    if found.metadata:
        lines.append(f"  metadata: {kept}")
    return "\n".join(lines)


def _frames(found: Report) -> str:
    info, times = found.info, found.times
    if times is None:
        return f"{len(info.images)} images"
    said = [str(times.count)]
    if info.duration is not None:
        said.append(f"in {_clock(info.duration)}")
    rate = f"{float(info.frame_rate):.6g} a second" if info.frame_rate else "rate unknown"
    if times.varies and times.shortest is not None and times.longest is not None:
        quick = f"{float(1 / times.shortest):.4g}" if times.shortest else "any number"
        rate += f" on average; the rate varies from {float(1 / times.longest):.4g} to {quick}"
    return " ".join(said) + f", {rate}"


def _colours(tags: ColourTags, used: ColourTags) -> str:
    said = [
        _MATRICES.get(tags.matrix) or f"untagged matrix, taken as {_MATRICES.get(used.matrix)}",
        _RANGES.get(tags.range) or f"untagged range, taken as {_RANGES.get(used.range)}",
    ]
    light = {16: "PQ", 18: "HLG"}.get(tags.transfer)
    return ", ".join([*said, *([f"{light} (HDR, not tone-mapped)"] if light else [])])


def _clock(seconds: Fraction) -> str:
    minutes, rest = divmod(float(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:06.3f}"


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _seconds(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _as_dict(found: Report) -> dict[str, Any]:
    """Plain values only; times in seconds, frame rates as exact text."""
    info, times = found.info, found.times
    return {
        "file": str(info.path),
        "kind": found.kind,
        "bytes": found.size,
        "picture": {
            "width": info.width,
            "height": info.height,
            "codec": info.codec,
            "pixel_format": info.pixel_format,
            "bits": info.bits,
            "alpha": found.alpha,
            "rotation": info.rotation,
            "mirrored": info.orientation.mirrored,
            "sample_aspect_ratio": str(info.sample_aspect_ratio),
            "colour": {
                "matrix": info.colour.matrix,
                "range": info.colour.range,
                "primaries": info.colour.primaries,
                "transfer": info.colour.transfer,
            },
            "frames": info.frame_count if times is None else times.count,
            "frame_rate": str(info.frame_rate) if info.frame_rate else None,
            "frame_rate_varies": bool(times and times.varies),
            "start": _seconds(info.start_time),
            "duration": _seconds(info.duration),
        },
        "chapters": [
            {"start": float(c.start), "end": float(c.end), "title": c.title} for c in found.chapters
        ],
        "metadata": dict(found.metadata),
        "output": {
            "name": str(found.output),
            "encoder": found.encoder,
            "changes": list(found.changes),
            "chapters_and_metadata": found.keeps,
            "streams": [
                {
                    "index": plan.index,
                    "kind": plan.kind,
                    "codec": plan.codec,
                    "language": plan.language,
                    "title": plan.title,
                    "fate": plan.fate.value,
                    "encoder": plan.encoder,
                    "why": plan.why or None,
                }
                for plan in found.plans
            ],
        },
    }
