"""Frames of a video file or a folder of images, one at a time, upright and in RGB; forwards or backwards."""

from __future__ import annotations

import logging
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice, pairwise
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from maskstream.arrays import Bytes
from maskstream.errors import InputError
from maskstream.video.animation import TICK, is_animation, pictures
from maskstream.video.colour import Colour, RgbConverter, over
from maskstream.video.images import read_image
from maskstream.video.opening import name_of
from maskstream.video.probe import VideoInfo, fraction, open_video, probe
from maskstream.video.timeline import Timeline

logger = logging.getLogger(__name__)

#: Stands for a frame without a time stamp in the index of ``read_reversed``.
_NO_PTS = -(2**63)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: position among the readable frames of the file, from 0; position in the folder for images.
        time: seconds as the file says, exact; None where it says nothing (folders of images).
        pts: time stamp in ticks of ``time_base``; None where the file says nothing.
        time_base: seconds a tick; None for folders.
        image: ``(H, W, 3)`` uint8 RGB, upright.
        name: what an output for this frame is named after: the image's stem, else ``00000`` on.
        duration: seconds that the frame is shown; None where unknown.
    """

    index: int
    time: Fraction | None
    pts: int | None
    time_base: Fraction | None
    image: np.ndarray[Any, np.dtype[np.uint8]]
    name: str
    duration: Fraction | None = None


class FrameReader:
    """Iterates over the frames of a video; made by ``read_video``.

    Each iteration starts at the first frame. The file is closed when the iteration ends, when the
    ``with`` block ends, and on ``close``.

    Attributes:
        info: what the video is.
        skipped: damaged frames that were left out by the latest iteration.
    """

    def __init__(
        self, info: VideoInfo, start: int, end: int | None, every: int, fill: Colour | None = None
    ) -> None:
        self.info = info
        self._fill = fill
        self.skipped = 0
        self._start, self._end, self._every = start, end, every
        self._running: Generator[VideoFrame, None, None] | None = None

    @property
    def expected(self) -> int | None:
        """How many frames will come, as far as that is known in advance; for a progress bar."""
        ends = [n for n in (self.info.frame_count, self._end) if n is not None]
        return len(range(self._start, min(ends), self._every)) if ends else None

    def __iter__(self) -> Iterator[VideoFrame]:
        self.close()
        self.skipped = 0
        if self._fill is None:
            _tell_of(self.info)
        self._running = self._images() if self.info.images else self._frames()
        return self._running

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; an iteration under way ends."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _wanted(self, index: int) -> bool:
        return index >= self._start and (index - self._start) % self._every == 0

    def _skip(self) -> None:
        self.skipped += 1

    def _tell_if_short(self, count: int, end: Fraction | None) -> None:
        """Say so if the file ends before it said it would.

        Args:
            count: frames that came.
            end: seconds at which the last one ends; None where that is unknown.
        """
        info = self.info
        if not info.exact or info.frame_count is None or count >= 0.95 * info.frame_count - 1:
            return  # what a header says may be a little off
        if end is not None and info.duration is not None:
            shown = end - (info.start_time or 0)
            if shown >= info.duration * Fraction(95, 100) - (1 / info.frame_rate if info.frame_rate else 0):
                return  # fewer frames, but for as long: their rate varies
        logger.warning(
            "%s: %d frames came where its header speaks of %d; it may be cut short",
            info.path,
            count,
            info.frame_count,
        )

    def _images(self) -> Generator[VideoFrame, None, None]:
        for index in range(self._start, min(len(self.info.images), self._end or 2**63), self._every):
            frame = _image_frame(self.info, index)
            if frame is None:
                self._skip()
            else:
                yield frame

    def _frames(self) -> Generator[VideoFrame, None, None]:
        count = 0
        with closing(_all_frames(self.info, self._fill, self._skip)) as frames:
            for index, frame in enumerate(frames):
                if self._end is not None and index >= self._end:
                    break
                count = index + 1
                if self._wanted(index):
                    yield frame()
            else:
                self._tell_if_short(count, frame.end if count else None)
        if count <= self._start:
            raise InputError(
                f"{self.info.path}: it has {count} frames, so none from frame {self._start} on; start earlier"
            )
        if self.skipped:
            were = "frame was" if self.skipped == 1 else "frames were"
            logger.warning("%s: %d damaged %s left out", self.info.path, self.skipped, were)


def read_video(
    path: str | os.PathLike[str],
    start: int | None = None,
    end: int | None = None,
    every: int = 1,
    *,
    fill: Colour | None = None,
) -> FrameReader:
    """Read a video file or a folder of images frame by frame, in constant memory.

    Rotation and mirroring by the display matrix are applied. The tagged colour matrix and range are used
    (untagged: BT.709 from 720 lines on, BT.601 below). Frames deeper than 8 bits come as 8 bits, with one
    warning. A damaged frame is left out and counted in ``FrameReader.skipped``.

    Args:
        path: video file, folder of images, or a sequence's folder (``JPEGImages/480p/bear``).
        start: index of the first frame wanted; frames before it are decoded and dropped, so it is exact.
        end: index after the last frame wanted.
        every: only every n-th frame from ``start`` on.
        fill: (R, G, B) that shines through where the video is transparent. If None, the colours that are
            stored there are seen, and a warning says so. (The alpha of VP8 and VP9 is not read.)

    Example:
        >>> with read_video("holiday.mp4", end=2) as reader:
        ...     for frame in reader:
        ...         print(frame.time, frame.image.shape)
        0 (64, 96, 3)
        1/24 (64, 96, 3)

    Raises:
        InputError: the video can't be read (see ``probe``), or the range is empty.
    """
    start, end = _whole(start or 0, "start"), None if end is None else _whole(end, "end")
    if _whole(every, "every") < 1:
        raise InputError(f"every {every} frames makes no sense; give 1 or more")
    info = probe(path)
    _check_range(info, start, end)
    return FrameReader(info, start, end, every, fill)


def read_reversed(
    path: str | os.PathLike[str], start: int = 0, end: int | None = None, chunk: int = 32
) -> Generator[VideoFrame, None, None]:
    """Read a video backwards: frames ``end - 1`` down to ``start``, the same images as ``read_video`` gives.

    The frames up to ``end`` are decoded once to learn their time stamps; then one chunk after another is
    decoded from the key frame before it. At most ``chunk`` images are held.

    Args:
        path: as for ``read_video``.
        start: index of the last frame that comes.
        end: index after the first frame that comes; the end of the video if None.
        chunk: images held at once; more is faster and takes more memory (2.8 MB an image at 720p).

    Raises:
        InputError: as ``read_video``.
    """
    start, end = _whole(start, "start"), None if end is None else _whole(end, "end")
    info = probe(path)
    _check_range(info, start, end)
    _tell_of(info)
    return _reversed_images(info, start, end) if info.images else _reversed_frames(info, start, end, chunk)


def _whole(value: Any, what: str) -> int:
    """A count of frames.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{what} {value!r} is no number of frames; give a whole number")
    return int(value)


