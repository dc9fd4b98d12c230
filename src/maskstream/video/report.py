"""All that a person may want to know of a video before working on it, and what will be kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from maskstream.video.animation import is_animation
from maskstream.video.encoders import VIDEO_SUFFIXES, container_of, encoder_for
from maskstream.video.keep import Plan, file_metadata, plan_streams
from maskstream.video.probe import VideoInfo, fraction, open_video, probe, scan


@dataclass(frozen=True)
class FrameTimes:
    """How the frames of a file follow each other, by its time stamps.

    Attributes:
        count: frames.
        shortest: seconds from one frame to the next, at least; None with fewer than two time stamps.
        longest: at most.
        tick: seconds; the stamps are multiples of it.
    """

    count: int
    shortest: Fraction | None = None
    longest: Fraction | None = None
    tick: Fraction | None = None

    @property
    def varies(self) -> bool:
        """Whether the frame rate does, by more than the rounding of the time stamps."""
        if self.shortest is None or self.longest is None or self.tick is None:
            return False
        return self.longest - self.shortest > self.tick


@dataclass(frozen=True)
class Chapter:
    """One chapter: seconds, and its name."""

    start: Fraction
    end: Fraction
    title: str | None


@dataclass(frozen=True)
class Report:
    """What a video is, and what becomes of it in an output.

    Attributes:
        info: of its picture.
        kind: of file, in FFmpeg's words; ``folder of images``.
        size: bytes.
        times: of its frames; None for folders.
        alpha: whether its pictures have alpha, which is not read.
        output: file that would be written, or folder of PNGs.
        encoder: FFmpeg's name of what would write the picture; ``png`` for a folder.
        changes: that the picture goes through besides, each in a few words.
        plans: what becomes of each stream; empty for folders.
        chapters: of the file.
        metadata: of the file, that would be kept.
        keeps: whether the output is a file, that keeps chapters and metadata.
    """

    info: VideoInfo
    kind: str
    size: int
    times: FrameTimes | None
    alpha: bool
    output: Path
    encoder: str
    changes: tuple[str, ...]
    plans: tuple[Plan, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    keeps: bool = True


def report(path: Path, output: Path | None = None) -> Report:
    """Look at a video, all packets of its picture too, without decoding more than a frame.

    Args:
        path: video file or folder of images.
        output: name of the file that would be written, or of a folder (without a suffix); if None, a file of
            the same kind if that can be written, else an mp4.

    Raises:
        InputError: the video can't be read, or no such output can be written.
    """
    info = probe(path)
    if output is None:
        suffix = path.suffix.lower() if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
        output = path.with_name(f"{path.stem}-out{suffix}")
    keeps = bool(output.suffix)
    encoder = encoder_for(output).name_for(info.width) if keeps else "png"
    if is_animation(path):
        times = FrameTimes(info.frame_count or 0)
        changes = _changes(info, output, info.alpha)
        kind, size = "animated WebP", path.stat().st_size
        return Report(info, kind, size, times, info.alpha, output, encoder, changes, keeps=keeps)
    if info.images:
        size = sum(image.stat().st_size for image in info.images)
        changes = _changes(info, output, info.alpha)
        return Report(info, "folder of images", size, None, info.alpha, output, encoder, changes, keeps=keeps)
    with open_video(path) as (container, stream):
        plans = tuple(plan_streams(container, container_of(output) if keeps else None))
        return Report(
            info,
            container.format.long_name,
            path.stat().st_size,
            _frame_times(path, fraction(stream.time_base)),
            info.alpha,
            output,
            encoder,
            _changes(info, output, info.alpha),
            plans,
            tuple(_chapter(chapter) for chapter in container.chapters()),
            tuple(file_metadata(container).items()),
            keeps,
        )


def _changes(info: VideoInfo, output: Path, alpha: bool) -> tuple[str, ...]:
    changes = []
    if info.rotation or info.orientation.mirrored:
        changes.append("turned upright")
    if info.bits > 8:
        changes.append(f"{info.bits} bits become 8")
    if alpha:
        changes.append("its alpha is not read")
    if info.interlaced:
        changes.append("its half-pictures become one frame")
    if not output.suffix:
        return tuple(changes)
    encoder = encoder_for(output)
    if info.sample_aspect_ratio != 1 and not encoder.keeps_pixel_shape(container_of(output)):
        changes.append("the shape of its pixels is lost")
    if encoder.even and (info.width % 2 or info.height % 2):
        width, height = info.width + info.width % 2, info.height + info.height % 2
        changes.append(f"made {width}x{height} by repeating its last column or row")
    return tuple(changes)


def _frame_times(path: Path, tick: Fraction | None) -> FrameTimes:
    """Of the frames that are shown, with times that continue where those of the file jump."""
    times = scan(path)
    stamps = sorted(time for time, _ in times if time is not None)
    steps = [b - a for a, b in pairwise(stamps)]
    if not steps or tick is None:
        return FrameTimes(len(times))
    return FrameTimes(len(times), min(steps), max(steps), tick)


def _chapter(chapter: Any) -> Chapter:
    base = fraction(chapter["time_base"]) or Fraction(0)
    return Chapter(chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title"))
