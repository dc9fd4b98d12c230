"""What the tests of several commands work on."""

import shutil
from functools import cache

import pytest
from PIL import Image

from maskstream.drawn_clips import draw_clip
from maskstream.masks.palette import write_label_map
from maskstream.runtime import load
from maskstream.video.write import VideoWriter
from tests.helpers.drawn_clip import FRAMES, HEIGHT, WIDTH


@pytest.fixture(scope="session")
def network():
    """The shipped network, loaded once for all tests."""
    if "live" not in load.shipped_models():
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    return cache(load.load_model)


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """A drawn clip as ``clip.mp4`` and as images in ``frames/``, and its true label maps ``0.png`` on."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "frames").mkdir()
    with VideoWriter(folder / "clip.mp4", fps=24) as writer:
        for index, (frame, truth) in enumerate(draw_clip(FRAMES, HEIGHT, WIDTH, objects=2)):
            writer.write(frame)
            write_label_map(folder / f"{index}.png", truth)
            Image.fromarray(frame).save(folder / "frames" / f"picture {index + 95}.png")
    return folder


@pytest.fixture
def here(material, network, monkeypatch, tmp_path):
    """A folder of a test's own, with the clip and its masks; the current one."""
    for name in ("clip.mp4", *(f"{i}.png" for i in range(FRAMES))):
        shutil.copy2(material / name, tmp_path)
    monkeypatch.setattr(load, "load_model", network)
    monkeypatch.chdir(tmp_path)
    return tmp_path
