"""What a run writes down: one JSON line a report, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import logging
from math import isfinite
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class RunLog:
    """Figures of a run, in ``log.jsonl`` and TensorBoard events in the run's folder.

    Args:
        folder: the run's folder; lines are appended, so that a resumed run goes on in the same file.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            logger.info("tensorboard is not installed; figures go to log.jsonl only")
        else:
            self._board = SummaryWriter(str(folder))

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Record the figures of ``step``, to six digits; what is not finite is null in the JSON."""
        rounded = {k: float(f"{v:.6g}") if isfinite(v) else None for k, v in figures.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()
