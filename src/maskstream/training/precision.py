"""The arithmetic of training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from maskstream.training.config import RunConfig


def autocast(device: torch.device, config: RunConfig) -> AbstractContextManager[Any]:
    """In which a network runs in the arithmetic that a run asks for."""
    return torch.autocast(device.type, torch.bfloat16) if config.bfloat16 else nullcontext()
