"""What a video file or a folder of images is, before any of it is processed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from maskstream.errors import InputError
from maskstream.files import check_is_there, path_of
from maskstream.pictures import check_pixels
from maskstream.video.animation import TICK, is_animation, look
from maskstream.video.colour import ColourTags
from maskstream.video.images import exif_orientation, has_alpha, list_images, read_image
from maskstream.video.opening import TEXT_FORMATS, check_picture, limit_pixels, main_picture, open_file
from maskstream.video.timeline import Timeline

_SCANNED = (
    64_000_000  #: bytes of a transport stream, which says nothing of its frames, that are looked through
)


@dataclass(frozen=True)
class Orientation:
    """How stored pixels are turned upright: transposed, then flipped (a display matrix in quarter turns)."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The orientation that a frame's display matrix asks for (ISO/IEC 14496-12, ``tkhd``)."""
        try:
            side_data: Any = frame.side_data
        except (
            ValueError
        ):  # PyAV has no name for a newer kind, such as EXIF: a quarter turn is known, at least
            return _TURNS.get(frame.rotation % 360, cls())
        data = side_data.get(SideDataType.DISPLAYMATRIX)
        if data is None:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].tolist()
        if abs(b) > abs(a):
            return cls(transpose=True, flip_x=c < 0, flip_y=b < 0)
        return cls(flip_x=a < 0, flip_y=d < 0)

    @property
    def rotation(self) -> int:
        """Clockwise turn in degrees (0, 90, 180, 270) that makes the stored picture upright."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    @property
    def mirrored(self) -> bool:
        """Whether the stored picture is mirrored besides being turned."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def apply(self, image: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The upright picture of a stored ``(H, W, 3)`` one, C-contiguous."""
        if self.transpose:
            image = np.asarray(cv2.transpose(image), dtype=np.uint8)
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else 1 if self.flip_x else 0
            image = np.asarray(cv2.flip(image, code), dtype=np.uint8)
        return image


#: By the counter-clockwise turn (degrees) that FFmpeg makes of a display matrix.
_TURNS = {
    90: Orientation(transpose=True, flip_y=True),
    180: Orientation(flip_x=True, flip_y=True),
    270: Orientation(transpose=True, flip_x=True),
}


_BY_EXIF = {
    2: Orientation(flip_x=True),
    3: Orientation(flip_x=True, flip_y=True),
    4: Orientation(flip_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, flip_x=True),
    7: Orientation(transpose=True, flip_x=True, flip_y=True),
    8: Orientation(transpose=True, flip_y=True),
}


