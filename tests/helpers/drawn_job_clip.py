"""The clip that jobs are tried on, and how its label maps are read."""

from pathlib import Path

import numpy as np
from PIL import Image

FRAMES, HEIGHT, WIDTH = 8, 64, 96
NAMES = [f"{i:05d}.png" for i in range(FRAMES)]


def label_map(path):
    return np.array(Image.open(path))


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def tree(folder):
    """Every file below a folder, hidden ones too, with its bytes."""
    folder = Path(folder)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
