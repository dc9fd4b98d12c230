"""A folder of separate photos is told from the frames of a video, and that is said in a line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream import SegmenterOptions, segment_video
from maskstream.drawn_clips import draw_clip
from maskstream.jobs.photos import are_photos, likeness


def save(folder, images):
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index}.png")
    return tuple(sorted(folder.iterdir()))


@pytest.fixture
def photos(tmp_path):
    """Soft colours that have nothing in common."""
    random = np.random.default_rng(0)
    blots = [random.integers(0, 256, (4, 6, 3), np.uint8) for _ in range(6)]
    return save(tmp_path / "photos", [cv2.resize(blot, (96, 64)) for blot in blots])


@pytest.fixture
def frames(tmp_path):
    return save(tmp_path / "frames", [frame for frame, _ in draw_clip(12, 64, 96)])


def test_photos_are_told_from_frames(photos, frames) -> None:
    assert are_photos(photos)
    assert not are_photos(frames)
    assert not are_photos(frames[::4])


def test_a_cut_or_two_make_no_photos_of_a_video(tmp_path: Path) -> None:
    images = [frame for seed in (0, 1) for frame, _ in draw_clip(8, 64, 96, seed=seed)]
    assert not are_photos(save(tmp_path / "cut", images))


def test_photos_of_several_sizes_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = save(
        tmp_path / "sizes", [np.full((20, 30, 3), 9, np.uint8), np.full((30, 20, 3), 9, np.uint8)]
    )
    assert likeness(one, other) == 0
    assert likeness(one, one) == 1


def test_it_is_said_in_a_line_and_the_work_goes_on(
    photos, frames, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[10:30, 10:30] = 1
    options = {"masks": mask, "model": SegmenterOptions(size=64)}
    done = segment_video(tmp_path / "photos", tmp_path / "out", **options)
    assert done.frames == 6
    assert caplog.text.count("its images look like separate photos, not like consecutive frames") == 1
    caplog.clear()
    segment_video(tmp_path / "frames", tmp_path / "other", **options)
    assert "separate photos" not in caplog.text


@pytest.mark.data
def test_no_real_video_is_taken_for_photos(data_folder: Path, tmp_path: Path) -> None:
    """Of 22 development sequences."""
    from maskstream.datasets.collection import open_data_folder

    for video in open_data_folder(data_folder).dev_videos:
        images = [frame.load()[0] for frame in video.frames[:4]]
        assert not are_photos(save(tmp_path / video.name.replace("/", "-"), images)), video.name