@dataclass(frozen=True)
class AudioInfo:
    """One audio stream of a file."""

    index: int
    codec: str
    rate: int
    channels: int
    language: str | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What a video is; sizes are those of the upright picture.

    Attributes:
        path: the file or folder.
        width: of the upright picture in pixels.
        height: of the upright picture in pixels.
        frame_rate: average frames a second, exact; None where the file says nothing (folders of images).
        time_base: seconds of one tick of the time stamps; None for folders.
        start_time: seconds of the first time stamp; None where unknown.
        duration: seconds; None where unknown.
        frame_count: number of frames: exact for folders, what the file says or an estimate from the duration
            else, None where neither is known.
        orientation: how stored frames are turned upright.
        codec: FFmpeg's name, ``images`` for a folder.
        pixel_format: FFmpeg's name of the stored format.
        bits: of one stored colour component.
        colour: the colour tags as stored.
        sample_aspect_ratio: width / height of one pixel of the upright picture.
        audio: the audio streams.
        alpha: whether the picture is transparent somewhere (in its first frame, or by its tags).
        interlaced: whether a frame is two half-pictures of different moments.
        exact: whether count and duration are the picture's own; else they are the whole file's, or guessed.
        images: the files of a folder, in order; empty for a video file.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction | None
    time_base: Fraction | None
    start_time: Fraction | None
    duration: Fraction | None
    frame_count: int | None
    orientation: Orientation
    codec: str
    pixel_format: str
    bits: int
    colour: ColourTags
    sample_aspect_ratio: Fraction = Fraction(1)
    audio: tuple[AudioInfo, ...] = ()
    alpha: bool = False
    interlaced: bool = False
    exact: bool = False
    images: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def rotation(self) -> int:
        """Clockwise turn in degrees that was or will be applied to make the picture upright."""
        return self.orientation.rotation

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of the upright picture."""
        return self.width, self.height

    @property
    def conversion(self) -> ColourTags:
        """The matrix and range that frames are converted with: the tagged ones, else the usual guess."""
        lines = self.width if self.orientation.transpose else self.height
        return self.colour.resolved(lines, self.pixel_format)


def fraction(value: Any) -> Fraction | None:
    """A PyAV rational (``Fraction`` before PyAV 19, ``AVRational`` from it on) or None where it is unset."""
    if not value or not value.denominator:
        return None
    return Fraction(int(value.numerator), int(value.denominator))


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and choose its video stream: the default or the first one, no cover picture.

    Raises:
        InputError: the file can't be opened, or holds no video stream, or one of an unknown codec, or its
            pictures have too many pixels.
    """
    with open_file(path) as container:
        if container.format.name in TEXT_FORMATS:
            raise InputError(f"{path}: not a readable video (it is text)")
        check_picture(path, container)
        stream = main_picture(container)
        if stream is None:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise InputError(f"{path}: no video stream in this file (it holds {kinds})")
        if stream.codec_context is None:
            raise InputError(f"{path}: its video codec is not supported; convert it to H.264 first")
        check_pixels(path, stream.codec_context.width, stream.codec_context.height)
        limit_pixels(stream)
        # Frame threads would lose the frames after a damaged one near the end, and not say so.
        stream.thread_type = "SLICE"
        yield container, stream


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """What a video file or a folder of images is. Reads the header and one frame.

    Example:
        >>> probe("holiday.mp4").frame_rate
        Fraction(24, 1)

    Raises:
        InputError: missing, not a video, no video stream, no frame in it, a folder without images.
    """
    path = path_of(path, "a video or a folder of images")
    check_is_there(path)
    if path.is_dir():
        return _probe_folder(path)
    if is_animation(path):
        return _probe_animation(path)
    with open_video(path) as (container, stream):
        return _probe_stream(path, container, stream)


def _probe_folder(folder: Path) -> VideoInfo:
    images = list_images(folder)
    read = ((path, read_image(path)) for path in images)
    first_path, first = next(((path, image) for path, image in read if image is not None), (folder, None))
    if first is None:
        raise InputError(f"{folder}: none of its {len(images)} images can be read")
    height, width = first.shape[:2]
    return VideoInfo(
        path=folder,
        width=width,
        height=height,
        frame_rate=None,
        time_base=None,
        start_time=None,
        duration=None,
        frame_count=len(images),
        orientation=Orientation(),
        codec="images",
        pixel_format="rgb24",
        bits=8,
        colour=ColourTags(),
        alpha=has_alpha(first_path),
        exact=True,
        images=tuple(images),
    )


def _probe_animation(path: Path) -> VideoInfo:
    found = look(path)
    return VideoInfo(
        path=path,
        width=found.width,
        height=found.height,
        frame_rate=found.count / found.duration,
        time_base=TICK,
        start_time=Fraction(0),
        duration=found.duration,
        frame_count=found.count,
        orientation=Orientation(),
        codec="webp",
        pixel_format="rgba" if found.alpha else "rgb24",
        bits=8,
        colour=ColourTags(),
        alpha=found.alpha,
        exact=True,
    )


