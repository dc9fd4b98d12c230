"""What the tests of jobs work on: a drawn clip with its true label maps, in a folder of the test's own."""

import shutil
from functools import cache

import pytest
from PIL import Image

from maskstream.drawn_clips import draw_clip
from maskstream.masks.palette import write_label_map
from maskstream.runtime import load
from maskstream.video.write import VideoWriter
from tests.helpers.drawn_job_clip import FRAMES, HEIGHT, WIDTH


@pytest.fixture(scope="session")
def network():
    """The shipped network, loaded once for all tests."""
    if "live" not in load.shipped_models():
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    return cache(load.load_model)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """``clip.mp4``, its images in ``frames/``, and its true label maps ``0.png`` on."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "frames").mkdir()
    with VideoWriter(folder / "clip.mp4", fps=24) as writer:
        for index, (frame, truth) in enumerate(draw_clip(FRAMES, HEIGHT, WIDTH, objects=2)):
            writer.write(frame)
            write_label_map(folder / f"{index}.png", truth)
            Image.fromarray(frame).save(folder / "frames" / f"{index}.png")
    return folder


@pytest.fixture
def long_clip(here):
    """``long.mp4``, of more frames than are ever under way at once in a pipeline."""
    with VideoWriter("long.mp4", fps=24) as writer:
        for frame, _ in draw_clip(40, HEIGHT, WIDTH, objects=2):
            writer.write(frame)


@pytest.fixture
def here(drawn, network, monkeypatch, tmp_path):
    """A folder with all of it; the current one."""
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(load, "load_model", network)
    monkeypatch.chdir(tmp_path)
    return tmp_path
