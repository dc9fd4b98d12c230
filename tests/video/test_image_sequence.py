from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.video.read import read_video
from maskstream.video.write import ImageSequenceWriter
from tests.helpers.alpha_files import read_rgba
from tests.helpers.tiny_clips import numbered

ALPHA = np.linspace(0, 255, 48 * 64).astype(np.uint8).reshape(48, 64)


def test_pictures_with_alpha_come_back_exactly_under_their_names(tmp_path: Path) -> None:
    with ImageSequenceWriter(tmp_path / "out") as writer:
        for index in range(3):
            writer.write(numbered(index), f"shot{index}", np.roll(ALPHA, index, 0))
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["shot0.png", "shot1.png", "shot2.png"]
    for index, image in enumerate(read_rgba(tmp_path / "out")):
        assert np.array_equal(image[..., :3], numbered(index))  # also where alpha is 0
        assert np.array_equal(image[..., 3], np.roll(ALPHA, index, 0))


def test_pictures_without_alpha_are_read_as_a_video(tmp_path: Path) -> None:
    writer = ImageSequenceWriter(tmp_path / "out")
    for index in range(3):
        writer.write(numbered(index), f"{index:05d}")
    frames = list(read_video(tmp_path / "out"))
    assert [f.name for f in frames] == ["00000", "00001", "00002"]
    assert all(np.array_equal(f.image, numbered(f.index)) for f in frames)


def test_a_matte_is_grey(tmp_path: Path) -> None:
    ImageSequenceWriter(tmp_path / "out").write(ALPHA, "00000")
    stored = cv2.imread(str(tmp_path / "out" / "00000.png"), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.ndim == 2
    assert np.array_equal(stored, ALPHA)


def test_what_has_been_written_stays_when_it_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ImageSequenceWriter(tmp_path / "out")
    writer.write(numbered(0), "00000")

    def fill_disk(self: Path, data: Any) -> int:
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(OSError, match="No space left"), writer:
        writer.write(numbered(1), "00001")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["00000.png"]


def test_wrong_arrays_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    writer = ImageSequenceWriter(tmp_path / "out")
    with pytest.raises(ValueError, match="expected an H x W x 3 or H x W uint8 image"):
        writer.write(numbered(0).astype(np.float32), "00000")
    with pytest.raises(ValueError, match="expected an H x W x 3"):
        writer.write(ALPHA, "00000", ALPHA)
    with pytest.raises(ValueError, match="expected an alpha like"):
        writer.write(numbered(0), "00000", ALPHA[:20])


def test_an_impossible_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        ImageSequenceWriter(tmp_path / "file")
    with pytest.raises(InputError, match="its parent folder does not exist"):
        ImageSequenceWriter(tmp_path / "none" / "out")
