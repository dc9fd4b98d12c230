"""What of a file besides its picture can be kept in another one: decided here, for writing and telling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition, Stream

from maskstream.video.opening import main_picture
from maskstream.video.probe import fraction

#: What sound and text are re-encoded to where a container can't hold them as they are; FFmpeg's encoders.
_SOUND = {"mp4": "aac", "mov": "aac", "webm": "libopus", "matroska": "aac"}
_TEXT = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt", "matroska": "subrip"}
_SHORT = {"libopus": "opus", "subrip": "srt"}

_FILES = {"mp4": "an mp4 file", "mov": "a mov file", "webm": "a WebM file", "matroska": "a Matroska file"}

#: Muxer options that let in sound which FFmpeg copies well but calls experimental (TrueHD in mp4).
LENIENT = {"strict": "experimental"}

#: Describes the container itself, so not true of another one.
_OF_THE_CONTAINER = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_STATISTICS = ("bps", "number_of_", "_statistics_", "duration-", "source_id")
#: Metadata that players look for in an mp4 or mov; others are held in another way (``use_metadata_tags``).
_PLAIN_KEYS = {
    "mp4": """title artist album_artist composer album date comment genre copyright grouping lyrics
        description synopsis show episode_id network keywords episode_sort season_number media_type hd_video
        gapless_playback compilation track disc location creation_time""",
    "mov": "title artist album date comment genre copyright make model location creation_time",
}


#: ISO 639-2 codes that a mov has under their other name only; it has none for srp, mkd, gle and hrv.
# fmt: off
_MOV_LANGUAGES = {
    "fre": "fra", "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice",
    "zho": "chi", "cze": "ces", "slo": "slk", "rum": "ron", "sqi": "alb", "msa": "may",
    "fas": "per", "hye": "arm", "kat": "geo", "cym": "wel", "eus": "baq",
}
# fmt: on


class Fate(StrEnum):
    """What becomes of a stream."""

    PROCESSED = "encoded anew"  #: the video stream whose frames are worked on
    COPIED = "copied"
    ENCODED = "re-encoded"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Plan:
    """What becomes of one stream of a file in another.

    Attributes:
        index: of the stream.
        kind: ``video``, ``cover``, ``audio``, ``subtitle``, ``data`` or ``attachment``.
        codec: FFmpeg's name; ``unknown`` where it has none.
        fate: what is done.
        encoder: FFmpeg's, that it is re-encoded by.
        why: it is not just copied.
        language: as the file says.
        title: as the file says.
    """

    index: int
    kind: str
    codec: str
    fate: Fate
    encoder: str | None = None
    why: str = ""
    language: str | None = None
    title: str | None = None

    @property
    def stream(self) -> str:
        """``audio stream 2 (aac, deu, "Director")``."""
        said = [self.codec, self.language, f'"{self.title}"' if self.title else None]
        return f"{self.kind} stream {self.index} ({', '.join(s for s in said if s)})"

    @property
    def outcome(self) -> str:
        """``re-encoded to opus: a webm file can't hold aac``."""
        into = f" to {_SHORT.get(self.encoder, self.encoder)}" if self.encoder else ""
        return self.fate.value + into + (f": {self.why}" if self.why else "")

    @property
    def is_loss(self) -> bool:
        """Whether a user should be told."""
        return self.fate in (Fate.ENCODED, Fate.LEFT_OUT)

    def __str__(self) -> str:
        return f"{self.stream} is {self.outcome}"


def plan_streams(source: InputContainer, container: str | None) -> list[Plan]:
    """What becomes of each stream of an open file in a container (FFmpeg's name; None: images), in order.

    Copied are sound and subtitles that the container can hold, cover pictures, and fonts in Matroska. Other
    sound and text subtitles are re-encoded. Left out are data, subtitles that are pictures in an mp4 or
    WebM, streams of an unknown codec, and video streams but the default (or first) one. PyAV
    copies no data streams; a timecode is kept as metadata of the video stream, and chapters as such.
    """
    main = main_picture(source)
    index = main.index if main else None
    plans = [_plan(stream, container, stream.index == index) for stream in source.streams]
    if main is not None and any(plan.kind == "video" and plan.index < main.index for plan in plans):
        why = "only the default video stream is worked on"
        return [replace(p, why=why) if p.kind == "video" and p.why else p for p in plans]
    return plans


