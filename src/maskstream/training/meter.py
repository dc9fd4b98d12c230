"""What a training reports while it runs."""

from __future__ import annotations

import time

REPORT_SECONDS = 10.0  #: between two reports


class TrainingMeter:
    """Means since the last report."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._since = time.monotonic()
        self._loss = self._iou = self._making = 0.0
        self.steps = self._clips = 0

    def add(self, loss: float, iou: float, clips: int, making: float) -> None:
        """Count a step in."""
        self._loss += loss
        self._iou += iou
        self._making += making
        self.steps += 1
        self._clips += clips

    @property
    def due(self) -> bool:
        """Whether it is time for a report."""
        return time.monotonic() - self._since > REPORT_SECONDS

    def figures(self, progress: float, rate: float, world: int) -> dict[str, float]:
        """The means since the last call, of as many processes as there are."""
        elapsed = time.monotonic() - self._since
        figures = {
            "loss": self._loss / self.steps,
            "iou": self._iou / self.steps,
            "clips_per_second": world * self._clips / elapsed,
            "clip_making_share": self._making / elapsed,
            "rate": rate,
            "progress": progress,
        }
        self._reset()
        return figures


def progress_line(step: int, progress: float, seconds: float, figures: dict[str, float]) -> str:
    """A report in one line."""
    left = seconds / progress - seconds if progress > 0 else 0.0
    return (
        f"step {step} ({progress:.1%}, {left / 60:.0f} min left): loss {figures['loss']:.3f}, "
        f"IoU {figures['iou']:.3f}, {figures['clips_per_second']:.1f} clips/s"
    )
