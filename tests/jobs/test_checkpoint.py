"""What an interrupted job leaves survives power cuts, other mounts and strange names."""

import errno
import os
import re
import shutil
from pathlib import Path

import pytest

from maskstream import (
    InputError,
    JobCancelled,
    MaskMark,
    SegmenterOptions,
    SegmentJob,
    SegmentOptions,
    replace_background,
    segment_video,
)
from maskstream.jobs import checkpoint
from maskstream.jobs import segment as segment_job
from maskstream.jobs.outputs import is_folder_name
from maskstream.video.read import read_video
from tests.helpers.drawn_job_clip import FRAMES, NAMES, names, tree

SMALL = SegmenterOptions(size=64)
CLIP = {"masks": "0.png", "model": SMALL}


def cancel_after(frame, output="out", **options):
    """A job that is cancelled after a frame."""

    def see(seen, result):
        if seen.index == frame:
            job.cancel()

    marks = (MaskMark(0, ("0.png",)),)
    job = SegmentJob(
        SegmentOptions("clip.mp4", output, marks=marks, segmenter=SMALL, **options), on_frame=see
    )
    with pytest.raises(JobCancelled):
        job.run()


# Power cuts


def test_a_snapshot_is_written_after_all_files_that_it_counts_on_are_on_the_disk(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, at_snapshots = [], []
    sync, write = checkpoint.synced, checkpoint.write_snapshot

    def snapshot(path, stateful, note):
        at_snapshots.append((note["last"], {path.name for path in synced}))
        write(path, stateful, note)

    monkeypatch.setattr(checkpoint, "synced", lambda path: (synced.append(path), sync(path)))
    monkeypatch.setattr(checkpoint, "write_snapshot", snapshot)
    monkeypatch.setattr(segment_job, "SAVE_SECONDS", 0)
    segment_video("clip.mp4", "out", **CLIP)
    during = [(last, on_disk) for last, on_disk in at_snapshots if last is not None]
    assert [last for last, _ in during] == list(range(FRAMES))
    for last, on_disk in during:
        assert {*NAMES[: last + 1], "masks"} <= on_disk


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n", bytes(300)])
@pytest.mark.parametrize("overlay", [None, "over.mp4"])
def test_a_label_map_that_a_power_cut_emptied_is_named_when_the_run_is_resumed(
    here: Path, damage, overlay
) -> None:
    cancel_after(4, overlay=overlay)
    Path(".out.unfinished/masks/00002.png").write_bytes(damage)
    with pytest.raises(InputError, match=r"00002.png: was damaged .* give `overwrite=True` instead of"):
        segment_video("clip.mp4", "out", overlay=overlay, resume=True, **CLIP)
    assert not Path("out").exists()
    segment_video("clip.mp4", "out", overlay=overlay, overwrite=True, **CLIP)
    segment_video("clip.mp4", "whole", **CLIP)
    assert tree("out") == tree("whole")


def test_what_was_half_written_after_the_last_snapshot_is_written_anew(here: Path) -> None:
    segment_video("clip.mp4", "whole", **CLIP)
    cancel_after(4)
    masks = Path(".out.unfinished/masks")
    (masks / "00005.png").write_bytes(b"")
    (masks / ".00006.png.0a1b2c3d.part").write_bytes(b"half")
    segment_video("clip.mp4", "out", resume=True, **CLIP)
    assert tree("out") == tree("whole")


def test_a_picture_that_a_power_cut_emptied_is_named_when_the_run_is_resumed(here: Path, long_clip) -> None:
    with pytest.raises(JobCancelled):
        _cancel_replacing(after=3)
    Path(".out.unfinished/picture/00001.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"00001.png: was damaged"):
        replace_background("long.mp4", "green", "out", resume=True, **CLIP)


def _cancel_replacing(after):
    from maskstream import BackgroundOptions, ReplaceJob, ReplaceOptions

    def see(frame, replaced):
        if frame.index == after:
            job.cancel()

    options = ReplaceOptions(
        "long.mp4",
        "out",
        BackgroundOptions("green"),
        marks=(MaskMark(0, ("0.png",)),),
        overwrite=True,
        segmenter=SMALL,
    )
    job = ReplaceJob(options, on_frame=see)
    job.run()


# Other mounts


def test_a_folder_on_another_mount_never_shows_half_a_file_under_its_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving there copies; what is copied has a hidden name until it is whole, even if it is cut short."""
    segment_video("clip.mp4", "whole", **CLIP)
    Path("out").mkdir()
    replace, copy, copied = os.replace, shutil.copyfile, []

    def replace_on_one_mount(source, target):
        if (Path(source).parent.name == "masks") != (Path(target).parent.name == "masks"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    def copy_and_die(source, target):
        copied.append(Path(target).name)
        if len(copied) == 4:
            Path(target).write_bytes(Path(source).read_bytes()[:40])
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return copy(source, target)

    monkeypatch.setattr(os, "replace", replace_on_one_mount)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copy_and_die)
        with pytest.raises(OSError, match="No space left on device; what was done is kept"):
            segment_video("clip.mp4", "out", **CLIP)
    assert all(name.startswith(".") for name in copied)
    shown = {name: data for name, data in tree("out").items() if not name.startswith(".")}
    assert shown == {name: data for name, data in tree("whole").items() if name in NAMES[:3]}
    segment_video("clip.mp4", "out", resume=True, **CLIP)
    assert tree("out") == tree("whole")


def test_a_folder_that_is_a_link_to_another_mount_gets_whole_files(here: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == here.stat().st_dev:
        pytest.skip("no second file system here")
    elsewhere = shared / f"maskstream-{os.getpid()}"
    elsewhere.mkdir()
    try:
        Path("out").symlink_to(elsewhere)
        segment_video("clip.mp4", "out", **CLIP)
        segment_video("clip.mp4", "whole", **CLIP)
        assert tree(elsewhere) == tree("whole")
        assert Path("out").is_symlink()
    finally:
        shutil.rmtree(elsewhere)


# Names


@pytest.mark.parametrize("name", ["10:30", "a:b", "100%", "%d", "%05d", "[1]", "ä b", "-x", "a'b"])
def test_outputs_may_have_any_name(here: Path, name) -> None:
    segment_video("clip.mp4", f"{name}.json", overlay=f"./{name}.mp4", **CLIP)
    replace_background("clip.mp4", "green", f"./{name}.mkv", matte_output=f"./{name} matte", **CLIP)
    for video in (f"{name}.mp4", f"{name}.mkv"):
        shutil.copy(here / video, "copy" + Path(video).suffix)
        with read_video("copy" + Path(video).suffix) as frames:
            assert len(list(frames)) == FRAMES
    assert names(f"{name} matte") == NAMES
    assert not [entry for entry in names(here) if entry.startswith(".")]


@pytest.mark.parametrize(
    ("name", "is_folder"),
    [
        ("out", True),
        ("run_v1.2", True),
        ("run.final", True),
        (".hidden", True),
        ("out.gif/", True),
        ("out.gif", False),
        ("out.MP4", False),
        ("masks.json", False),
        ("photo.png", False),
        ("out.264", False),
    ],
)
def test_a_name_is_a_folders_unless_it_ends_as_files_do(name, is_folder) -> None:
    assert is_folder_name(name) is is_folder


def test_a_run_of_other_files_is_left_alone(here: Path) -> None:
    """Two outputs whose names differ don't share what is hidden."""
    cancel_after(2, output="one")
    segment_video("clip.mp4", "two", **CLIP)
    assert Path(".one.unfinished/snapshot.npz").is_file()
    with pytest.raises(InputError, match=re.escape(".one.unfinished: an interrupted run is here")):
        segment_video("clip.mp4", "one", **CLIP)
