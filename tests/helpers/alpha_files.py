"""What is read back of files with alpha."""

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

Array = np.ndarray[Any, Any]


def read_rgba(path: Path) -> list[Array]:
    """``(H, W, 4)`` uint8 of each frame of a video with alpha, or of each PNG of a folder."""
    if path.is_dir():
        stored = [cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in sorted(path.glob("*.png"))]
        return [cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA) for image in stored if image is not None]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # Of VP9, only this decoder reads alpha.
        is_vp9 = stream.codec_context.name == "vp9"
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r") if is_vp9 else stream.codec_context
        frames = [f for p in container.demux(stream) for f in decoder.decode(p if p.size else None)]
        return [frame.reformat(format="rgba").to_ndarray() for frame in frames]