def _probe_stream(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    frame = _first_frame(container, stream)
    if frame is None:
        raise InputError(f"{path}: no frame can be decoded from this file; it is empty or damaged")
    context = stream.codec_context
    time_base = fraction(stream.time_base)
    rate = fraction(stream.average_rate) or fraction(stream.guessed_rate)
    if frame.pts is None and frame.dts is None:  # the demuxer's guess; what the stream says is right
        rate = (1 / (frame.duration * time_base) if frame.duration and time_base else None) or rate
    duration, exact = _duration(container, stream)
    count = _count(container, stream)
    if count is None and Timeline(container).may_jump:
        count, duration, exact = _scanned(path) or (None, duration, False)
    if count is None and duration and rate:
        count = round(duration * rate)
    is_image = container.format.name.endswith("_pipe")
    orientation = _BY_EXIF.get(exif_orientation(path), Orientation()) if is_image else Orientation.of(frame)
    aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
    height, width = frame.height, frame.width
    if orientation.transpose:
        height, width, aspect = width, height, 1 / aspect
    tags, frame_tags = ColourTags.of(context), ColourTags.of(frame)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        frame_rate=rate,
        time_base=time_base,
        start_time=stream.start_time * time_base if stream.start_time is not None and time_base else None,
        duration=duration,
        frame_count=count,
        orientation=orientation,
        codec=context.name,
        pixel_format=frame.format.name,
        bits=max(component.bits for component in frame.format.components),
        colour=tags if frame_tags == ColourTags() else frame_tags,
        sample_aspect_ratio=aspect,
        audio=tuple(
            AudioInfo(s.index, s.codec_context.name, s.codec_context.sample_rate, s.channels, s.language)
            for s in container.streams.audio
            if s.codec_context is not None
        ),
        alpha=stream.metadata.get("alpha_mode") == "1" or _is_transparent(frame),
        interlaced=bool(frame.interlaced_frame),
        exact=exact,
    )


def _duration(container: InputContainer, stream: VideoStream) -> tuple[Fraction | None, bool]:
    """Seconds of the picture, and whether that is its own; else it is that of the whole file."""
    base = fraction(stream.time_base)
    matroska = "matroska" in container.format.name
    if stream.duration is not None and base:
        return stream.duration * base, not Timeline(container).may_jump
    own = _tagged_duration(stream)
    duration = own
    if duration is None and container.duration:
        duration = Fraction(container.duration, av.time_base)
    if matroska and duration and stream.start_time and base and stream.start_time * base < duration:
        duration -= stream.start_time * base  # what Matroska calls so is the moment of the end
    return duration, duration is not None and (own is not None or not container.streams.audio)


def _count(container: InputContainer, stream: VideoStream) -> int | None:
    """How many frames are shown, where the file says so: those that an edit list cuts off are not."""
    if not stream.frames:
        return None
    entries = stream.index_entries
    if "mp4" in container.format.name and len(entries) == stream.frames:
        return sum(not entry.is_discard for entry in entries)
    return stream.frames


def _scanned(path: Path) -> tuple[int, Fraction | None, bool] | None:
    """Count and seconds of a picture, from all its packets; None for a file that is too large."""
    if path.stat().st_size > _SCANNED:
        return None
    times = scan(path)
    if not times:
        return None
    stamps = [time for time, _ in times if time is not None]
    length = max(stamps) - min(stamps) + max(length for _, length in times) if stamps else None
    return len(times), length, True


def scan(path: Path) -> list[tuple[Fraction | None, Fraction]]:
    """Time and duration (seconds) of each frame that is shown, in the order stored, without decoding."""
    times: list[tuple[Fraction | None, Fraction]] = []
    with open_video(path) as (container, stream):
        base = fraction(stream.time_base) or Fraction(0)
        try:
            for packet in Timeline(container).packets([stream]):
                if packet.size and not packet.is_discard:
                    stamp = None if packet.pts is None else packet.pts * base
                    times.append((stamp, (packet.duration or 0) * base))
        except FFmpegError:
            pass  # a damaged rest; what came before is known
    return times


def _is_transparent(frame: av.VideoFrame) -> bool:
    if not any(component.is_alpha for component in frame.format.components):
        return False
    return int(frame.to_ndarray(format="rgba")[..., 3].min()) < 255


def _tagged_duration(stream: VideoStream) -> Fraction | None:
    """What Matroska says of one stream in a tag, ``00:01:02.500000000``; the file may last longer."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3]) if found else None


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    return frame
            except FFmpegError:
                continue
    except FFmpegError:
        pass
    return None