def _tell_of(info: VideoInfo) -> None:
    """Say what of a video is not seen in its frames."""
    if info.alpha:
        logger.warning(
            "%s: its transparency is not used; where it is transparent, the colours stored there are seen",
            info.path,
        )
    if info.interlaced:
        logger.warning(
            "%s: is interlaced; its half-pictures are worked on as one frame and written as such. "
            "Deinterlace it first where things move fast",
            info.path,
        )


def _check_range(info: VideoInfo, start: int, end: int | None) -> None:
    if start < 0 or (end is not None and end <= start):
        raise InputError(f"{info.path}: frames {start} to {end} are none; the end must come after the start")
    if info.images and start >= len(info.images):
        raise InputError(
            f"{info.path}: it has {len(info.images)} images, so none from {start} on; start earlier"
        )


def _image_frame(info: VideoInfo, index: int) -> VideoFrame | None:
    path = info.images[index]
    image = read_image(path)
    if image is None:
        logger.warning("%s: not a readable image; left out", path)
        return None
    height, width = image.shape[:2]
    if (width, height) != info.size:
        raise InputError(
            f"{path}: it is {width}x{height} but the images before it are {info.width}x{info.height}; "
            "make all images of the folder the same size"
        )
    return VideoFrame(index, time=None, pts=None, time_base=None, image=image, name=path.stem)


