"""Carries sound, subtitles, chapters, covers and metadata of one file into another with a new picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from maskstream.errors import InputError
from maskstream.video.keep import Fate, Plan, chapters, file_metadata, plan_streams, stream_metadata
from maskstream.video.opening import name_of, open_file
from maskstream.video.probe import fraction
from maskstream.video.timeline import Timeline

logger = logging.getLogger(__name__)

#: Usual layouts of sound that only says how many channels it has.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

AnyPacket: TypeAlias = "Packet[Any]"


class _Track(Protocol):
    """One stream on its way: packets of the source in, packets of the output out."""

    def packets(self, packet: AnyPacket) -> Iterator[AnyPacket]: ...

    def rest(self) -> Iterator[AnyPacket]: ...


class KeptStreams:
    """All that is kept of a file besides its picture, copied in step with the video: little is buffered.

    Times are kept, less ``start``. Matroska and WebM can't hold the negative times of an mp4's encoder
    delay: there, packets that end before 0 are left out, and one that lasts past it begins at 0.

    Attributes:
        metadata: of the file as a whole.
        end: what begins at this moment of the source or later is left out; may be moved on the way.
    """

    def __init__(self, source: Path, container: str, start: Fraction, end: Fraction | None) -> None:
        """Open the source and decide what becomes of its streams.

        Args:
            source: file.
            container: of the output; FFmpeg's name.
            start: moment of the source (seconds) that becomes 0.
            end: where in the source (seconds) chapters and subtitles end; see also the attribute.

        Raises:
            InputError: the source can't be opened.
        """
        self._source = source
        self._format = container
        self._start, self._end = start, end
        try:
            self._container: InputContainer = open_file(source)
        except InputError as error:
            raise InputError(f"{error}; it can't be opened to keep its sound and subtitles") from error
        self._timeline = Timeline(self._container)
        self._plans = plan_streams(self._container, container)
        self._from_zero = container in ("matroska", "webm") and self._container.format.name != "matroska,webm"
        self._tracks: dict[int, _Track] = {}
        self._covers: list[AnyPacket] = []
        self._packets: Iterator[tuple[Fraction, AnyPacket]] = iter(())
        self._waiting: tuple[Fraction, AnyPacket] | None = None
        self.metadata = file_metadata(self._container)
        self.end = end

    def add_to(self, output: OutputContainer, video: Stream) -> None:
        """Declare the streams, chapters and metadata of the output; its video stream is there already."""
        output.metadata.update(self.metadata)
        output.set_chapters(chapters(self._container, self._start, self._end))
        for plan in self._plans:
            stream = self._container.streams[plan.index]
            if plan.is_loss:
                logger.warning("%s: %s", self._source, plan)
            if plan.fate is Fate.PROCESSED:
                video.metadata.update(stream_metadata(stream, self._format))
                video.disposition = stream.disposition
                if self._start:
                    video.metadata.pop("timecode", None)  # it is that of the first frame
            elif plan.fate is not Fate.LEFT_OUT and plan.kind != "data":
                self._add(output, stream, plan)
        self._packets = self._read()

    def _add(self, output: OutputContainer, stream: Any, plan: Plan) -> None:
        if plan.kind == "attachment":
            name = stream.name or f"attachment{plan.index}"
            output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
            return
        if plan.kind == "cover":
            self._add_cover(output, stream, plan)
            return
        copy: Any
        if plan.encoder is None:
            copy = output.add_stream_from_template(stream)
            if plan.kind == "audio" and (layout := _layout(stream)) != stream.codec_context.layout.name:
                copy.codec_context.layout = layout  # an mp4 wants to know
            self._tracks[plan.index] = _Copied(copy)
        elif plan.kind == "audio":
            track = _EncodedSound(output, stream, plan.encoder)
            self._tracks[plan.index], copy = track, track.stream
        else:
            text = _EncodedText(output, stream, plan.encoder)
            self._tracks[plan.index], copy = text, text.stream
        copy.metadata.update(stream_metadata(stream, self._format))
        copy.disposition = stream.disposition

    def _add_cover(self, output: OutputContainer, stream: Any, plan: Plan) -> None:
        data = _first_packet(self._source, plan.index)
        if self._format == "matroska":
            kinds = {"mjpeg": "jpeg"}
            kind = kinds.get(plan.codec, plan.codec)
            name = stream.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
            output.add_attachment(name, stream.metadata.get("mimetype") or f"image/{kind}", data)
            return
        copy = output.add_stream_from_template(stream, opaque=True)
        copy.disposition = stream.disposition
        packet: AnyPacket = Packet(data)
        packet.pts = packet.dts = 0
        packet.time_base = Fraction(1, 1000)
        packet.is_keyframe = True
        packet.stream = copy
        self._covers.append(packet)

    def _read(self) -> Iterator[tuple[Fraction, AnyPacket]]:
        """The packets of the source that are kept, with their times in the output (seconds)."""
        wanted = [self._container.streams[index] for index in self._tracks]
        if not wanted:
            return
        ends: dict[int, Fraction] = {}
        for packet in self._timeline.packets(wanted):
            base = fraction(packet.time_base)
            if packet.pts is None or packet.dts is None or base is None:
                continue
            text = packet.stream.type == "subtitle"
            begin, length = packet.pts * base, (packet.duration or 0) * base
            if text and self._start and begin < self._start < begin + length:
                _trim(packet, round((self._start - begin) / base))  # a line that is on at the cut stays on
                begin = self._start
            if self._start and begin < self._start:
                continue
            if text and self._end is not None and begin < self._end < begin + length:
                packet.duration = round((self._end - begin) / base)
            if self._timeline.may_jump and packet.stream.type == "audio":
                if begin + length / 2 < ends.get(packet.stream_index, begin):
                    continue  # of two recordings that were put together, the first lasts a little longer
                ends[packet.stream_index] = begin + length
            shift = round(self._start / base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if self._from_zero and packet.dts < 0:
                if begin - self._start + length <= 0:
                    continue
                packet.pts = packet.dts = max(packet.pts, 0)
            yield begin - self._start, packet

    def copy_until(self, output: OutputContainer, time: Fraction) -> None:
        """Copy what comes up to a time in the output (seconds)."""
        while self._covers:
            output.mux(self._covers.pop())
        while True:
            self._waiting = self._waiting or self._next()
            if self._waiting is None or self._waiting[0] > time:
                return
            packet, self._waiting = self._waiting[1], None
            output.mux(list(self._tracks[packet.stream.index].packets(packet)))

    def copy_rest(self, output: OutputContainer) -> None:
        """Copy all that is left before the end."""
        past: set[int] = set()
        sounds = {i for i in self._tracks if self._container.streams[i].type == "audio"}
        while (waiting := self._waiting or self._next()) is not None:
            time, packet = waiting
            self._waiting = None
            index = packet.stream.index
            if self.end is not None and time >= self.end - self._start:
                past.add(index)
                if sounds and past >= sounds:
                    break
            elif index not in past:
                output.mux(list(self._tracks[index].packets(packet)))
        for track in self._tracks.values():
            output.mux(list(track.rest()))

    def _next(self) -> tuple[Fraction, AnyPacket] | None:
        try:
            return next(self._packets, None)
        except FFmpegError as error:
            logger.warning(
                "%s: its sound ends early, the rest is damaged (%s)", name_of(self._container), error
            )
            return None

    def close(self) -> None:
        """Close the source."""
        self._packets = iter(())
        self._tracks.clear()
        self._container.close()


def _layout(stream: Any) -> str:
    """Of the channels of a sound stream; the usual one for their number where it is not said."""
    layout = stream.codec_context.layout
    if layout.name.endswith("channels"):
        return _LAYOUTS.get(layout.nb_channels, str(layout.name))
    return str(layout.name)


def _say_damaged(stream: Any, count: int) -> None:
    if count:
        logger.warning(
            "%s: %d damaged pieces of %s stream %d are left out",
            name_of(stream.container),
            count,
            stream.type,
            stream.index,
        )


def _trim(packet: AnyPacket, ticks: int) -> None:
    """Let a packet begin later and end as before."""
    packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
    packet.duration = (packet.duration or 0) - ticks


def _first_packet(source: Path, index: int) -> bytes:
    with open_file(source) as container:
        return bytes(next(container.demux(container.streams[index])))


class _Copied:
    """Packets as they are."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        # An mp4 holds a packet for each pause between subtitles; the muxer makes its own.
        self._pause = b"\0\0" if stream.codec_context.name == "mov_text" else b""

    def packets(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        if packet.size == len(self._pause) and bytes(packet) == self._pause:
            return
        packet.stream = self._stream
        yield packet

    def rest(self) -> Iterator[AnyPacket]:
        return iter(())


class _EncodedSound:
    """Sound decoded and encoded anew, at its own rate where the encoder has it."""

    #: Time stamps that are off by less are rounding; more is a gap, which stays.
    _GAP = Fraction(1, 20)

    def __init__(self, output: OutputContainer, source: Any, encoder: str) -> None:
        self._decoder = source.codec_context
        rates = av.Codec(encoder, "w").audio_rates
        rate = self._decoder.sample_rate
        if rates and rate not in rates:
            rate = min((r for r in rates if r >= rate), default=max(rates))
        self.stream: Any = output.add_stream(encoder, rate=rate)
        self._encoder = cast(Any, self.stream.codec_context)
        self._encoder.layout = layout = _layout(source)
        self._encoder.bit_rate = 96_000 * max(1, self._decoder.channels)
        try:
            self._encoder.open()
        except FFmpegError as error:
            raise InputError(
                f"{name_of(source.container)}: {encoder} can't encode its sound ({rate} Hz, {layout}); "
                "write another kind of file"
            ) from error
        self._resampler = av.AudioResampler(
            self._encoder.format, self._encoder.layout, rate, frame_size=self._encoder.frame_size
        )
        self._next: Fraction | None = None
        self._source, self._damaged = source, 0

    def packets(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        yield from self._encoded(packet)

    def rest(self) -> Iterator[AnyPacket]:
        yield from self._encoded(None)
        for frame in self._resampler.resample(None):
            yield from self._packed(frame)
        yield from self._packed(None)
        _say_damaged(self._source, self._damaged)

    def _encoded(self, packet: AnyPacket | None) -> Iterator[AnyPacket]:
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError as error:
            logger.debug("a piece of sound is damaged (%s)", error)
            self._damaged += 1
            return
        for frame in frames:
            time = frame.pts * fraction(frame.time_base) if frame.pts is not None else self._next
            if self._next is None or (time is not None and abs(time - self._next) > self._GAP):
                self._next = time or Fraction(0)
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round(self._next * frame.sample_rate)
            self._next += Fraction(frame.samples, frame.sample_rate)
            for piece in self._resampler.resample(frame):
                yield from self._packed(piece)

    def _packed(self, frame: Any) -> Iterator[AnyPacket]:
        for packet in self._encoder.encode(frame):
            packet.stream = self.stream
            yield packet


class _EncodedText:
    """Text subtitles in the words of another format; one to one, with the same times."""

    def __init__(self, output: OutputContainer, source: Any, encoder: str) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        self.stream: Any = output.add_stream(encoder)
        self._encoder = cast(Any, self.stream.codec_context)
        self.stream.time_base = self._encoder.time_base = source.time_base
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self._source, self._damaged = source, 0

    def packets(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        if not packet.size:
            return
        try:
            lines = self._decoder.decode2(packet)
        except FFmpegError as error:
            logger.debug("a subtitle is damaged (%s)", error)
            self._damaged += 1
            return
        if lines is None or not len(lines):
            return  # an mp4 holds a packet for each pause
        encoded = self._encoder.encode_subtitle(lines)
        encoded.pts, encoded.dts, encoded.duration = packet.pts, packet.dts, packet.duration
        encoded.time_base, encoded.stream = packet.time_base, self.stream
        yield encoded

    def rest(self) -> Iterator[AnyPacket]:
        _say_damaged(self._source, self._damaged)
        return iter(())
