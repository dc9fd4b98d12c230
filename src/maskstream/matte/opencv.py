"""OpenCV without its type stubs, which know neither scalars as operands nor the element type of a result."""

from typing import Any

import cv2

cv: Any = cv2
