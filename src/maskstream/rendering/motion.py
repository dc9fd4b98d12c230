"""Smooth motion in time, for places, angles and joints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from maskstream.arrays import Doubles

Motion = Callable[[float], Doubles]  #: of time in seconds


def wandering(rng: np.random.Generator, spread: float, size: int, slowest: float = 1.5) -> Motion:
    """A smooth random course about 0.

    Args:
        rng: random numbers.
        spread: of its values.
        size: how many values.
        slowest: period of its slowest part, in seconds.
    """
    turns = np.arange(1, 4)
    height = rng.normal(size=(3, size)) * (spread / turns)[:, None]
    speed = 2 * np.pi / slowest * turns[:, None] * rng.uniform(0.5, 1.0, (3, size))
    start = rng.uniform(0, 2 * np.pi, (3, size))
    return lambda time: (height * np.sin(speed * time + start)).sum(0)


def turn_about(axis: int, angle: float) -> Doubles:
    """``(3, 3)`` rotation about x, y or z (0, 1, 2) by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[i, i], turn[i, j], turn[j, i], turn[j, j] = cos, -sin, sin, cos
    return turn


def turned(angles: Doubles) -> Doubles:
    """``(3, 3)`` rotation by angles about x, then y, then z, in radians."""
    return turn_about(2, angles[2]) @ turn_about(1, angles[1]) @ turn_about(0, angles[0])


def quaternion(turn: Doubles) -> Doubles:
    """``(x, y, z, w)`` of a ``(3, 3)`` rotation (Shepperd's method)."""
    diagonal = np.diag(turn)
    trace = diagonal.sum()
    picked = int(np.argmax([*diagonal, trace]))
    if picked == 3:
        found = np.array(
            [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1], 1 + trace]
        )
    else:
        i, j, k = picked, (picked + 1) % 3, (picked + 2) % 3
        found = np.empty(4)
        found[i] = 1 + 2 * diagonal[i] - trace
        found[j] = turn[j, i] + turn[i, j]
        found[k] = turn[k, i] + turn[i, k]
        found[3] = turn[k, j] - turn[j, k]
    return np.asarray(found / np.linalg.norm(found))
