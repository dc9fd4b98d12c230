"""Small data sets and results in folders, for tests."""

import json
from types import SimpleNamespace

import numpy as np
from PIL import Image

from maskstream.masks.palette import write_label_map

HEIGHT, WIDTH = 40, 60


def squares(places, side=12, shape=(HEIGHT, WIDTH)):
    """A label map with a square of each id at (top, left)."""
    label_map = np.zeros(shape, np.uint8)
    for object_id, (top, left) in places.items():
        label_map[top : top + side, left : left + side] = object_id
    return label_map


def moving(ids, frames=6, shift=0):
    """Label maps of squares that move to the right, one under the other."""
    return [
        squares({i: (2 + 13 * row, 3 + 2 * t + shift) for row, i in enumerate(ids)}) for t in range(frames)
    ]


def write_sequence(folder, label_maps, step=1):
    """Write label maps as ``00000.png`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, label_map in enumerate(label_maps):
        write_label_map(folder / f"{index * step:05d}.png", label_map)


def write_frames(folder, label_maps, step=1):
    """Frames that show their label maps in the red channel, for `Sees`."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, label_map in enumerate(label_maps):
        rgb = np.stack([label_map, np.full_like(label_map, 90), np.full_like(label_map, 160)], axis=2)
        Image.fromarray(rgb).save(folder / f"{index * step:05d}.png")


class Sees:
    """A segmenter that finds the objects it was given perfectly in such frames, and notes what that was."""

    def __init__(self):
        self.given = []

    def step(self, frame, masks=None, ids=None):
        self.given.append(None if masks is None else masks.copy())
        known = [i for given in self.given if given is not None for i in np.unique(given) if i]
        red = frame[..., 0]
        return SimpleNamespace(label_map=np.where(np.isin(red, known), red, 0).astype(np.uint8))


def write_davis(root, sequences, year=2017, subset="val", truth=True):
    """The frames, masks (without ``truth`` the first ones only) and the list of a DAVIS data set."""
    for name, label_maps in sequences.items():
        write_frames(root / "JPEGImages/480p" / name, label_maps)
        write_sequence(root / "Annotations/480p" / name, label_maps if truth else label_maps[:1])
    lists = root / "ImageSets" / str(year)
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{subset}.txt").write_text("\n".join(sequences) + "\n")


def write_meta(folder, videos):
    """``meta.json`` of a YouTube-VOS split: video -> id -> (category, frames)."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = {
        name: {"objects": {str(i): {"category": c, "frames": f} for i, (c, f) in objects.items()}}
        for name, objects in videos.items()
    }
    (folder / "meta.json").write_text(json.dumps({"videos": listed}))
