"""What the spatial constraint lets through, frame by frame; for networks that run in PyTorch."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.files import written_beside
from maskstream.streaming.resize import resize_planes
from maskstream.streaming.segmentation import Segmentation

STRIDE = 16  #: pixels of the network's input for one of the map
_PLACE = " place"


def spatial_constraint(segmenter: Any) -> Any | None:
    """The network's ``SpatialConstraint``; None where it has none or runs elsewhere than in PyTorch."""
    network = getattr(getattr(segmenter, "model", None), "network", None)
    return getattr(network, "spatial", None)


class AttentionRecorder:
    """Keeps the attention maps of a ``SpatialConstraint`` while a segmenter runs.

    Of each frame it is the mean over the objects. They are 1/16 of the network's input, 8 bits each.
    """

    def __init__(self, module: Any) -> None:
        """Get ready.

        Args:
            module: the ``SpatialConstraint``.
        """
        self._module = module
        self._calls: list[NDArray[np.uint8]] = []
        self._frames: dict[str, NDArray[np.uint8]] = {}

    def __enter__(self) -> AttentionRecorder:
        """Begin to listen."""
        self._hook = self._module.register_forward_hook(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the network as it was."""
        self._hook.remove()

    def end_frame(self, frame: str, segmentation: Segmentation) -> None:
        """What came since the last frame belongs to this one."""
        if self._calls:
            maps = np.concatenate(self._calls)
            height, width = segmentation.low_res.shape[1:]
            # Native sizes are padded to multiples of the stride, as much before as after.
            rows, columns = STRIDE * maps.shape[1], STRIDE * maps.shape[2]
            top, left = (rows - height) // 2, (columns - width) // 2
            across = [span for part in segmentation.seen for span in (part.start, part.stop)]
            self._frames[frame] = maps.mean(axis=0).round().astype(np.uint8)
            self._frames[f"{frame}{_PLACE}"] = np.array([top, left, height, width, *across])
            self._calls.clear()

    def save(self, path: Path) -> None:
        """Write them, for `read_attention`."""
        with written_beside(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **self._frames)  # type: ignore[arg-type]

    def _keep(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        attention = module.attention(*inputs)[:, 0]
        self._calls.append((attention * 255).round().byte().cpu().numpy())


def read_attention(path: Path, frame: str, size: tuple[int, int]) -> NDArray[np.float32] | None:
    """What the spatial constraint let through at a frame.

    Args:
        path: what an `AttentionRecorder` wrote.
        frame: its name.
        size: ``(H, W)`` of the frame.

    Returns:
        ``(H, W)`` 0..1, NaN where the network did not look; None if nothing was recorded.
    """
    if not path.is_file():
        return None
    with np.load(path) as maps:
        if frame not in maps:
            return None
        top, left, height, width, *across = maps[f"{frame}{_PLACE}"].tolist()
        small = maps[frame].astype(np.float32)[None] / 255
    padded = resize_planes(small, STRIDE * small.shape[1], STRIDE * small.shape[2])
    seen = padded[:, top : top + height, left : left + width]
    whole = np.full(size, np.nan, np.float32)
    first_row, last_row, first_column, last_column = across
    window = np.s_[first_row:last_row, first_column:last_column]
    whole[window] = resize_planes(seen, last_row - first_row, last_column - first_column)[0]
    return whole
