"""Video files out: exact time stamps, tagged colours, all that the source held, and never half a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import ArgumentError, FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from maskstream.arrays import Bytes
from maskstream.errors import InputError
from maskstream.files import Unfinished, path_of
from maskstream.video.animation import is_animation
from maskstream.video.carried_streams import KeptStreams
from maskstream.video.colour import BT601, BT709, LIMITED, ColourTags, YuvConverter
from maskstream.video.encoders import CRF, VIDEO_SUFFIXES, container_of, encoder_for
from maskstream.video.image_sequence import ImageSequenceWriter
from maskstream.video.keep import LENIENT, needs_free_keys
from maskstream.video.opening import url_of
from maskstream.video.probe import VideoInfo, fraction

__all__ = ["VIDEO_SUFFIXES", "ImageSequenceWriter", "VideoWriter"]

logger = logging.getLogger(__name__)


class VideoWriter:
    """Writes RGB images as a video file (H.264 in mp4 unless the file name or ``codec`` says otherwise).

    With ``alpha`` it is ProRes 4444 in a ``.mov``, VP9 in a ``.webm`` or ``.mkv``, or FFV1 without loss in a
    ``.mkv`` if asked for. The alpha is straight: colours are stored as they are given, also where it is 0.

    With ``keep_from`` the sound, subtitles, chapters, covers, attachments and metadata of that file come
    along with their times, as they are where the container can hold them; ``keep.plan_streams`` says what
    becomes of each, and a warning names each that is re-encoded or left out.

    Use it as a context manager. The file is written under a temporary name beside ``path`` and renamed when
    the block ends well; when it ends with an exception nothing is left.

    The picture has the size of the first image. H.264 and HEVC in 4:2:0, the only kind that plays everywhere,
    need even sizes: an odd one is made even by repeating its last column or row. Time stamps are kept as
    given, also with a variable frame rate (Matroska and WebM round them to milliseconds).

    Example:
        >>> with read_video("clip.mp4") as reader, VideoWriter(
        ...     "copy.mp4", like=reader.info, keep_from="clip.mp4"
        ... ) as writer:
        ...     for frame in reader:
        ...         writer.write(frame.image, frame.time, frame.duration)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        like: VideoInfo | None = None,
        *,
        fps: Fraction | float | None = None,
        codec: str | None = None,
        crf: int | None = None,
        keep_from: str | os.PathLike[str] | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        alpha: bool = False,
    ) -> None:
        """Check what is asked for; the file is begun by the first ``write``.

        Args:
            path: file to write; ``.mp4``, ``.m4v``, ``.mov``, ``.mkv`` or ``.webm``. An old one is replaced.
            like: the source, whose frame rate, time base, pixel shape and colour tags are kept.
            fps: frames a second; the source's if None, 24 without a source.
            codec: ``h264``, ``hevc``, ``vp9``, ``prores``, ``ffv1``, or an FFmpeg encoder (``h264_nvenc``,
                ``libsvtav1``); by the file name if None.
            crf: quality, lower is better: 18 (if None) looks lossless in H.264, 23 is ordinary. ProRes and
                FFV1 have one quality only.
            keep_from: file all else of which is kept; a folder of images has nothing.
            start: moment of the source (seconds) that becomes 0 in the file; times are kept if None.
            end: what begins at this moment of the source (seconds) or later is not kept; all is if None.
            alpha: whether each image comes with an alpha.

        Raises:
            InputError: unknown file name suffix or codec, or the two don't go together, or can't hold
                alpha; no such folder.
        """
        self._path = path_of(path, "a video file")
        self._format = container_of(self._path)
        self._encoder = encoder_for(self._path, codec, alpha)
        if not self._path.parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; make it first")
        if crf is not None and self._encoder.quality is None:
            logger.warning("%s: %s has no such quality; crf %d is not used", path, self._encoder.name, crf)
        shape = like.sample_aspect_ratio if like else 1
        if shape != 1 and not self._encoder.keeps_pixel_shape(self._format):
            logger.warning("%s: the shape of its pixels, %s, is lost in %s", path, shape, self._path.suffix)
        self._alpha = alpha
        self._like = like
        rate = Fraction(fps).limit_denominator(1001) if fps else like.frame_rate if like else None
        self._rate = rate or Fraction(24)
        self._crf = CRF if crf is None else crf
        self._keep_from = keep_from
        self._start, self._end = start or Fraction(0), end
        self._part: Unfinished | None = None
        self._output: OutputContainer | None = None
        self._stream: VideoStream
        self._convert: YuvConverter
        self._kept: KeptStreams | None = None
        self._size = (0, 0)
        self._time_base = Fraction(0)
        self._next_time = Fraction(0)
        self._last_pts: int | None = None
        self._said_late = False

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()  # which leaves alone what is closed

    @property
    def end(self) -> Fraction | None:
        """Moment of the source (seconds) from which on nothing is kept; may be moved on the way.

        Chapters and subtitles that last longer are cut by the one given at first only.
        """
        return self._end

    @end.setter
    def end(self, end: Fraction | None) -> None:
        self._end = end
        if self._kept is not None:
            self._kept.end = end

    def write(
        self,
        image: Bytes,
        time: Fraction | None = None,
        duration: Fraction | None = None,
        alpha: Bytes | None = None,
    ) -> None:
        """Append one frame.

        Args:
            image: ``(H, W, 3)`` uint8 RGB, of the same size every time.
            time: seconds in the source; one frame after the one before if None.
            duration: seconds that it is shown; matters for the last frame only.
            alpha: ``(H, W)`` uint8, 255 = opaque, straight; if and only if the writer was made with alpha.

        Raises:
            ValueError: the image has another shape or type than the first, or the alpha than the image.
            InputError: the encoder can't be used here.
            OSError: the file can't be written, as on a full disk.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected an H x W x 3 uint8 image, got {image.shape} {image.dtype}")
        height, width = image.shape[:2]
        if self._output is None:
            self._open(width, height, timed=time is not None)
        if (width, height) != self._size:
            raise ValueError(f"expected an image of {self._size[0]}x{self._size[1]}, got {width}x{height}")
        if alpha is None and self._alpha:
            raise ValueError("expected an alpha with every image")
        if alpha is not None and (
            not self._alpha or alpha.dtype != np.uint8 or alpha.shape != image.shape[:2]
        ):
            wanted = f"a {height} x {width} uint8 alpha" if self._alpha else "no alpha"
            raise ValueError(f"expected {wanted}, got {alpha.shape} {alpha.dtype}")
        if self._encoder.even and (width % 2 or height % 2):
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        shown = time - self._start if time is not None else self._next_time
        pts = round(shown / self._time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            if not self._said_late:
                self._said_late = True
                logger.warning(
                    "%s: two frames at %.3f s; the second comes one tick later, and so do any others",
                    self._path,
                    float(shown),
                )
            pts = self._last_pts + 1
        self._last_pts = pts
        self._next_time = shown + (duration or 1 / self._rate)
        frame = self._convert(image, alpha)
        frame.pts, frame.time_base = pts, self._time_base
        frame.duration = round((duration or 1 / self._rate) / self._time_base)
        with self._named_errors():
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            InputError: no frame was written.
        """
        if self._output is None:
            raise InputError(f"{self._path}: no frame to write; the range of frames is empty")
        try:
            with self._named_errors():
                self._mux(self._stream.encode(None))
                if self._kept is not None:
                    self._kept.copy_rest(self._output)
                    self._kept.close()
                self._output.close()
            assert self._part is not None, "it is made with the output"
            self._part.publish()
        except BaseException:
            self.abort()
            raise
        self._output = None

    def abort(self) -> None:
        """Give up: nothing is left of the file."""
        if self._kept is not None:
            self._kept.close()
        part, self._part = self._part, None
        if part is not None:
            with suppress(OSError):  # Windows removes no open file
                part.discard()  # first, so that closing does not finish it
        if self._output is not None:
            try:
                self._output.close()
            except FFmpegError as error:
                logger.debug("%s: closing the unfinished file failed (%s)", self._path, error)
            self._output = None
        if part is not None:
            part.discard()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Errors of the muxer, which knows no file name, as those of the file."""
        try:
            yield
        except ArgumentError as error:
            raise InputError(
                f"{self._path}: what comes at {float(self._next_time):.3f} s can't be written; "
                "the times of the input are damaged, or this kind of file can't hold them"
            ) from error
        except FFmpegError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def _open(self, width: int, height: int, timed: bool) -> None:
        self._size = (width, height)
        like = self._like
        self._time_base = like.time_base if timed and like and like.time_base else 1 / self._rate
        if timed and not (like and like.time_base):
            self._time_base = Fraction(1, 90_000)
        source = None if self._keep_from is None else Path(self._keep_from)
        if source is not None and not source.is_dir() and not is_animation(source):
            self._kept = KeptStreams(source, self._format, self._start, self._end)
        self._part = Unfinished(self._path)
        try:
            self._output = av.open(
                url_of(self._part.path), "w", format=self._format, container_options=self._container_options()
            )
            self._stream = self._add_video(self._output, width, height)
            if self._kept is not None:
                self._kept.add_to(self._output, self._stream)
            with self._named_errors():
                self._begin(self._output)
        except BaseException:
            self.abort()
            raise

    def _begin(self, output: OutputContainer) -> None:
        try:
            output.start_encoding()
        except ArgumentError as error:
            raise InputError(
                f"{self._path}: a {self._path.suffix} file can't be made with {self._encoder.name}; "
                "use another codec or suffix"
            ) from error

    def _container_options(self) -> dict[str, str]:
        # Sparse subtitles must not let seconds of video pile up in the muxer (default 10).
        options = {"max_interleave_delta": "1000000", **LENIENT}
        if self._format in ("mp4", "mov"):
            free = self._kept is not None and needs_free_keys(self._kept.metadata, self._format)
            # Start times are stored in the movie's own ticks, by default milliseconds.
            options["movie_timescale"] = str(_timescale(self._time_base))
            options["movflags"] = "+faststart" + ("+use_metadata_tags" if free else "")
        return options

    def _add_video(self, output: OutputContainer, width: int, height: int) -> VideoStream:
        like, encoder = self._like, self._encoder
        tags = like.conversion if like else ColourTags(BT709 if height >= 720 else BT601, LIMITED)
        # What knows no range, or had another because it was RGB, is limited: players expect that of a video.
        if encoder.limited or (like and av.VideoFormat(like.pixel_format).is_rgb):
            tags = replace(tags, range=LIMITED)
        pixel_format = encoder.alpha if self._alpha and encoder.alpha else encoder.pixel_format
        self._convert = YuvConverter(tags.for_writing(), pixel_format)
        tags = self._convert.tags
        quality = {encoder.quality: str(self._crf)} if encoder.quality else {}
        name = encoder.name_for(width)
        try:
            stream = output.add_stream(name, rate=self._rate, options={**encoder.options, **quality})
        except UnknownCodecError as error:
            raise InputError(f"{self._path}: this PyAV has no {name} encoder; use another codec") from error
        assert isinstance(stream, VideoStream)
        even = int(encoder.even)
        stream.width, stream.height = width + width % 2 * even, height + height % 2 * even
        stream.pix_fmt = pixel_format
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.max_b_frames = 0
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        context.flags |= Flags.frame_duration
        if like and like.sample_aspect_ratio != 1:
            context.sample_aspect_ratio = like.sample_aspect_ratio
        if context.codec.canonical_name == "hevc" and self._format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the tag that Apple's players ask for
        try:
            context.open()
        except FFmpegError as error:
            raise InputError(
                f"{self._path}: the encoder {name} can't be used here "
                f"({(error.strerror or str(error)).lower()}); use another codec"
            ) from error
        return stream

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        assert self._output is not None
        for packet in packets:
            if self._kept is not None and packet.dts is not None:
                base = fraction(packet.time_base) or self._time_base
                self._kept.copy_until(self._output, packet.dts * base)
            self._output.mux(packet)


def _timescale(time_base: Fraction) -> int:
    """Ticks a second in which an mp4 holds times of a time base exactly."""
    ticks = time_base.denominator
    return ticks if ticks >= 10_000 else ticks * (10_000 // ticks + 1)
