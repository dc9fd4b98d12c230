"""What takes no network: scores mean little until these are printed beside them."""

from __future__ import annotations

from collections.abc import Callable

from maskstream.arrays import AnyLabelMap

#: Shown the true label map of each frame in order, gives its prediction for that frame.
Baseline = Callable[[AnyLabelMap], AnyLabelMap]


class CopyFirst:
    """Repeats the first mask: what standing still would score."""

    def __init__(self) -> None:
        self._first: AnyLabelMap | None = None

    def __call__(self, truth: AnyLabelMap) -> AnyLabelMap:
        """``(H, W)`` ids of the first frame."""
        if self._first is None:
            self._first = truth.copy()
        return self._first


class CopyPrevious:
    """Gives the true mask of the frame before: how little moves between two frames.

    No rival, since it is shown the truth: a network below it loses more a frame than the object moves.
    """

    def __init__(self) -> None:
        self._latest: AnyLabelMap | None = None

    def __call__(self, truth: AnyLabelMap) -> AnyLabelMap:
        """``(H, W)`` ids of the frame before; the first frame's own at the first frame."""
        previous, self._latest = self._latest, truth.copy()
        return self._latest if previous is None else previous


BASELINES: dict[str, Callable[[], Baseline]] = {"copy first": CopyFirst, "copy previous": CopyPrevious}