class _Converter:
    """Decoded frames of one stream to what the reader hands out."""

    def __init__(self, info: VideoInfo, stream: VideoStream, fill: Colour | None = None) -> None:
        self._orientation = info.orientation
        self._time_base = fraction(stream.time_base)
        self._rgb = RgbConverter(str(info.path), info.colour, fill)

    def __call__(self, index: int, frame: av.VideoFrame) -> VideoFrame:
        pts, base = _pts(frame), self._time_base
        return VideoFrame(
            index,
            time=pts * base if pts is not None and base else None,
            pts=pts,
            time_base=base,
            image=self._orientation.apply(self._rgb(frame)),
            name=f"{index:05d}",
            duration=frame.duration * base if frame.duration and base else None,
        )


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A frame that is made into an image when it is called.

    Attributes:
        end: seconds at which it ends; None where that is unknown.
    """

    make: Callable[[], VideoFrame]
    end: Fraction | None

    def __call__(self) -> VideoFrame:
        return self.make()


def _all_frames(
    info: VideoInfo, fill: Colour | None, on_skip: Callable[[], None] = lambda: None
) -> Generator[_Decoded, None, None]:
    """All frames of a file from its beginning."""
    if is_animation(info.path):
        for index, (image, ticks, length) in enumerate(pictures(info.path)):
            make = partial(_picture_frame, index, image, ticks, length, fill)
            yield _Decoded(make, (ticks + length) * TICK)
        return
    with open_video(info.path) as (container, stream):
        convert, base = _Converter(info, stream, fill), fraction(stream.time_base)
        with closing(_decode(container, stream, on_skip)) as frames:
            for index, frame in enumerate(frames):
                pts = _pts(frame)
                end = None if pts is None or base is None else (pts + (frame.duration or 0)) * base
                yield _Decoded(partial(convert, index, frame), end)


def _picture_frame(index: int, image: Bytes, ticks: int, length: int, fill: Colour | None) -> VideoFrame:
    """One picture of an animation."""
    if image.shape[2] == 4:
        image = image[..., :3].copy() if fill is None else over(image, fill)
    return VideoFrame(index, ticks * TICK, ticks, TICK, image, f"{index:05d}", length * TICK)


def _pts(frame: av.VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts


def _decode(
    container: InputContainer,
    stream: VideoStream,
    on_skip: Callable[[], None] = lambda: None,
    timeline: Timeline | None = None,
) -> Generator[av.VideoFrame, None, None]:
    """Frames in display order from where the container stands; ``on_skip`` is called for each damaged one."""
    frames = _decoded(container, stream, on_skip, timeline)
    if _lacks_display_times(container, stream):
        frames = _timed_by_decoding(frames)
    yield from _filled_in(frames, stream)


def _lacks_display_times(container: InputContainer, stream: VideoStream) -> bool:
    """Whether it is an AVI with B-frames, which has decoding times only."""
    return container.format.name == "avi" and stream.codec_context.has_b_frames


def _filled_in(frames: Iterator[av.VideoFrame], stream: VideoStream) -> Generator[av.VideoFrame, None, None]:
    """Frames with time stamps also where the file has none (bare H.264): each begins where the last one ends.

    Those that were counted so are marked in ``opaque``.
    """
    base, rate = fraction(stream.time_base), fraction(stream.average_rate)
    usual = round(1 / (rate * base)) if rate and base else 0
    following = 0
    for frame in frames:
        pts = _pts(frame)
        if pts is None and usual:
            frame.pts = pts = following
            frame.opaque = "counted"
        following = (pts or 0) + (frame.duration or usual)
        yield frame


def _timed_by_decoding(frames: Iterator[av.VideoFrame]) -> Generator[av.VideoFrame, None, None]:
    """Frames with their decoding times, counted from the first's, for time stamps."""
    first, pts, step = None, 0, 0
    for frame in frames:
        before = pts
        if frame.dts is None:  # the last ones, which leave the decoder when all is read
            pts += step
        else:
            first = frame.dts if first is None else first
            pts = frame.dts - first
            step = pts - before
        frame.pts = pts
        yield frame


