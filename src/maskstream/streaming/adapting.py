"""A segmenter that adapts its network whenever it is given masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from maskstream.arrays import Frame
from maskstream.streaming.segmentation import Segmentation
from maskstream.streaming.segmenter import VideoSegmenter


class AdaptingSegmenter(VideoSegmenter):
    """Adapts to each frame that comes with masks, before it follows them: see `VideoSegmenter.adapt`.

    Attributes:
        seconds: of each adaptation.
        look_ahead: gives frames of the clip, from the first one with masks on; ``way`` of
            `VideoSegmenter.adapt`.
    """

    seconds: float = 30.0
    look_ahead: Callable[[], Sequence[Frame]] = staticmethod(lambda: ())

    def step(
        self, frame: Frame, masks: ArrayLike | None = None, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """See `VideoSegmenter.step`."""
        if masks is not None:
            self.adapt(frame, masks, ids, seconds=self.seconds, way=self.look_ahead())
        return super().step(frame, masks, ids)
