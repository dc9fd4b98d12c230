"""Replace the background of one frame: the core shared by files and live streams."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Alpha, Floats, Frame
from maskstream.background.compositor import CompositeConfig, Compositor
from maskstream.background.sources import Background
from maskstream.errors import InputError
from maskstream.matte.config import MatteConfig
from maskstream.matte.matting import Matting
from maskstream.streaming.segmentation import Segmentation, Segmenter

_SOFT = 1.0  # sigma, in pixels of the probability
_GUIDE_LINES = 480  #: label maps are shrunk to this short side, which softens their steps


class Found(NamedTuple):
    """Where what is kept is, in one frame, before its edges are looked at.

    Attributes:
        probability: ``(h, w)`` 0..1, at any size; None: nothing is tracked, a chroma key decides alone.
        seen: rows and columns of the frame that it is of; None: all.
    """

    probability: Floats | None
    seen: tuple[slice, slice] | None = None


class Replaced(NamedTuple):
    """One frame with what it was made from.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB: the frame in front of the background; without one the
            foreground's colours, which are those of the frame but for the edges.
        alpha: ``(H, W)`` uint8, 255 where the object is.
        background: ``(H, W, 3)`` uint8 RGB that the frame was put before, valid until the next frame; None
            without one.
    """

    image: Frame
    alpha: Alpha
    background: Frame | None


@dataclass(frozen=True)
class KeptObjects:
    """Which objects stay in front of the new background; the others belong to what is replaced.

    Attributes:
        keep: ids of those that stay; None: all.
        drop: ids of those that don't.
    """

    keep: frozenset[int] | None = None
    drop: frozenset[int] = frozenset()

    @classmethod
    def of(cls, keep: Collection[int] | None, drop: Collection[int] = ()) -> KeptObjects:
        """From any collections of ids."""
        return cls(None if keep is None else frozenset(keep), frozenset(drop))

    def __contains__(self, object_id: int) -> bool:
        return (self.keep is None or object_id in self.keep) and object_id not in self.drop

    def check(self, known: Collection[int]) -> None:
        """Refuse ids that no object has, and to keep nothing.

        Raises:
            InputError: that.
        """
        have = ", ".join(map(str, sorted(known))) or "none"
        if unknown := sorted(((self.keep or frozenset()) | self.drop) - set(known)):
            raise InputError(f"there is no object {unknown[0]} to keep or drop; the masks have {have}")
        if not any(object_id in self for object_id in known):
            raise InputError(f"no object would be kept; the masks have {have}")

    def found(self, segmentation: Segmentation) -> Found:
        """The probability that a pixel is of any kept object."""
        chosen = [i for i, object_id in enumerate(segmentation.ids) if object_id in self]
        low_res = segmentation.low_res
        if not chosen:
            return Found(np.zeros(low_res.shape[1:], np.float32), segmentation.seen)
        if len(chosen) == 1:
            return Found(low_res[chosen[0]], segmentation.seen)
        return Found(np.minimum(low_res[chosen].sum(0), 1), segmentation.seen)

    def found_in(self, label_map: NDArray[Any]) -> Found:
        """The same of a label map ``(H, W)``."""
        ids = [object_id for object_id in np.unique(label_map).tolist() if object_id and object_id in self]
        mask = np.isin(label_map, ids).astype(np.float32)
        scale = _GUIDE_LINES / min(mask.shape)
        if scale < 1:
            mask = np.asarray(cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        return _softened(Found(mask))


def _softened(found: Found) -> Found:
    """As soft as a network's own edges: a mask that a user has drawn has steps, which no matte can mend."""
    assert found.probability is not None
    soft = cv2.GaussianBlur(found.probability, (0, 0), _SOFT, borderType=cv2.BORDER_REPLICATE)
    return Found(np.asarray(soft, np.float32), found.seen)


