"""The kinds of arrays that go from one part to another; the shapes that types can't say stand here, once.

All are C-contiguous unless a function says otherwise, rows from the top, columns from the left.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: ``(H, W, 3)`` uint8 RGB, upright: a frame of a video, or any other picture.
Frame: TypeAlias = NDArray[np.uint8]

#: ``(H, W)`` uint8 object ids, 0 = background.
LabelMap: TypeAlias = NDArray[np.uint8]

#: ``(H, W)`` object ids of any integer type, 0 = background.
AnyLabelMap: TypeAlias = NDArray[np.integer[Any]]

#: ``(H, W)`` of one object: binary (not 0 = inside), or soft from 0 to 1.
Mask: TypeAlias = NDArray[Any]

#: ``(H, W)`` uint8, 255 = opaque; straight, not premultiplied.
Alpha: TypeAlias = NDArray[np.uint8]

#: uint8 of any shape: planes, stacks, pictures with or without alpha.
Bytes: TypeAlias = NDArray[np.uint8]

#: float32 of any shape: probabilities, soft masks, features.
Floats: TypeAlias = NDArray[np.float32]

#: float64 of any shape: scores, coordinates.
Doubles: TypeAlias = NDArray[np.float64]