def _plan(stream: Stream, container: str | None, drawn: bool) -> Plan:
    cover = stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)
    kind = "cover" if cover else stream.type
    context = stream.codec_context
    codec = context.codec.canonical_name if context else _codec_name(stream)
    fate, encoder = Fate.LEFT_OUT, None
    why = f"{_FILES[container]} can't hold {codec}" if container else "images hold no other streams"
    if drawn:
        fate, why = Fate.PROCESSED, ""
    elif container is None:
        pass
    elif kind == "data":
        if stream.discard == Discard.all:
            fate, why = Fate.COPIED, "the chapters"
        elif "timecode" in stream.metadata:
            fate, why = Fate.COPIED, "the timecode"
        else:
            why = "data streams are not copied"
    elif kind == "attachment":
        if container == "matroska":
            fate, why = Fate.COPIED, ""
        else:
            why = f"{_FILES[container]} can't hold attachments"
    elif kind == "video":
        why = "only the first video stream is worked on"
    elif context is None:
        why = "its codec is unknown here"
    elif kind == "cover":
        if container == "matroska" or can_hold(container, stream):
            fate, why = Fate.COPIED, ""
    elif can_hold(container, stream):
        fate, why = Fate.COPIED, ""
    elif kind == "audio":
        fate, encoder = Fate.ENCODED, _SOUND[container]
    elif kind == "subtitle" and context.codec.text_sub:
        fate, encoder = Fate.ENCODED, _TEXT[container]
    language = stream.language if stream.language != "und" else None
    return Plan(stream.index, kind, codec, fate, encoder, why, language, _title(stream.metadata))


def can_hold(container: str, stream: Stream) -> bool:
    """Whether a container takes a stream as it is; found out by trying, in memory."""
    with av.open(BytesIO(), "w", format=container, container_options=LENIENT) as trial:
        try:
            copy = trial.add_stream_from_template(stream, opaque=True)
            copy.disposition = stream.disposition
            trial.start_encoding()
        except (ValueError, FFmpegError):  # of the codec, of the muxer
            return False
    return True


def _codec_name(stream: Any) -> str:
    """Of a stream that FFmpeg has no decoder for; of an attachment its file name."""
    return getattr(stream, "name", None) or "unknown"


def _title(metadata: dict[str, str]) -> str | None:
    # What Matroska calls the title, an mp4 calls the name.
    return metadata.get("title") or metadata.get("name")


def file_metadata(source: InputContainer) -> dict[str, str]:
    """Title, artist, date and so on of a file, without what is true of its container only."""
    return {k: v for k, v in readable(source.metadata).items() if k.lower() not in _OF_THE_CONTAINER}


def readable(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata as text that can be written: what isn't UTF-8 is taken as Latin-1, as old files have it."""
    return {_text(key): _text(value) for key, value in metadata.items()}


def _text(value: str) -> str:
    stored = value.encode("utf-8", "surrogateescape")
    try:
        return stored.decode("utf-8")
    except UnicodeDecodeError:
        return stored.decode("latin-1")


def stream_metadata(stream: Stream, container: str) -> dict[str, str]:
    """Language, title, timecode and so on of a stream, without what will not be true of its copy."""
    kept = {
        key: value
        for key, value in readable(stream.metadata).items()
        if key.lower() not in _OF_THE_CONTAINER and not key.lower().startswith(_STATISTICS)
    }
    name = kept.pop("name", None) or kept.pop("NAME", None)
    if name:
        kept.setdefault("title", name)
    if container not in ("mp4", "mov"):
        for key in ("handler_name", "vendor_id"):
            kept.pop(key, None)
    if container == "mov" and "language" in kept:
        kept["language"] = _MOV_LANGUAGES.get(kept["language"], kept["language"])
    return kept


def needs_free_keys(metadata: dict[str, str], container: str) -> bool:
    """Whether an mp4 or mov holds the metadata only with freely named keys (``use_metadata_tags``)."""
    plain = _PLAIN_KEYS.get(container)
    return plain is not None and not {key.lower() for key in metadata} <= set(plain.split())


def chapters(source: InputContainer, start: Fraction, end: Fraction | None) -> list[Any]:
    """The chapters of a file as PyAV takes them, for a file that holds its time from ``start`` to ``end``."""
    kept = []
    for chapter in source.chapters():
        base = fraction(chapter["time_base"])
        if base is None:
            continue
        shift = round(start / base)
        last = chapter["end"] if end is None else min(chapter["end"], round(end / base))
        begin = max(chapter["start"], shift) if start else chapter["start"]
        if begin < last:
            kept.append(
                {
                    **chapter,
                    "metadata": readable(chapter["metadata"]),
                    "start": begin - shift,
                    "end": last - shift,
                }
            )
    return kept
