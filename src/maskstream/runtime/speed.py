"""How long the calls of a network take, here and now."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo, Runtime

_NATIVE_LINES = 480  # what a network without a size of its own is timed at
_UNBOUNDED_FRAMES = 8  # kept frames that one without a bound is timed at


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """Median time of ``repeats`` calls after a short warm-up."""
    for _ in range(5):
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)


def repeated(entry: MemoryEntry, frames: int) -> Memory:
    """A memory of the same memory frame many times; what is in it does not matter to the time."""
    key, shrinkage, value = (None if t is None else np.stack([np.asarray(t)] * frames) for t in entry)
    assert key is not None
    assert value is not None
    return Memory(key, shrinkage, value)


def usual_size(info: ModelInfo) -> tuple[int, int]:
    """(height, width) of the network's input for a 16:9 video at its default size."""
    lines = info.default_size or _NATIVE_LINES
    height, width = (round(length / info.stride) * info.stride for length in (lines, lines * 16 / 9))
    return height, width


def usual_memory(info: ModelInfo) -> int:
    """How many memory frames are read late in a video under the network's policy, the first among them."""
    kept = _UNBOUNDED_FRAMES if info.memory_max_frames is None else info.memory_max_frames
    return 1 + kept + info.memory_previous


def time_of_a_frame(runtime: Runtime, objects: int = 1, repeats: int = 30) -> tuple[float, str]:
    """Time of encode + segment, at the network's usual size and memory.

    Args:
        runtime: on the CPU.
        objects: how many.
        repeats: of each call; the median counts.

    Returns:
        Milliseconds, and what was timed, in words.
    """
    info, random = runtime.info, np.random.default_rng(0)
    height, width = usual_size(info)
    frame = random.integers(0, 255, (height, width, 3), np.uint8)
    masks = random.random((objects, height, width), np.float32)
    features = runtime.encode(frame)
    frames = usual_memory(info)
    memory = repeated(runtime.memorize(frame, features, masks, np.zeros_like(masks)), frames)
    taken = milliseconds(lambda: runtime.encode(frame), repeats)
    taken += milliseconds(lambda: runtime.segment(features, memory, masks), repeats)
    whose = "one object" if objects == 1 else f"{objects} objects"
    return taken, f"encode + segment of {whose}, {frames} memory frames, {width}x{height}"


def machine() -> str:
    """What processor this is, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
