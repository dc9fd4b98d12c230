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
from av.stream import Disposition
from av.video.stream import VideoStream

from maskstream.errors import InputError, one_line
from maskstream.video.colour import ColourTags
from maskstream.video.images import list_images, read_image

#: PyAV 19 always reads metadata this way and has no such arguments; before, a Latin-1 title was an error.
OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}
)

#: Formats by which FFmpeg reads any text as a picture of letters.
TEXT_FORMATS = frozenset(("tty", "bin", "xbin", "adf", "idf"))


@dataclass(frozen=True)
class Orientation:
    """How stored pixels are turned upright: transposed, then flipped (a display matrix in quarter turns)."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The orientation that a frame's display matrix asks for (ISO/IEC 14496-12, ``tkhd``)."""
        side_data: Any = frame.side_data
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
    """Open a video file and choose its first real video stream (cover pictures are none).

    Raises:
        InputError: the file can't be opened, or holds no video stream, or one of an unknown codec.
    """
    try:
        container = av.open(str(path), **OPEN_OPTIONS)
    except FFmpegError as error:
        reason = one_line(error).lower()
        raise InputError(
            f"{path}: not a readable video ({reason}); it is damaged, cut short or of another kind"
        ) from error
    with container:
        if container.format.name in TEXT_FORMATS:
            raise InputError(f"{path}: not a readable video (it is text)")
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise InputError(f"{path}: no video stream in this file (it holds {kinds})")
        stream = streams[0]
        if stream.codec_context is None:
            raise InputError(f"{path}: its video codec is not supported; convert it to H.264 first")
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
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        return _probe_folder(path)
    with open_video(path) as (container, stream):
        return _probe_stream(path, container, stream)


def _probe_folder(folder: Path) -> VideoInfo:
    images = list_images(folder)
    first = next((image for image in map(read_image, images) if image is not None), None)
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
        images=tuple(images),
    )


def _probe_stream(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    frame = _first_frame(container, stream)
    if frame is None:
        raise InputError(f"{path}: no frame can be decoded from this file; it is empty or damaged")
    context = stream.codec_context
    time_base = fraction(stream.time_base)
    rate = fraction(stream.average_rate) or fraction(stream.guessed_rate)
    if stream.duration is not None and time_base:
        duration: Fraction | None = stream.duration * time_base
    else:
        duration = _tagged_duration(stream)
        if duration is None and container.duration:
            duration = Fraction(container.duration, av.time_base)
    estimate = round(duration * rate) if duration and rate else None
    orientation = Orientation.of(frame)
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
        frame_count=stream.frames or estimate,
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
    )


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
