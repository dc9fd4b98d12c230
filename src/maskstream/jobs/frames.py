"""Which frames of an input a job works on, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from maskstream.errors import InputError
from maskstream.video.probe import VideoInfo
from maskstream.video.read import VideoFrame


@dataclass(frozen=True)
class FrameRange:
    """Every ``every``-th frame from ``start`` on, up to but without ``end``.

    Attributes:
        start: index of the first frame.
        end: index of the frame to stop before; None: the end of the input.
        every: step, 1 or more.
    """

    start: int = 0
    end: int | None = None
    every: int = 1

    def __contains__(self, index: int) -> bool:
        inside = index >= self.start and (self.end is None or index < self.end)
        return inside and (index - self.start) % self.every == 0

    def __str__(self) -> str:
        end = "the end" if self.end is None else f"before {self.end}"
        return f"from {self.start} to {end}" + (f", every {self.every}" if self.every > 1 else "")

    @property
    def is_whole(self) -> bool:
        """Whether it is every frame of any input."""
        return self == FrameRange()

    def count(self, info: VideoInfo) -> int | None:
        """How many frames of an input it holds, as well as its header tells; None if it doesn't."""
        ends = [n for n in (info.frame_count, self.end) if n is not None]
        return len(range(self.start, min(ends), self.every)) if ends else None

    def check(self, info: VideoInfo) -> None:
        """Refuse a range without frames.

        Raises:
            InputError: the range is empty, or begins after the last image of a folder.
        """
        if self.every < 1:
            raise InputError(f"`every` is {self.every}; give 1 or more")
        if self.start < 0:
            raise InputError(f"`start` is {self.start}; give 0 or more")
        if self.end is not None and self.end <= self.start:
            raise InputError(f"`end` {self.end} is not after `start` {self.start}; no frame would be left")
        if info.images and self.start >= len(info.images):
            raise InputError(f"`start` is {self.start}, but {info.path} has {len(info.images)} images only")


def check_names(info: VideoInfo) -> None:
    """Refuse images whose outputs would have the same name.

    Raises:
        InputError: two images of the folder differ in their endings only.
    """
    seen: dict[str, Path] = {}
    for path in info.images:
        if (other := seen.setdefault(path.stem, path)) is not path:
            raise InputError(
                f"{info.path}: {other.name} and {path.name} would both give {path.stem}.png; "
                "remove one of them"
            )


def check_frame_size(info: VideoInfo, frame: VideoFrame) -> None:
    """Refuse a frame of another size than the first.

    Raises:
        InputError: the picture changes its size at this frame.
    """
    height, width = frame.image.shape[:2]
    if (width, height) != info.size:
        raise InputError(
            f"{info.path}: at frame {frame.index} the picture changes from {info.width}x"
            f"{info.height} to {width}x{height}; stop there with `end={frame.index}`, "
            "or convert it to one size first"
        )


def check_all_came(info: VideoInfo, unseen: Collection[int]) -> None:
    """Refuse marks whose frames never came.

    Args:
        info: of the input.
        unseen: frames that have a mask and didn't come.

    Raises:
        InputError: there is one.
    """
    if unseen:
        raise InputError(
            f"{info.path}: frame {min(unseen)} has a mask, but the video has no such frame, "
            "or it is damaged; mark another one"
        )
