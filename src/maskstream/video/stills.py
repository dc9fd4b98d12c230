"""Single frames of a video: by index or by time, and as picture files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from maskstream.errors import InputError
from maskstream.files import path_of, written_beside
from maskstream.video.read import VideoFrame, read_video

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  #: of pictures that can be written
#: How each kind is encoded; OpenCV complains of settings that are another kind's.
_QUALITY = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101],
}

Moment = int | Fraction  #: the index of a frame, or seconds from the first one


def parse_moment(text: str) -> Moment:
    """``120``: a frame's index; ``4.8s``, ``0:04.8``, ``1:02:03``: seconds from the first frame.

    Example:
        >>> parse_moment("120"), parse_moment("0:04.8")
        (120, Fraction(24, 5))

    Raises:
        InputError: it is neither.
    """
    if re.fullmatch(r"\d{1,12}", text):
        return int(text)
    found = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,9}):)?(\d{1,12}(?:\.\d{1,12})?)(s?)", text)
    if found is None or not (found[2] or found[4]):
        raise InputError(f"{text}: give the index of a frame, as 120, or a time, as 4.8s or 0:04.8")
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + Fraction(found[3])


def frames_at(video: str | os.PathLike[str], moments: Sequence[Moment]) -> Iterator[VideoFrame]:
    """The frames at some moments, in the order of the video, each once; the video is decoded once.

    Args:
        video: file or folder of images (which has 24 a second where a time is asked for).
        moments: indices, and times: the frame that is shown then.

    Raises:
        InputError: the video can't be read, or has no such frame.
    """
    indices = {moment for moment in moments if isinstance(moment, int)}
    times = sorted({moment for moment in moments if not isinstance(moment, int)})
    with read_video(video) as reader, closing(iter(reader)) as frames:  # type: ignore[type-var]
        first: Fraction | None = None
        before: VideoFrame | None = None
        given = -1
        for frame in frames:
            shown = Fraction(frame.index, 24) if frame.time is None else frame.time
            first = shown if first is None else first
            while times and before is not None and times[0] < shown - first:
                times.pop(0)
                if before.index != given:
                    given = before.index
                    yield before
            if frame.index in indices:
                indices.discard(frame.index)
                if frame.index != given:
                    given = frame.index
                    yield frame
            if not indices and not times:
                return
            before = frame
        if before is None:
            raise InputError(f"{video}: no frame can be read from it")
        last = Fraction(before.index, 24) if before.time is None else before.time
        end = last - (first or 0) + (before.duration or 1 / (reader.info.frame_rate or Fraction(24)))
        if times and times[0] < end:
            times = [time for time in times if time >= end]
            if before.index != given:
                yield before
        if times or indices:
            wanted = f"{float(times[0]):g} s" if times else f"frame {min(indices)}"
            raise InputError(
                f"{video}: has nothing at {wanted}; it has {before.index + 1} frames, to {float(end):.3f} s"
            )


def save_stills(
    video: str | os.PathLike[str],
    moments: Sequence[Moment],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Iterator[tuple[Path, VideoFrame]]:
    """Save frames as pictures.

    Args:
        video: file or folder of images.
        moments: as for ``frames_at``.
        output: a picture, or a folder that gets a PNG of each frame (``00120.png``); made with its parents.
        overwrite: pictures that exist are replaced.

    Yields:
        Where each is, and the frame.

    Raises:
        InputError: see ``frames_at``; a picture is there already, or can't be of this kind.
    """
    output = path_of(output, "a picture or folder")
    single = output.suffix.lower() in SUFFIXES and not output.is_dir()
    if single and len(set(moments)) > 1:
        raise InputError(f"{output}: is one picture; name a folder for {len(set(moments))} frames")
    if single and output.exists() and not overwrite:
        raise InputError(f"{output}: exists; give --overwrite to replace it")
    if not single and output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; name a picture ({', '.join(SUFFIXES)}) or a folder")
    if output.resolve() == path_of(video, "a video").resolve():
        raise InputError(f"{output}: is read as input; name another output")
    for frame in frames_at(video, moments):
        path = output if single else output / f"{frame.name}.png"
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists; give --overwrite to replace it")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(path, frame.image)
        yield path, frame


def save_picture(path: Path, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as a picture file, beside and renamed.

    Raises:
        InputError: this kind of file can't hold it.
        OSError: it can't be written.
    """
    suffix = path.suffix.lower()
    try:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(suffix, bgr, _QUALITY.get(suffix, []))
    except cv2.error:
        done = False
    if not done:
        raise InputError(f"{path}: {path.suffix} can't hold a picture of this size; use .png")
    with written_beside(path) as part:
        part.write_bytes(data.data)
