"""Tiny video files, made on the spot."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from maskstream.video.colour import ColourTags, YuvConverter

Array = np.ndarray[Any, Any]
ClipMaker = Callable[..., Path]

TICK = Fraction(1, 600)


def numbered(index: int, width: int = 64, height: int = 48) -> Array:
    """A picture that tells its number: a grey level, with a red left top corner and a blue right one."""
    image = np.full((height, width, 3), 40 + 5 * (index % 40), dtype=np.uint8)
    image[: height // 3, : width // 3] = (200, 30, 30)
    image[: height // 3, -(width // 3) :] = (30, 30, 200)
    return image


def number_of(image: Array) -> int:
    """The number that a picture of ``numbered`` tells (modulo 40), from its middle."""
    height, width = image.shape[:2]
    level = image[height // 2 - 3 : height // 2 + 3, width // 2 - 3 : width // 2 + 3].mean()
    return round((level - 40) / 5)


def clip_maker(folder: Path) -> ClipMaker:
    """A function ``(name, images, ...)`` that writes a clip into the folder and returns its path."""

    def make(
        name: str,
        images: Sequence[Array],
        *,
        pts: Sequence[int] | None = None,
        rotation: int = 0,
        hflip: bool = False,
        tags: ColourTags | None = None,
        written_as: ColourTags | None = None,
        codec: str = "libx264",
        pixel_format: str = "yuv444p",
        gop: int = 12,
        audio_tracks: int = 0,
        aspect: Fraction = Fraction(1),
        b_frames: int | None = None,
    ) -> Path:
        height, width = images[0].shape[:2]
        used = written_as or tags or ColourTags(6, 1)
        convert = YuvConverter(used.resolved(height), pixel_format)
        options = {"qp": "1", "preset": "ultrafast"} if codec == "libx264" else {}
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            stream.codec_context.time_base = stream.time_base = TICK
            stream.codec_context.gop_size, stream.codec_context.thread_count = gop, 1
            if b_frames is not None:
                stream.codec_context.max_b_frames = b_frames
            if aspect != 1:
                stream.codec_context.sample_aspect_ratio = aspect
            if tags:
                context = stream.codec_context
                context.colorspace, context.color_range = tags.matrix, tags.range
                context.color_primaries, context.color_trc = tags.primaries, tags.transfer
            if rotation or hflip:
                stream.set_display_rotation(rotation, hflip=hflip)
            sounds = [container.add_stream("aac", rate=44100, layout="mono") for _ in range(audio_tracks)]
            for index, image in enumerate(images):
                frame = convert(image)
                if not tags:
                    frame.colorspace, frame.color_range = 2, 0
                    frame.color_primaries, frame.color_trc = 2, 2
                frame.pts, frame.time_base = pts[index] if pts else 24 * index, TICK
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            for number, sound in enumerate(sounds):
                wave = np.sin(np.arange(44100 * len(images) // 25) * (0.03 * (number + 1))).astype(np.float32)
                for begin in range(0, len(wave), 1024):
                    part = av.AudioFrame.from_ndarray(wave[None, begin : begin + 1024], "fltp", "mono")
                    part.rate, part.pts, part.time_base = 44100, begin, Fraction(1, 44100)
                    container.mux(sound.encode(part))
                container.mux(sound.encode(None))
        return folder / name

    return make
