"""Put an object in front of its background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame
from maskstream.background.frames import FrameRing
from maskstream.background.light import ColourMatch, wrapped_light
from maskstream.errors import InputError
from maskstream.matte.matting import Matte

Flat = np.ndarray[tuple[int], np.dtype[np.uint8]]

_STRIP = 1 << 16  # pixels worked on at a time; their buffers stay in the processor's cache


@dataclass(frozen=True)
class CompositeConfig:
    """How object and background are put together. 0 is off, and costs nothing.

    Attributes:
        light_wrap: 0..1, how much the background's light bleeds over the object's edge.
        match_colour: 0..1, how far the object's exposure, contrast and tint go towards the background's.

    Raises:
        InputError: outside 0..1.
    """

    light_wrap: float = 0
    match_colour: float = 0

    def __post_init__(self) -> None:
        for name, value in (("light wrap", self.light_wrap), ("match colour", self.match_colour)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} {value:g}: it goes from 0 (off) to 1")


class Compositor:
    """Puts objects in front of backgrounds: ``foreground * alpha + background * (1 - alpha)``.

    Where alpha is 0 the result is the background and, with both options off, where it is 255 the foreground,
    to the bit; between, it is less than one level off. Colours are mixed as they are stored, without
    linearising, which is what mattes of video are made for.

    Example:
        >>> frame = np.full((2, 3, 3), 200, np.uint8)
        >>> matte = Matte(np.array([[0, 128, 255]] * 2, np.uint8), frame)
        >>> Compositor()(matte, np.zeros_like(frame))[0, :, 0].tolist()
        [0, 100, 200]
    """

    def __init__(self, config: CompositeConfig | None = None) -> None:
        """Start without any frame before; ``config``: without options if None."""
        self._config = config or CompositeConfig()
        self._frames, self._light = FrameRing(), FrameRing(1)
        self._scratch: tuple[Flat, Flat, Flat] | None = None
        self._match = ColourMatch(self._config.match_colour)

    def __call__(self, matte: Matte, background: Frame) -> Frame:
        """One frame.

        Args:
            matte: the object.
            background: ``(H, W, 3)`` uint8 of the matte's size.

        Returns:
            ``(H, W, 3)`` uint8; overwritten two calls later.

        Raises:
            ValueError: the sizes differ.
        """
        height, width = matte.alpha.shape
        if background.shape != (height, width, 3):
            raise ValueError(f"the background is {background.shape}, but the alpha {matte.alpha.shape}")
        result = self._frames.next(height, width)
        np.copyto(result, background)
        left, top, columns, rows = cv2.boundingRect(matte.alpha)
        if not rows:
            return result
        tint = self._match(matte, background) if self._config.match_colour else None
        light = None
        if self._config.light_wrap:
            light = self._light.next(height, width)
            cv2.resize(wrapped_light(matte, background), (width, height), dst=light)
        step = max(1, _STRIP // columns)
        for start in range(top, top + rows, step):
            strip = np.s_[start : min(start + step, top + rows), left : left + columns]
            self._blend(matte, background, tint, light, strip, result)
        return result

    def reset(self) -> None:
        """Forget the frames before: a new scene."""
        self._match = ColourMatch(self._config.match_colour)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered from frame to frame."""
        statistics = self._match.statistics
        return {} if statistics is None else {"statistics": statistics.copy()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told."""
        self.reset()
        if "statistics" in arrays:
            self._match.statistics = arrays["statistics"].copy()

    def _blend(
        self,
        matte: Matte,
        background: Frame,
        tint: NDArray[np.float32] | None,
        light: Frame | None,
        strip: tuple[slice, slice],
        result: Frame,
    ) -> None:
        alpha, target = matte.alpha[strip], result[strip]
        shown: NDArray[Any] = matte.foreground[strip]
        share, spare, lit = self._buffers(*alpha.shape)
        if tint is not None:
            shown = cv2.transform(shown, tint, dst=lit)
        if light is not None:  # screened: light adds, and never to more than white
            cv2.bitwise_not(shown, dst=spare)
            cv2.multiply(spare, light[strip], dst=spare, scale=self._config.light_wrap / 255)
            shown = cv2.add(shown, spare, dst=lit)
        cv2.merge([alpha, alpha, alpha], dst=share)
        cv2.multiply(shown, share, dst=target, scale=1 / 255)
        cv2.bitwise_not(share, dst=share)
        cv2.multiply(background[strip], share, dst=spare, scale=1 / 255)
        cv2.add(target, spare, dst=target)

    def _buffers(self, rows: int, columns: int) -> tuple[Frame, Frame, Frame]:
        """Three contiguous frames of one strip; their memory is made once."""
        size = rows * columns * 3
        if self._scratch is None or self._scratch[0].size < size:
            one, two, three = (np.empty(max(size, 3 * _STRIP), dtype=np.uint8) for _ in range(3))
            self._scratch = one, two, three
        share, spare, lit = (flat[:size].reshape(rows, columns, 3) for flat in self._scratch)
        return share, spare, lit
