"""Colour tags of a video, and exact use of them between YUV and RGB.

The tags are the code points of ITU-T H.273 (ISO/IEC 23091-2), as FFmpeg uses them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

logger = logging.getLogger(__name__)

UNSPECIFIED = 2  #: of matrix, primaries and transfer; of the range it is 0
LIMITED, FULL = 1, 2  #: values of ``ColourTags.range``
RGB, BT709, BT601, BT2020 = 0, 1, 6, 9  #: values of ``ColourTags.matrix``

#: H.273 matrix -> the number swscale knows it by.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
#: Primaries and transfer that belong to a matrix, where a source names none.
_COMPANIONS = {4: (4, 4), 5: (5, 6), 6: (6, 6), 7: (7, 7), 9: (9, 14), 10: (9, 14)}
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class ColourTags:
    """What a stream says of its colours, in H.273 code points.

    Attributes:
        matrix: 1 BT.709, 5 and 6 BT.601, 9 BT.2020, 0 RGB, 2 unspecified.
        range: 1 limited (16-235), 2 full (0-255), 0 unspecified.
        primaries: 1 BT.709, 6 BT.601, 9 BT.2020, 2 unspecified.
        transfer: 1 BT.709, 6 BT.601, 16 PQ, 18 HLG, 2 unspecified.
    """

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @classmethod
    def of(cls, source: Any) -> ColourTags:
        """The tags of a PyAV frame or codec context."""
        return cls(
            matrix=int(source.colorspace),
            range=int(source.color_range),
            primaries=int(source.color_primaries),
            transfer=int(source.color_trc),
        )

    def resolved(self, lines: int, pixel_format: str = "yuv420p") -> ColourTags:
        """The same tags with a matrix and a range that can be converted with.

        Args:
            lines: height of the picture as stored. An untagged picture of 720 lines or more is BT.709, a
                smaller one BT.601, as players take it.
            pixel_format: FFmpeg's name; ``yuvj...``, grey and RGB formats are of full range unless tagged.
        """
        full = pixel_format.startswith(("yuvj", "gray", "rgb", "bgr", "gbr", "pal", "argb", "abgr"))
        return ColourTags(
            matrix=self.matrix if self.matrix in _SWSCALE else BT709 if lines >= 720 else BT601,
            range=self.range if self.range in (LIMITED, FULL) else FULL if full else LIMITED,
            primaries=self.primaries,
            transfer=self.transfer,
        )

    def for_writing(self) -> ColourTags:
        """Resolved tags with the primaries and transfer that belong to the matrix, where none were given."""
        primaries, transfer = _COMPANIONS.get(self.matrix, (1, 1))
        return ColourTags(
            matrix=self.matrix,
            range=self.range,
            primaries=primaries if self.primaries == UNSPECIFIED else self.primaries,
            transfer=transfer if self.transfer == UNSPECIFIED else self.transfer,
        )


_BAND = 100_000  #: pixels that are worked on at once
Colour = tuple[int, int, int]  #: red, green, blue, 0..255


def over(rgba: np.ndarray[Any, np.dtype[np.uint8]], fill: Colour) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture with straight alpha, ``(H, W, 4)``, in front of one colour: ``(H, W, 3)``."""
    result = np.empty((*rgba.shape[:2], 3), dtype=np.uint8)
    ground = np.asarray(fill, np.uint16)
    rows = max(1, _BAND // rgba.shape[1])
    for top in range(0, len(rgba), rows):
        band, alpha = rgba[top : top + rows, :, :3], rgba[top : top + rows, :, 3:].astype(np.uint16)
        mixed = band * alpha + ground * (255 - alpha) + 128
        result[top : top + rows] = (mixed + (mixed >> 8)) >> 8  # divided by 255 and rounded, exactly
    return result


class RgbConverter:
    """Decoded frames to RGB with the matrix and range they are tagged with; one swscale context for all.

    swscale's fast path is used: 0.7 ms at 720p, values within 3 levels of the exact ones. Deeper formats
    than 8 bits are brought to 8 bits, with one warning.
    """

    def __init__(self, name: str, stream_tags: ColourTags, fill: Colour | None = None) -> None:
        self._name = name
        self._fill = fill
        self._stream_tags = stream_tags
        self._reformatter = VideoReformatter()
        self._warned = False

    def __call__(self, frame: av.VideoFrame) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """``(H, W, 3)`` uint8 RGB, C-contiguous, of the frame as stored (before any rotation)."""
        tags = ColourTags.of(frame)
        if tags.matrix == UNSPECIFIED:
            tags = ColourTags(self._stream_tags.matrix, tags.range or self._stream_tags.range)
        tags = tags.resolved(frame.height, frame.format.name)
        if not self._warned:
            self._warned = True
            self._warn(frame)
        shines = self._fill is not None and any(c.is_alpha for c in frame.format.components)
        rgb = self._reformatter.reformat(
            frame,
            format="rgba" if shines else "rgb24",
            src_colorspace=_SWSCALE[tags.matrix],
            dst_colorspace=_SWSCALE[tags.matrix],
            src_color_range=tags.range,
            dst_color_range=FULL,
            interpolation=int(Interpolation.BILINEAR),
        )
        image = np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
        return over(image, self._fill) if shines and self._fill is not None else image

    def _warn(self, frame: av.VideoFrame) -> None:
        bits = max(component.bits for component in frame.format.components)
        if bits > 8:
            hdr = _HDR_TRANSFERS.get(int(frame.color_trc)) or _HDR_TRANSFERS.get(self._stream_tags.transfer)
            note = f", {hdr} light levels kept as they are (no tone mapping)" if hdr else ""
            logger.warning("%s: %d-bit video is converted to 8 bits%s", self._name, bits, note)


class YuvConverter:
    """RGB images to frames that carry the tags they were made with; one swscale context for all.

    A pixel format without YUV (``bgra``) is of full range whatever the tags say.
    """

    def __init__(self, tags: ColourTags, pixel_format: str) -> None:
        planes = av.VideoFormat(pixel_format)
        self._tags = replace(tags, matrix=RGB, range=FULL) if planes.is_rgb else tags
        self._pixel_format = pixel_format
        self._interleaved_alpha = planes.is_rgb and not planes.is_planar
        self._reformatter = VideoReformatter()

    @property
    def tags(self) -> ColourTags:
        """What the frames are tagged with."""
        return self._tags

    def __call__(
        self,
        image: np.ndarray[Any, np.dtype[np.uint8]],
        alpha: np.ndarray[Any, np.dtype[np.uint8]] | None = None,
    ) -> av.VideoFrame:
        """One image as a frame of the pixel format, matrix and range of the tags.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            alpha: ``(H, W)`` uint8, straight; for pixel formats that have it, all opaque if None.
        """
        matrix = _SWSCALE.get(self._tags.matrix, BT709)
        layout = "rgb24"
        if alpha is not None and self._interleaved_alpha:
            image, layout = np.dstack((image, alpha)), "rgba"
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=layout),
            format=self._pixel_format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=self._tags.range,
            interpolation=int(Interpolation.BILINEAR),
        )
        frame.colorspace = self._tags.matrix
        frame.color_range = self._tags.range
        frame.color_primaries = self._tags.primaries
        frame.color_trc = self._tags.transfer
        if alpha is not None and not self._interleaved_alpha:
            _set_alpha(frame, alpha)
        return frame


def _set_alpha(frame: av.VideoFrame, alpha: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Fill the alpha plane of a planar frame, of 8 bits or more a value; 255 is opaque in all of them."""
    plane: Any = frame.planes[3]
    bits = frame.format.components[3].bits
    values: np.ndarray[Any, Any] = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
    place = values.reshape(plane.height, -1)[:, : plane.width]
    if bits == 8:
        place[:] = alpha
    else:
        table = np.round(np.arange(256) * ((2**bits - 1) / 255)).astype(np.uint16)
        cv2.LUT(alpha, table, place)
