"""A background that is drawn for each frame: own_background.py talk.mp4 out.mp4."""

import sys

import numpy as np
from numpy.typing import NDArray

from maskstream import BackgroundReplacer, Matte, VideoSegmenter, VideoWriter, detect_subject, read_video


class Aurora:
    """Slow waves of light. Anything with these two attributes and four methods is a background."""

    moves = True  # changes while the frames stay the same
    from_frame = False  # is not made of the frame

    def at(self, frame: NDArray[np.uint8], matte: Matte, time: float | None) -> NDArray[np.uint8]:
        """The picture at a time in seconds, of the frame's size."""
        y, x = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]] / frame.shape[0]
        wave = 0.5 + 0.5 * np.sin(5 * x + 2 * np.sin(3 * y + (time or 0)) + (time or 0))
        colours = np.stack([40 * wave, 160 * wave * (1 - y), 90 + 60 * y], axis=-1)
        return np.ascontiguousarray(colours.clip(0, 255).astype(np.uint8))

    def state(self) -> dict[str, NDArray[np.uint8]]:
        """What a resumed job needs: nothing, since all depends on the time."""
        return {}

    def restore(self, arrays: dict[str, NDArray[np.uint8]]) -> None:
        """Nothing to take on."""

    def close(self) -> None:
        """Nothing is open."""


video, output = sys.argv[1:]
detected = detect_subject(video)
if detected is None:
    sys.exit("no subject detected")
replacer = BackgroundReplacer(VideoSegmenter(), Aurora())
with read_video(video) as frames, VideoWriter(output, like=frames.info, keep_from=video) as writer:
    for frame in frames:
        first_mask = detected.subject.mask if frame.index == detected.frame else None
        replaced = replacer.step(frame.image, first_mask, time=float(frame.time))
        writer.write(replaced.image, frame.time, frame.duration)
