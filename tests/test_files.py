"""Files are whole when they have their name, whoever writes beside them and whatever ends the program."""

import errno
import multiprocessing
import os
import signal
import stat
from pathlib import Path

import pytest

from maskstream import files
from maskstream.files import Unfinished, folder_written_beside, moved, written_beside


def parts(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def test_a_name_stands_for_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    target.write_text("old")
    with written_beside(target) as part:
        part.write_text("ne")
        assert target.read_text() == "old"
    assert target.read_text() == "ne"
    assert parts(tmp_path) == []


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    target.write_text("old")

    def write() -> None:
        with written_beside(target) as part:
            part.write_text("ne")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["out.bin"]
    assert target.read_text() == "old"


def test_two_writers_of_one_output_share_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    with written_beside(target) as first, written_beside(target) as second:
        assert first != second
        second.write_text("second" * 1000)
        first.write_text("first")
    assert target.read_text() == "first"
    assert parts(tmp_path) == []


def test_a_file_gets_the_rights_that_any_new_file_gets(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with written_beside(tmp_path / "out") as part:
        part.write_text("")
    with folder_written_beside(tmp_path / "folder"):
        pass
    (tmp_path / "plain folder").mkdir()
    for ours, plain in (("out", "plain"), ("folder", "plain folder")):
        assert stat.S_IMODE((tmp_path / ours).stat().st_mode) == stat.S_IMODE(
            (tmp_path / plain).stat().st_mode
        )


def test_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append("sync"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("rename"), replace(*names)))
    with written_beside(tmp_path / "out") as part:
        part.write_text("x")
    assert steps == ["sync", "rename", "sync"]
    steps.clear()
    with written_beside(tmp_path / "00000.png", one_of_many=True) as part:
        part.write_text("x")
    assert steps == ["rename"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".mp4", "ä" * 125 + ".mp4"):
        with written_beside(tmp_path / name) as part:
            part.write_text("x")
        assert (tmp_path / name).read_text() == "x"


def killed_while_writing(target: Path) -> None:
    part = Unfinished(target)
    part.path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(files.fcntl is None, reason="no file locks here")
def test_what_a_killed_process_left_is_removed_by_the_next_and_what_lives_is_not(tmp_path: Path) -> None:
    target = tmp_path / "out[1].mp4"
    process = multiprocessing.get_context("fork").Process(target=killed_while_writing, args=(target,))
    process.start()
    process.join()
    (left,) = parts(tmp_path)
    alive = Unfinished(target)
    assert parts(tmp_path) == [alive.path.name] != [left]
    other = tmp_path / ".notes.part"
    other.write_text("of another program")
    with written_beside(target) as part:
        assert set(parts(tmp_path)) == {alive.path.name, part.name, other.name}
    alive.discard()
    assert parts(tmp_path) == [other.name]


def test_a_folder_takes_the_place_of_the_old_one_or_leaves_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report"
    with folder_written_beside(target) as part:
        (part / "a").write_text("1")
    with folder_written_beside(target) as part:
        (part / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"]

    def write() -> None:
        with folder_written_beside(target) as part:
            (part / "c").write_text("3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [path.name for path in target.iterdir()] == ["b"]
    assert parts(target.parent) == []


def test_a_move_to_another_file_system_shows_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "mounted"
    (source / "inner").mkdir(parents=True)
    target.mkdir()
    (source / "a.png").write_text("a" * 100)
    (source / "inner" / "b.png").write_text("b" * 100)
    (target / "a.png").write_text("old")
    replace, seen = os.replace, []

    def across(old: Path, new: Path) -> None:
        if source in Path(old).parents and source not in Path(new).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        seen.append((Path(old).name, Path(new).name, Path(old).read_text()))
        replace(old, new)

    monkeypatch.setattr(os, "replace", across)
    moved(source, target)
    assert [(name, content) for _, name, content in seen] == [("a.png", "a" * 100), ("b.png", "b" * 100)]
    assert all(old.endswith(".part") for old, _, _ in seen)
    assert (target / "inner" / "b.png").read_text() == "b" * 100
    assert not source.exists()


def test_a_move_within_one_file_system_is_one_rename(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("a")
    moved(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "a").read_text() == "a"
