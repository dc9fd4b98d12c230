"""Small files with all that a file may hold besides its picture, and what is read back of them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.subtitles.subtitle import SubtitleSet

from tests.helpers.tiny_clips import numbered

MILLISECOND = Fraction(1, 1000)
TIMES = [0, 40, 100, 110, 250, 600, 640, 960]  #: of the frames, in ms; the last one lasts 40
LINES = [(100, 400, "Hello"), (500, 900, r"{\i1}World{\i0}\Nagain")]  #: of subtitles: ms from, ms to, text
CHAPTERS = [(0, 400, "One"), (400, 1000, "Two")]
METADATA = {"title": "My film", "artist": "Me", "comment": "Lake", "creation_time": "2020-01-02T03:04:05Z"}
RATE = 48_000

_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_KINDS = {
    "mp4": ("aac", "mov_text"),
    "mov": ("aac", "mov_text"),
    "mkv": ("aac", "ass"),
    "webm": ("libopus", "webvtt"),
}


def rich_clip(path: Path, *, metadata: dict[str, str] | None = None, videos: int = 1) -> Path:
    """A clip of variable frame rate with two tracks of sound, the second one longer, and all else."""
    sound_codec, text_codec = _KINDS[path.suffix[1:]]
    webm = path.suffix == ".webm"
    with av.open(str(path), "w") as container:
        container.metadata.update(METADATA | (metadata or {}))
        container.set_chapters(
            [
                {"id": i, "start": a, "end": b, "time_base": MILLISECOND, "metadata": {"title": title}}
                for i, (a, b, title) in enumerate(CHAPTERS, 1)
            ]
        )
        pictures = [_add_picture(container, "libvpx-vp9" if webm else "libx264") for _ in range(videos)]
        pictures[0].metadata["title"] = "Main"
        sounds = []
        for language in ("fra", "eng"):
            sound: Any = container.add_stream(sound_codec, rate=RATE, layout="mono")
            sound.metadata.update(language=language, title=f"Sound {language}")
            sounds.append(sound)
        sounds[0].disposition = Disposition.default
        sounds[1].disposition = Disposition.comment
        text: Any = container.add_stream(text_codec)
        text.time_base = text.codec_context.time_base = MILLISECOND
        text.codec_context.subtitle_header = _ASS_HEADER
        text.metadata.update(language="ger" if path.suffix == ".mov" else "deu", title="Signs")
        text.disposition = Disposition.forced
        if path.suffix == ".mkv":
            container.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        for picture in pictures:
            _write_picture(container, picture)
        for number, sound in enumerate(sounds):
            _write_sound(container, sound, seconds=1 + number, wave_length=100 * (number + 1))
        for begin, end, line in LINES:
            dialogue = SubtitleSet.create(f"0,0,Default,,0,0,0,,{line}".encode(), 0, end - begin, begin)
            packet = text.codec_context.encode_subtitle(dialogue)
            packet.pts = packet.dts = begin
            packet.duration, packet.time_base, packet.stream = end - begin, MILLISECOND, text
            container.mux(packet)
    return path


def _add_picture(container: Any, codec: str) -> Any:
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    stream.time_base = stream.codec_context.time_base = MILLISECOND
    stream.codec_context.max_b_frames = 0
    return stream


def _write_picture(container: Any, stream: Any) -> None:
    for index, time in enumerate(TIMES):
        frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
        frame.pts, frame.time_base = time, MILLISECOND
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_sound(container: Any, stream: Any, seconds: int, wave_length: int) -> None:
    # It slides in pitch, so that it is like itself without a delay only.
    wave = np.sin(np.arange(RATE * seconds) ** 1.1 * (2 * np.pi / wave_length)).astype(np.float32) / 2
    resampler = av.AudioResampler(stream.codec_context.format, "mono", RATE)
    for begin in range(0, len(wave), 960):
        part = av.AudioFrame.from_ndarray(wave[None, begin : begin + 960], "fltp", "mono")
        part.rate, part.pts, part.time_base = RATE, begin, Fraction(1, RATE)
        for frame in resampler.resample(part):
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def sound_packets(path: Path, track: int = 0) -> list[tuple[Fraction, bytes]]:
    """Times (seconds) and bytes of a track."""
    with av.open(str(path)) as container:
        packets = container.demux(audio=track)
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.size and p.pts is not None]  # type: ignore[operator]


def sound_of(path: Path, track: int = 0) -> np.ndarray[Any, Any]:
    """Samples of a track, -1 to 1, from its first time stamp on."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        parts = [f.to_ndarray()[0] for d in container.decode(audio=track) for f in resampler.resample(d)]
    return np.concatenate(parts)


def subtitles(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Seconds from, seconds to, and text without styles, of the first subtitles."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(subtitles=0):
            lines: Any = packet.decode() if packet.size else []
            for line in lines:
                begin = packet.pts * packet.time_base  # type: ignore[operator]
                words = re.sub(r"{[^}]*}", "", line.dialogue.decode())
                found.append((begin, begin + packet.duration * packet.time_base, words.strip()))  # type: ignore[operator]
    return found


def chapters_of(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Seconds from, seconds to, and title."""
    with av.open(str(path)) as container:
        return [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])  # type: ignore[operator]
            for c in container.chapters()
        ]


def described(path: Path) -> list[tuple[str, str | None, str | None, int]]:
    """Kind, language, title and disposition of the streams that are sound or subtitles."""
    with av.open(str(path)) as container:
        return [
            (s.type, s.language, s.metadata.get("title") or s.metadata.get("name"), int(s.disposition))
            for s in container.streams
            if s.type in ("audio", "subtitle")
        ]


def metadata_of(path: Path) -> dict[str, str]:
    """Of the file, keys in small letters."""
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}