def _decoded(
    container: InputContainer,
    stream: VideoStream,
    on_skip: Callable[[], None],
    timeline: Timeline | None = None,
) -> Generator[av.VideoFrame, None, None]:
    packets = (timeline or Timeline(container)).packets([stream])
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            logger.warning("%s: reading stops here, the rest is damaged (%s)", name_of(container), error)
            on_skip()
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError as error:
            logger.debug("%s: a frame could not be decoded (%s)", name_of(container), error)
            on_skip()
            continue
        yield from frames


def _reversed_images(info: VideoInfo, start: int, end: int | None) -> Generator[VideoFrame, None, None]:
    for index in range(min(len(info.images), end or 2**63) - 1, start - 1, -1):
        frame = _image_frame(info, index)
        if frame is not None:
            yield frame


def _reversed_frames(
    info: VideoInfo, start: int, end: int | None, chunk: int
) -> Generator[VideoFrame, None, None]:
    stamps, keys = _index(info, end)
    if len(stamps) <= start:
        raise InputError(f"{info.path}: it has {len(stamps)} frames, so none from frame {start} on")
    for last in range(len(stamps), start, -chunk):
        first = max(start, last - chunk)
        frames = _chunk(info, stamps, keys, first, last)
        while frames:
            yield frames.pop()


def _index(info: VideoInfo, end: int | None) -> tuple[array[int], list[int]]:
    """Time stamps of the frames before ``end``, and the indices of the key frames among them.

    There are none of these where the place of a frame can't be found by its time.
    """
    stamps, keys = array("q"), []
    if is_animation(info.path):
        with closing(_all_frames(info, None)) as pictures_:
            stamps.extend(_NO_PTS for _ in islice(pictures_, end))
        return stamps, []
    with open_video(info.path) as (container, stream):
        timeline, timed = Timeline(container), True
        with closing(_decode(container, stream, timeline=timeline)) as frames:
            for index, frame in enumerate(islice(frames, end)):
                if frame.key_frame:
                    keys.append(index)
                timed = timed and frame.opaque is None
                pts = _pts(frame)
                stamps.append(_NO_PTS if pts is None else pts)
        return stamps, keys if timed and not timeline.jumps else []


def _chunk(info: VideoInfo, stamps: array[int], keys: list[int], first: int, last: int) -> list[VideoFrame]:
    """Frames ``first`` to ``last - 1``, decoded from the nearest place that gives exactly these."""
    wanted = stamps[first:last]
    nearest = bisect_right(keys, first)
    seekable = _NO_PTS not in wanted and all(a < b for a, b in pairwise(wanted))
    for key in reversed(keys[max(0, nearest - 2) : nearest] if seekable else []):
        frames = _decoded_after(info, stamps[key], first, wanted) if key else []
        if [frame.pts for frame in frames] == wanted.tolist():
            return frames
    with closing(_all_frames(info, None)) as frames_:
        return [frame() for frame in islice(frames_, first, last)]


def _decoded_after(info: VideoInfo, key: int, first: int, wanted: array[int]) -> list[VideoFrame]:
    """Frames of the wanted time stamps as far as they come, decoded from the key frame at ``key``."""
    frames: list[VideoFrame] = []
    with open_video(info.path) as (container, stream), closing(_decode(container, stream)) as decoded:
        if _lacks_display_times(container, stream):
            return frames  # they are counted from the beginning
        try:
            container.seek(key, stream=stream)
        except FFmpegError:
            return frames
        convert = _Converter(info, stream)
        for frame in decoded:
            pts = _pts(frame)
            if pts is None or pts > wanted[-1]:
                break
            if pts >= wanted[0]:
                frames.append(convert(first + len(frames), frame))
            if len(frames) == len(wanted):
                break
    return frames
