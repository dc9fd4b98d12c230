"""Pictures and sound, encoded as they come and muxed: what files, playlists and network streams share."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from maskstream.arrays import Frame
from maskstream.errors import InputError
from maskstream.live.guard import Reason, Sealed
from maskstream.live.sinks.even import made_even
from maskstream.live.sinks.push import INTRODUCTION
from maskstream.live.sinks.sink import picture_of
from maskstream.live.sinks.sound import LAYOUT, RATE, Latency, Sound
from maskstream.video.colour import BT601, BT709, LIMITED, ColourTags, YuvConverter
from maskstream.video.encoders import encoder_for

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

TICKS = 90_000  #: a second of the times of pictures
KEY_SECONDS = 2.0  #: between key pictures, at which players and segments begin

#: Low delay, and little work: the network needs the processor more.
_LIVE = {"preset": "superfast", "tune": "zerolatency", "forced-idr": "1", "sc_threshold": "0"}
_CRF = "23"
_BITS_A_PIXEL = 0.12  # at most, of what goes over a network
_SOUND_BITS = 128_000


class Encoding:
    """H.264 and, where there is sound, AAC or Opus, into a container that was opened for it.

    Times begin with the first picture that is written. Sound is late by as much as pictures are, and silent
    while the user wants the slate.

    Args:
        output: where to.
        size: (width, height) of all frames; an odd one is made even.
        fps: frames a second that are to be expected.
        audio: the sound; None: there is none.
        sound_codec: ``aac`` or ``libopus``.
        bounded: whether the bit rate is.
    """

    def __init__(
        self,
        output: OutputContainer,
        size: tuple[int, int],
        fps: float,
        audio: AudioTap | None,
        sound_codec: str = "aac",
        bounded: bool = False,
    ) -> None:
        width, height = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._output = output
        self._audio = audio
        self._latency = Latency()
        self._sound: Sound | None = None
        self._start: float | None = None
        self._key_at = 0.0
        self._last = -1
        encoder = encoder_for(Path("live.mp4"))
        most = str(round(_BITS_A_PIXEL * width * height * fps))
        options = {
            **encoder.options,
            **_LIVE,
            "crf": _CRF,
            "g": str(max(1, round(2 * KEY_SECONDS * fps))),
            **({"maxrate": most, "bufsize": most} if bounded else {}),
        }
        tags = ColourTags(BT709 if height >= 720 else BT601, LIMITED).for_writing()
        self._convert = YuvConverter(tags, encoder.pixel_format)
        rate = Fraction(fps).limit_denominator(1001)
        video = output.add_stream(encoder.name_for(width), rate=rate, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = width, height, encoder.pixel_format
        video.time_base = Fraction(1, TICKS)
        context = video.codec_context
        context.time_base = Fraction(1, TICKS)
        context.max_b_frames = 0
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self._video = video
        self._voice: AudioStream | None = None
        if audio is not None:
            voice = output.add_stream(sound_codec, rate=RATE, layout=LAYOUT)
            assert isinstance(voice, AudioStream)
            voice.codec_context.bit_rate = _SOUND_BITS
            self._voice = voice
        output.start_encoding()

    def write(self, sealed: Sealed, time: float) -> None:
        """Encode and mux a frame, and the sound that belongs to it.

        Args:
            sealed: the frame.
            time: monotonic seconds at which it is shown.
        """
        image = picture_of(sealed)
        is_key = self._start is None or time - self._key_at >= KEY_SECONDS
        if is_key:
            self._key_at = time
        if self._start is None:
            self._start = time
            if self._audio is not None and self._voice is not None:
                self._sound = Sound(self._audio, time, self._voice.codec_context.format.name)
        self._latency.show(sealed, time)
        self._write_picture(image, time - self._start, is_key)
        if self._sound is not None and self._voice is not None:
            muted = sealed.slate is Reason.PANIC
            for frame in self._sound.until(time, self._latency.seconds, muted):
                self._output.mux(self._voice.encode(frame))

    def introduce(self, image: Frame) -> None:
        """Write ``INTRODUCTION`` pictures before all others, to tell a reader what kind of stream it is."""
        for _ in range(INTRODUCTION):
            self._write_picture(image, 0.0, is_key=True)

    def _write_picture(self, image: Frame, seconds: float, is_key: bool) -> None:
        frame = self._convert(made_even(image))
        self._last = max(self._last + 1, round(seconds * TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        if is_key:
            frame.pict_type = PictureType.I
        self._output.mux(self._video.encode(frame))

    def finish(self) -> None:
        """Write what the encoders hold back, and the end of the container; close it."""
        if self._start is not None:
            self._output.mux(self._video.encode(None))
            if self._voice is not None:
                self._output.mux(self._voice.encode(None))
        self._output.close()


def opened(name: str, where: str, format_name: str, options: dict[str, str]) -> OutputContainer:
    """A container for an ``Encoding``.

    Raises:
        InputError: this PyAV can't write such.
        OSError: it can't be written there.
    """
    options = {"flush_packets": "1", "max_interleave_delta": "500000", **options}
    try:
        return av.open(where, "w", format=format_name, container_options=options)
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
    except ValueError as error:
        raise InputError(f"{name}: this PyAV has no {format_name}") from error
