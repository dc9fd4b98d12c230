import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main
from maskstream.datasets.collection import open_data_folder
from maskstream.datasets.file_index import index_files
from maskstream.datasets.folders import folder_videos
from maskstream.datasets.readers import ReadingReport
from maskstream.errors import InputError
from maskstream.rendering.config import RenderConfig

pytest.importorskip("pybullet", reason="needs the render extra: pip install 'maskstream[render]'")

from maskstream.rendering.bodies import Body, Part, still
from maskstream.rendering.clips import render_clip
from maskstream.rendering.folder import SETTINGS
from maskstream.rendering.meshes import box
from maskstream.rendering.stage import Camera, Light, Stage
from maskstream.rendering.surfaces import Photographs

SMALL = RenderConfig(height=64, width=96, frames=4, samples=2)
GREY = np.full((16, 16, 3), 200, np.uint8)
LIGHT = Light(np.array([0.3, -0.6, 0.7]), np.ones(3), 0.7, 0.0, False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with six stills, each with one object."""
    root = tmp_path_factory.mktemp("data")
    things = root / "static" / "things"
    things.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        picture = np.repeat(np.repeat(rng.integers(0, 255, (9, 12, 3), np.uint8), 12, 0), 12, 1)
        labels = np.zeros(picture.shape[:2], np.uint8)
        labels[20:90, 20:110] = 1
        Image.fromarray(picture).save(things / f"{number}.jpg")
        Image.fromarray(labels).save(things / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def photographs(data):
    return Photographs(open_data_folder(data))


def cube(side=1.0):
    part = Part(box([side] * 3), 0)
    return Body((part,), still((part,)))


def camera(eye, size):
    view = Camera.looking(np.asarray(eye, float), np.zeros(3), 0.0)
    return Camera(view, Camera.perspective(np.radians(40), size[1] / size[0]))


def test_a_body_is_where_the_camera_model_says() -> None:
    """The photograph and the shadows are placed by the model, the bodies by the renderer."""
    size, eye, place = (480, 640), (1.0, -6.0, 2.0), np.array([0.7, 0.4, 0.3])
    with Stage() as stage:
        stage.move(stage.add(cube(0.05), [GREY], 1.0), (np.eye(3), place), 0.0)
        seen = camera(eye, size)
        _, owners = stage.picture(seen, LIGHT, size)
    rows, columns = np.nonzero(owners == 0)
    x, y, w = seen.plane(place, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), size) @ [0, 0, 1]
    assert (columns.mean(), rows.mean()) == pytest.approx((x / w, y / w), abs=0.35)


def test_the_nearer_of_two_look_alikes_owns_the_pixels() -> None:
    with Stage() as stage:
        for y in (0.0, 1.5):
            stage.move(stage.add(cube(), [GREY], 1.0), (np.eye(3), np.array([0, y, 0])), 0.0)
        _, owners = stage.picture(camera((0, -6, 0), (60, 60)), LIGHT, (60, 60))
    assert owners[30, 30] == 0
    assert owners[0, 0] == -1
    assert not (owners == 1).any()  # smaller, and right behind


def test_parts_that_bend_are_drawn_as_they_are_at_the_time() -> None:
    mesh = box([1.0, 1.0, 1.0])
    part = Part(mesh, 0, lambda time: mesh.vertices * (1 + time))
    with Stage() as stage:
        number = stage.add(Body((part,), still((part,))), [GREY], 1.0)
        areas = []
        for time in (0.0, 1.0, 0.0):
            stage.move(number, (np.eye(3), np.zeros(3)), time)
            areas.append((stage.picture(camera((0, -9, 0), (80, 80)), LIGHT, (80, 80))[1] == number).sum())
    assert areas[1] > 3 * areas[0]
    assert areas[2] == areas[0]


def test_equal_seeds_render_equal_clips(photographs) -> None:
    first, again, other = (render_clip(photographs, SMALL, (7, seed)) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first.frames, again.frames, strict=True))
    assert all((a == b).all() for a, b in zip(first.label_maps, again.label_maps, strict=True))
    assert any((a != b).any() for a, b in zip(first.frames, other.frames, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_all_objects_are_in_the_first_frame(photographs, seed) -> None:
    clip = render_clip(photographs, SMALL, (3, seed))
    assert len(clip.frames) == len(clip.label_maps) == SMALL.frames
    assert all(frame.shape == (64, 96, 3) and frame.dtype == np.uint8 for frame in clip.frames)
    ids = set(np.unique(np.stack(clip.label_maps))) - {0}
    shown = [(clip.label_maps[0] == i).mean() for i in range(1, len(ids) + 1)]
    assert ids == set(range(1, len(ids) + 1))
    assert 1 <= len(ids) <= SMALL.labelled
    assert min(shown) >= SMALL.min_first


def render(data, folder, *more):
    config = folder.parent / "small.json"
    config.write_text(json.dumps({"height": 64, "width": 96, "frames": 3, "samples": 1}))
    words = ["render", "--quiet", "-o", str(folder), "--data", str(data), "--config", str(config), *more]
    return main(words)


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_the_command_writes_what_training_reads_and_goes_on_where_it_stopped(data, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert render(data, whole, "--clips", "3") == 0
    assert render(data, parts, "--clips", "1") == 0
    shutil.copytree(whole / "Annotations" / "render-00001", parts / "Annotations" / "render-00001")
    assert render(data, parts, "--clips", "3") == 0  # images of the second clip were missing
    assert content(parts) == content(whole)
    videos = list(folder_videos(index_files(whole), report := ReadingReport()))
    assert [video.name for video in videos] == ["render-00000", "render-00001", "render-00002"]
    assert report.skipped == 0
    assert [len(video.frames) for video in videos] == [3, 3, 3]
    assert videos[0].frames[0].load()[1].max() >= 1


def test_clips_of_another_seed_are_not_mixed_in(
    data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(data, tmp_path / "clips", "--clips", "1") == 0
    before = content(tmp_path / "clips")
    assert render(data, tmp_path / "clips", "--clips", "2", "--seed", "5") == 2
    assert SETTINGS in capsys.readouterr().err
    assert content(tmp_path / "clips") == before


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    videos = tmp_path / "video-train" / "JPEGImages" / "x"
    videos.mkdir(parents=True)
    with pytest.raises(InputError, match="no photographs"):
        Photographs(_only_videos(tmp_path))


def _only_videos(root):
    from maskstream.datasets.collection import DataFolder

    return DataFolder(images=(), train_videos=(), dev_videos=(), backgrounds=(), mattes=())


@pytest.mark.parametrize("fields", [{"frames": 2}, {"height": 8}, {"samples": 0}])
def test_impossible_configs_are_refused(fields) -> None:
    with pytest.raises(InputError, match="rendered clips"):
        RenderConfig(**fields)