class BackgroundReplacer:
    """Puts what is kept in front of another background, frame by frame.

    ``step`` does all of it. A pipeline calls its two halves, ``find`` and ``compose``, from two threads; each
    of them takes the frames in order.

    Attributes:
        background: what goes behind; another one may be put there between two calls of ``compose``.
        segmenter: follows the objects; None as below.

    Example:
        >>> from maskstream import BackgroundReplacer, VideoSegmenter, open_background
        >>> beach = open_background("beach.jpg")
        >>> replacer = BackgroundReplacer(VideoSegmenter("live"), beach)
        >>> replaced = replacer.step(first_frame, first_label_map)
        >>> replaced = replacer.step(next_frame)
        >>> replaced.image.shape, replaced.alpha.shape
        ((64, 96, 3), (64, 96))
    """

    def __init__(
        self,
        segmenter: Segmenter | None,
        background: Background | None,
        *,
        kept: KeptObjects | None = None,
        matte: MatteConfig | None = None,
        composite: CompositeConfig | None = None,
    ) -> None:
        """Start with no objects.

        Args:
            segmenter: follows the objects; None: label maps are given for every frame, or a chroma key finds
                what is kept.
            background: what goes behind; None: nothing, for files with alpha.
            kept: which objects stay; None: all.
            matte: how edges are made; None: as by default.
            composite: how both are put together; None: as by default.

        Raises:
            InputError: see ``Matting``.
        """
        self.background = background
        self.segmenter = segmenter
        self._kept = kept or KeptObjects()
        self._matting = Matting(matte or MatteConfig())
        self._compositor = Compositor(composite or CompositeConfig())

    def step(
        self,
        frame: Frame,
        masks: ArrayLike | None = None,
        ids: Sequence[int] | int | None = None,
        time: float | None = None,
    ) -> Replaced:
        """Take the next frame.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.
            masks: as ``VideoSegmenter.step`` takes them.
            ids: of the masks.
            time: seconds, for a background that moves; by counting frames if None.

        Raises:
            InputError: as ``VideoSegmenter.step``.
        """
        return self.compose(frame, self.find(frame, masks, ids), time)

    def find(
        self, frame: Frame, masks: ArrayLike | None = None, ids: Sequence[int] | int | None = None
    ) -> Found:
        """Where what is kept is in the next frame."""
        if self.segmenter is None:
            return Found(None) if masks is None else self._kept.found_in(np.asarray(masks))
        found = self._kept.found(self.segmenter.step(frame, masks, ids))
        return found if masks is None else _softened(found)

    def show(self, frame: Frame, masks: ArrayLike, ids: Sequence[int] | int | None = None) -> None:
        """Show a frame with masks that is not the next one, but tells what to look for."""
        if self.segmenter is not None:
            self.segmenter.add_reference(frame, masks, ids)

    def compose(self, frame: Frame, found: Found, time: float | None = None) -> Replaced:
        """The frame in front of the background.

        Returns:
            Arrays of its own, which stay as they are.
        """
        matte = self._matting(frame, found.probability, found.seen)
        if self.background is None:
            return Replaced(matte.foreground.copy(), matte.alpha.copy(), None)
        behind = self.background.at(frame, matte, time)
        return Replaced(self._compositor(matte, behind).copy(), matte.alpha.copy(), behind)

    def reset(self) -> None:
        """Forget all objects, for another video."""
        if self.segmenter is not None:
            self.segmenter.reset()
        self._matting.reset()
        self._compositor.reset()

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that is remembered from frame to frame, as plain data and arrays."""
        state, arrays = ({}, {}) if self.segmenter is None else self.segmenter.state()
        parts = {
            "segmenter": arrays,
            "matting": self._matting.state(),
            "compositor": self._compositor.state(),
            "background": {} if self.background is None else self.background.state(),
        }
        return {"segmenter": state}, {
            f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()
        }

    def restore(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told of a replacer of the same network and settings."""

        def of(part: str) -> dict[str, NDArray[Any]]:
            start = f"{part}/"
            return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}

        if self.segmenter is not None:
            self.segmenter.restore(state["segmenter"], of("segmenter"))
        self._matting.restore(of("matting"))
        self._compositor.restore(of("compositor"))
        if self.background is not None:
            self.background.restore(of("background"))
