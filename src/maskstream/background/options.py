"""A background as plain data: what it is and how it fills the frame, before anything is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from maskstream.background.sources import Background, open_background

TRANSPARENT = "transparent"  #: no background: pictures keep their alpha


@dataclass(frozen=True)
class BackgroundOptions:
    """What goes behind, and how. It can be pickled, and is plain data for JSON.

    Attributes:
        what: image, video, folder of images, ``blur``, a colour, or ``transparent``.
        fit: ``cover``, ``contain`` or ``stretch``.
        position: x and y, 0..1: which part of a picture that is too large stays in view.
        fill: colour of the bars of ``contain``, and behind transparent images.
        fps: pictures a second of a folder; None: 24.
        strength: of the blur: its standard deviation as a fraction of the frame's height.
        falloff: of the blur, 0..1: less near the object's foot, more above.

    Example:
        >>> BackgroundOptions("blur", strength=0.05).path is None
        True
    """

    what: str
    fit: str = "cover"
    position: tuple[float, float] = (0.5, 0.5)
    fill: str = "black"
    fps: float | None = None
    strength: float = 0.03
    falloff: float = 0.0

    @property
    def is_transparent(self) -> bool:
        """Whether there is none."""
        return self.what == TRANSPARENT

    @property
    def path(self) -> Path | None:
        """The file or folder that is read; None: nothing is."""
        return Path(self.what) if self.what and os.path.exists(self.what) else None

    def open(self, pixel_aspect: float = 1.0) -> Background:
        """Open it.

        Args:
            pixel_aspect: width / height of a pixel of the frames.

        Raises:
            InputError: it can't be opened, or an option is out of its range.
        """
        return open_background(
            self.what,
            self.fit,
            self.position,
            fill=self.fill,
            fps=self.fps,
            strength=self.strength,
            falloff=self.falloff,
            pixel_aspect=pixel_aspect,
        )
