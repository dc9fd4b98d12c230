"""Which encoder writes a video file: by the file's name, a codec's name or an FFmpeg encoder's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import av
from av.codec.codec import UnknownCodecError

from maskstream.errors import InputError

CRF = 18  #: quality unless one is asked for; looks lossless in H.264

#: File name suffix -> FFmpeg's name of the container, and the usual codec: opaque, with alpha.
_CONTAINERS = {
    ".mp4": ("mp4", "h264", None),
    ".m4v": ("mp4", "h264", None),
    ".mov": ("mov", "h264", "prores"),
    ".mkv": ("matroska", "h264", "vp9"),
    ".webm": ("webm", "vp9", "vp9"),
}
VIDEO_SUFFIXES = tuple(_CONTAINERS)  #: of the files that can be written
ALPHA_OUTPUTS = ".mov (ProRes 4444), .webm or .mkv (VP9), or a folder of PNGs"


@dataclass(frozen=True)
class Encoder:
    """An FFmpeg encoder and how it is used.

    Attributes:
        name: FFmpeg's name.
        containers: that hold what it writes; by FFmpeg's names.
        pixel_format: of opaque pictures.
        alpha: pixel format of pictures with alpha; None where it has none.
        alpha_containers: that hold its alpha.
        options: FFmpeg's, by name.
        quality: the option that is the quality (``crf``, ``cq``, ...); None where it has none.
        limited: whether the codec knows the limited range (16-235) only.
        odd_widths: FFmpeg's name of another encoder of the codec, for odd widths.
    """

    name: str
    containers: tuple[str, ...]
    pixel_format: str = "yuv420p"
    alpha: str | None = None
    alpha_containers: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    quality: str | None = "crf"
    limited: bool = False
    odd_widths: str | None = None

    def keeps_pixel_shape(self, container: str) -> bool:
        """Whether pixels that are no squares can be told: by mp4 and mov, else by H.264 and HEVC themselves.

        Matroska and WebM could, but PyAV has no way to say it to them.
        """
        return container in ("mp4", "mov") or self.name.startswith(("libx264", "libx265", "h264", "hevc"))

    def name_for(self, width: int) -> str:
        """FFmpeg's name of the encoder that takes pictures of a width."""
        return self.odd_widths if self.odd_widths and width % 2 else self.name

    @property
    def even(self) -> bool:
        """Whether it takes even sizes only."""
        return self.pixel_format in ("yuv420p", "nv12") and self.alpha is None


# Without B-frames decoding times equal display times, so that durations in an mp4 of variable frame rate
# are exact; it costs about a tenth in size.
_CODECS = {
    "h264": Encoder(
        "libx264",
        ("mp4", "mov", "matroska"),
        # x264's lookahead in a thread of its own now and then gives other bytes for the same images.
        options={"preset": "veryfast", "bf": "0", "x264-params": "sync-lookahead=0"},
    ),
    "hevc": Encoder(
        "libx265",
        ("mp4", "mov", "matroska"),
        options={"preset": "veryfast", "x265-params": "log-level=error:bframes=0"},
    ),
    "vp9": Encoder(
        "libvpx-vp9",
        ("webm", "matroska", "mp4"),
        alpha="yuva420p",
        alpha_containers=("webm", "matroska"),
        options={"b:v": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"},
    ),
    # FFmpeg's other one, prores_ks, is closer to what it is given but takes three times as long.
    "prores": Encoder(
        "prores",
        ("mov", "matroska"),
        pixel_format="yuv444p10le",
        alpha="yuva444p10le",
        alpha_containers=("mov", "matroska"),
        quality=None,
        limited=True,
        odd_widths="prores_ks",
    ),
    "ffv1": Encoder(
        "ffv1",
        ("matroska",),
        pixel_format="bgr0",
        alpha="bgra",
        alpha_containers=("matroska",),
        options={"level": "3", "slices": "4", "slicecrc": "1"},
        quality=None,
    ),
}
CODECS = tuple(_CODECS)  #: that are known by name

#: What other FFmpeg encoders are fed with; the first that one takes.
_PIXEL_FORMATS = ("yuv420p", "nv12", "yuv444p", "yuv422p10le", "yuv444p10le", "rgb24", "bgr0")
#: Ends of the names of encoders, the option that is their quality, and what makes it count.
_QUALITY = {
    "_nvenc": ("cq", {"rc": "vbr", "b:v": "0"}),
    "_qsv": ("global_quality", {}),
    "libsvtav1": ("crf", {}),
    "libaom-av1": ("crf", {"b:v": "0", "cpu-used": "8"}),
    "libvpx": ("crf", {}),
}


@cache
def writable_codecs(container: str) -> frozenset[str]:
    """FFmpeg's names of all codecs that a container may hold, encoders' and decoders' names too."""
    with av.open("none", "w", format=container) as output:  # makes no file before its header is written
        return frozenset(output.supported_codecs)


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that a file of this name is.

    Raises:
        InputError: none that can be written.
    """
    known = _CONTAINERS.get(path.suffix.lower())
    if known is None:
        raise InputError(
            f"{path}: can't write this kind of video; use a name ending in {', '.join(VIDEO_SUFFIXES)}"
        )
    return known[0]


def encoder_for(path: Path, codec: str | None = None, alpha: bool = False) -> Encoder:
    """The encoder for a file.

    Args:
        path: the file.
        codec: ``h264``, ``hevc``, ``vp9``, ``prores``, ``ffv1``, or the name of an FFmpeg encoder
            (``h264_nvenc``, ``libsvtav1``); by the file's name if None.
        alpha: whether it must keep alpha.

    Raises:
        InputError: no such codec or encoder here; it or the container can't hold the other, or alpha.
    """
    container = container_of(path)
    _, opaque, with_alpha = _CONTAINERS[path.suffix.lower()]
    wanted = codec or (with_alpha if alpha else opaque)
    if wanted is None:
        raise InputError(f"{path}: a {path.suffix} file can't hold alpha; use {ALPHA_OUTPUTS}")
    encoder = _CODECS.get(wanted) or _named(path, wanted)
    if container not in encoder.containers:
        raise InputError(f"{path}: a {path.suffix} file can't hold {wanted}; use another suffix")
    if alpha and (encoder.alpha is None or container not in encoder.alpha_containers):
        raise InputError(f"{path}: {wanted} in a {path.suffix} file can't hold alpha; use {ALPHA_OUTPUTS}")
    return encoder


def _named(path: Path, name: str) -> Encoder:
    """An encoder by FFmpeg's own name."""
    for encoder in _CODECS.values():
        if encoder.name == name:
            return encoder
    if name == "prores_ks":
        return replace(_CODECS["prores"], name=name, options={"profile": "4444"})
    try:
        found = av.Codec(name, "w")
    except UnknownCodecError:
        found = None
    if found is None or found.type != "video":
        raise InputError(
            f"{path}: unknown codec {name!r}; use {', '.join(CODECS)} or a video encoder that this FFmpeg has"
        )
    taken = {video_format.name for video_format in found.video_formats or ()}
    pixel_format = next((f for f in _PIXEL_FORMATS if f in taken), None)
    if pixel_format is None:
        raise InputError(f"{path}: {name} takes no pictures of ours; use {', '.join(CODECS)}")
    quality, options = next(
        (entry for end, entry in _QUALITY.items() if name.endswith(end)), (None, dict[str, str]())
    )
    containers = {entry[0] for entry in _CONTAINERS.values()}
    holds = tuple(sorted(c for c in containers if found.canonical_name in writable_codecs(c)))
    return Encoder(name, holds, pixel_format=pixel_format, options=options, quality=quality)
