"""What is remembered comes back, is its owner's alone, and can be forgotten."""

import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.first_mask import remembered
from maskstream.first_mask.remembered import cache_folder, forget, recall, remember


def picture(height=90, width=160):
    frame = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    label_map = np.zeros((height, width), np.uint8)
    label_map[20:60, 30:90] = 3
    return frame, label_map


def test_a_small_frame_comes_back_as_it_was(tmp_path: Path) -> None:
    frame, label_map = picture()
    remember(tmp_path, "camera:0", frame, label_map)
    back = recall(tmp_path, "camera:0")
    assert np.array_equal(back.frame, frame)
    assert np.array_equal(back.label_map, label_map)
    assert back.frame.flags.c_contiguous


def test_a_large_frame_is_kept_small(tmp_path: Path) -> None:
    remember(tmp_path, "camera:0", *picture(1080, 1920))
    back = recall(tmp_path, "camera:0")
    assert back.frame.shape == (360, 640, 3)
    assert set(np.unique(back.label_map)) == {0, 3}


def test_each_source_has_its_own_and_the_last_one_counts(tmp_path: Path) -> None:
    frame, label_map = picture()
    remember(tmp_path, "camera:0", frame, label_map)
    remember(tmp_path, "camera:1", 255 - frame, label_map)
    remember(tmp_path, "camera:0", frame // 2, label_map)
    assert np.array_equal(recall(tmp_path, "camera:0").frame, frame // 2)
    assert np.array_equal(recall(tmp_path, "camera:1").frame, 255 - frame)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes")
def test_only_the_owner_may_read_it_and_the_name_of_the_source_is_not_told(tmp_path: Path) -> None:
    path = remember(tmp_path / "new", "rtsp://user:secret@door/", *picture())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "door" not in path.name
    assert b"secret" not in path.read_bytes()


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    for key in ("a", "b", "c"):
        remember(tmp_path, key, *picture())
    (tmp_path / "other.png").write_bytes(b"not ours")
    (tmp_path / ".subject-1.png.part").write_bytes(b"half of one")
    assert forget(tmp_path, "a") == 1
    assert recall(tmp_path, "a") is None
    assert recall(tmp_path, "b") is not None
    assert forget(tmp_path) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["other.png"]
    assert forget(tmp_path / "nowhere", "a") == 0


@pytest.mark.parametrize("content", [b"", b"noise" * 100, None])
def test_a_damaged_file_is_nothing_remembered(tmp_path: Path, content) -> None:
    path = remember(tmp_path, "a", *picture())
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    assert recall(tmp_path, "a") is None


def test_nothing_was_remembered_at_first(tmp_path: Path) -> None:
    assert recall(tmp_path, "a") is None


def test_what_marks_nothing_is_refused(tmp_path: Path) -> None:
    frame, label_map = picture()
    with pytest.raises(InputError, match="empty label map"):
        remember(tmp_path, "a", frame, np.zeros_like(label_map))
    with pytest.raises(InputError, match=r"\(10, 10\)"):
        remember(tmp_path, "a", frame, np.ones((10, 10), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        remember(tmp_path / "file" / "folder", "a", *picture())


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "/elsewhere", Path("/elsewhere/maskstream")),
        ("linux", "XDG_CACHE_HOME", "not/absolute", Path("/home/me/.cache/maskstream")),
        ("linux", "XDG_CACHE_HOME", "", Path("/home/me/.cache/maskstream")),
        ("darwin", "XDG_CACHE_HOME", "/elsewhere", Path("/home/me/Library/Caches/maskstream")),
        ("win32", "LOCALAPPDATA", "/local", Path("/local/maskstream")),
        ("win32", "LOCALAPPDATA", "", Path("/home/me/AppData/Local/maskstream")),
    ],
)
def test_the_platform_says_where_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, platform, variable, value, expected
) -> None:
    monkeypatch.setattr(remembered.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setenv(variable, value)
    assert cache_folder() == expected


def test_without_a_folder_it_is_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remembered, "cache_folder", lambda: tmp_path)
    remember(None, "a", *picture())
    assert recall(None, "a") is not None
    assert forget() == 1
