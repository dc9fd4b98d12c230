"""What the examples of the documentation work on: small files under the names that they use."""

import shutil
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from maskstream.drawn_clips import draw_clip
from maskstream.first_mask import subject
from maskstream.live.sinks import open as sinks
from maskstream.live.sources import open as sources
from maskstream.masks.palette import write_label_map
from maskstream.video.write import VideoWriter

FRAMES, HEIGHT, WIDTH = 124, 64, 96  # a mask is given at frame 120


@pytest.fixture(scope="session")
def files_of_examples(tmp_path_factory):
    """A drawn clip under each of its names, masks of its frames 0 and 120, and backgrounds."""
    folder = tmp_path_factory.mktemp("examples")
    with VideoWriter(folder / "clip.mp4", fps=24) as writer:
        for index, (frame, truth) in enumerate(draw_clip(FRAMES, HEIGHT, WIDTH, objects=2)):
            writer.write(frame)
            if index in {0, 120}:
                write_label_map(folder / ("fixed.png" if index else "first.png"), truth)
    for name in ("talk.mp4", "holiday.mp4", "screen.mp4"):
        shutil.copy(folder / "clip.mp4", folder / name)
    with VideoWriter(folder / "camera.mp4", fps=24) as writer:
        for frame, _ in draw_clip(12, HEIGHT, WIDTH, objects=2):
            writer.write(frame)
    generator = np.random.default_rng(0)
    (folder / "slides").mkdir()
    for name in ("beach.jpg", "forest.jpg", "slides/1.png", "slides/2.png"):
        Image.fromarray(generator.integers(0, 255, (72, 128, 3), np.uint8)).save(folder / name)
    return folder


class _Finder:
    """Detects a square in the middle: the examples are on trial here, not the network."""

    def __init__(self, *args, **options):
        pass

    def __call__(self, frame, **options):
        height, width = frame.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        mask[height // 3 :, width // 3 : 2 * width // 3] = 1
        return subject.Subject(mask, mask.astype(np.float32), 0.97)


@pytest.fixture
def examples_folder(files_of_examples, tmp_path, monkeypatch):
    """A folder with all of these files; the current one. Every frame has a subject."""
    shutil.copytree(files_of_examples, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subject, "SubjectFinder", _Finder)
    monkeypatch.setattr(subject, "find_subject", _Finder())
    monkeypatch.setattr(sources, "_camera", lambda _: sources.File(tmp_path / "camera.mp4"))
    monkeypatch.setattr(sinks, "_port", lambda *_: 0)  # any that is free
    return tmp_path


@pytest.fixture(scope="session")
def frames_of_examples():
    """What docstrings call the first two frames of a clip."""
    (first, label_map), (second, _) = islice(draw_clip(FRAMES, HEIGHT, WIDTH, objects=2), 2)
    return {"first_frame": first, "first_label_map": label_map, "next_frame": second}
