"""``maskstream replace``: every kind of background and output, bad input, and interruptions."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main
from maskstream.jobs import replace as replace_job
from maskstream.masks.palette import write_label_map
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.video.image_sequence import ImageSequenceWriter
from maskstream.video.probe import probe
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter
from tests.helpers.drawn_clip import FRAMES, HEIGHT, WIDTH
from tests.helpers.interruptions import Killed, at_call, fill_disk, kill, press_ctrl_c
from tests.helpers.played_finder import play_finder

NAMES = [f"{i:05d}.png" for i in range(FRAMES)]
GREEN = np.array([0, 255, 0])


def replace(*options):
    return main(["replace", *map(str, options), "--size", "64"])


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def tree(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def images(path):
    with read_video(path) as frames:
        return [frame.image for frame in frames]


def rgba(path):
    return np.array(Image.open(path))


def truth(index):
    return np.array(Image.open(f"{index}.png"))


@pytest.fixture
def label_maps(here):
    """The true label maps, as ``segment -o truth`` would have left them."""
    Path("truth").mkdir()
    for index in range(FRAMES):
        shutil.copy(f"{index}.png", f"truth/{index:05d}.png")


# What comes out


def test_the_background_is_new_and_the_object_stays(here: Path) -> None:
    before = names(here)
    assert replace("clip.mp4", "--mask", "0.png", "--background", "#00ff00", "-o", "out.mp4") == 0
    assert names(here) == sorted([*before, "out.mp4"])
    with read_video("clip.mp4") as old, read_video("out.mp4") as new:
        pairs = list(zip(old, new, strict=True))
    assert [frame.time for frame, _ in pairs] == [frame.time for _, frame in pairs]
    labels = truth(0)
    outside = cv2.erode((labels == 0).astype(np.uint8), np.ones((9, 9))).astype(bool)
    inside = cv2.erode((labels > 0).astype(np.uint8), np.ones((9, 9))).astype(bool)
    frame, replaced = (pair.image.astype(int) for pair in pairs[0])
    assert np.abs(replaced[outside] - GREEN).mean() < 12
    assert np.abs(replaced[inside] - frame[inside]).mean() < 12


@pytest.mark.parametrize("kind", ["image", "video", "folder", "blur"])
def test_every_kind_of_background(here: Path, material: Path, kind) -> None:
    Image.new("RGB", (20, 10), (0, 0, 255)).save("blue.png")
    what = {"image": "blue.png", "video": "clip.mp4", "folder": material / "frames", "blur": "blur"}[kind]
    shutil.copy("clip.mp4", "talk.mp4")
    assert replace("talk.mp4", "--mask", "0.png", "--background", what, "-o", "out.mkv", "--end", 3) == 0
    assert len(images("out.mkv")) == 3


def test_label_maps_of_segment_are_taken_as_they_are(label_maps) -> None:
    assert replace("clip.mp4", "--label-maps", "truth", "--background", "green", "-o", "out") == 0
    assert names("out") == NAMES
    for index in (0, 5):
        labels, image = truth(index), rgba(f"out/{index:05d}.png")
        outside = cv2.erode((labels == 0).astype(np.uint8), np.ones((9, 9))).astype(bool)
        assert (image[outside] == GREEN).all()


def test_kept_and_dropped_objects(label_maps) -> None:
    options = ("--label-maps", "truth", "--background", "transparent", "--end", 1)
    assert replace("clip.mp4", *options, "-o", "one", "--keep", "1") == 0
    assert replace("clip.mp4", *options, "-o", "other", "--drop", "1") == 0
    labels = truth(0)
    inside = {i: cv2.erode((labels == i).astype(np.uint8), np.ones((3, 3))).astype(bool) for i in (1, 2)}
    one, other = rgba("one/00000.png")[..., 3], rgba("other/00000.png")[..., 3]
    assert one[inside[1]].mean() > 230 > 25 > one[inside[2]].mean()
    assert other[inside[2]].mean() > 230 > 25 > other[inside[1]].mean()


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mkv"])
def test_transparent_video(label_maps, suffix: str) -> None:
    assert (
        replace("clip.mp4", "--label-maps", "truth", "--background", "transparent", "-o", f"o{suffix}") == 0
    )
    assert len(images(f"o{suffix}")) == FRAMES
    assert "yuva" in probe(f"o{suffix}").pixel_format or suffix != ".mov"


def test_the_matte_comes_as_a_video_or_as_pictures_of_its_own(label_maps) -> None:
    options = ("--label-maps", "truth", "--background", "white", "--end", 2)
    assert replace("clip.mp4", *options, "-o", "a.mp4", "--matte", "m.mp4") == 0
    assert replace("clip.mp4", *options, "-o", "a", "--matte", "m") == 0
    grey = rgba("m/00001.png")
    assert grey.ndim == 2
    assert np.abs(images("m.mp4")[1][..., 0].astype(int) - grey).mean() < 3
    outside = cv2.erode((truth(1) == 0).astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert not grey[outside].any()


def test_a_cut_begins_at_zero_and_has_its_length(label_maps) -> None:
    cut = ("--start", 2, "--end", 6)
    assert replace("clip.mp4", "--label-maps", "truth", "--background", "blur", "-o", "o.mp4", *cut) == 0
    with read_video("o.mp4") as frames:
        assert [frame.time for frame in frames] == [Fraction(i, 24) for i in range(4)]


def test_images_in_images_out_under_the_same_names(here: Path, material: Path) -> None:
    options = ("--mask", "0.png", "--background", "transparent")
    assert replace(material / "frames", *options, "-o", "out") == 0
    assert names("out") == names(material / "frames")
    assert rgba(f"out/{names('out')[0]}").shape == (HEIGHT, WIDTH, 4)


def test_a_green_screen_needs_no_mask(here: Path) -> None:
    with VideoWriter("screen.mp4", fps=24) as writer:
        for index in range(4):
            frame = np.full((HEIGHT, WIDTH, 3), (50, 170, 70), np.uint8)
            frame[20:50, 20 + index : 50 + index] = (210, 130, 110)
            writer.write(frame)
    assert replace("screen.mp4", "--green-screen", "--background", "white", "-o", "out") == 0
    image = rgba("out/00002.png")
    assert (image[5, 5] == 255).all()
    assert np.abs(image[35, 36].astype(int) - (210, 130, 110)).max() < 20


def test_a_box_is_enough(here: Path) -> None:
    rows, columns = np.nonzero(truth(3) == 1)
    x, y = columns.min() - 2, rows.min() - 2
    box = f"3={x},{y},{columns.max() + 3 - x},{rows.max() + 3 - y}"
    assert replace("clip.mp4", "--box", box, "--background", "green", "-o", "out") == 0
    assert (rgba("out/00002.png") == GREEN).all()
    kept = (rgba("out/00003.png") != GREEN).any(axis=2)
    assert (kept & (truth(3) == 1)).sum() > 0.6 * (truth(3) == 1).sum()


def test_without_a_mask_the_subject_is_detected(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = play_finder(monkeypatch, [None, truth(5)])
    assert replace("clip.mp4", "--background", "green", "-o", "out") == 0
    assert len(asked) == 2
    assert "detecting the main subject automatically" in caplog.text
    assert "frames before the first mask (5) show the background only" in caplog.text
    assert not (rgba("out/00005.png") == GREEN).all()


def test_where_nobody_is_detected_one_line_says_what_to_do(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_finder(monkeypatch, [None] * 9)
    assert replace("clip.mp4", "--background", "green", "-o", "out") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search("clip.mp4: no subject detected in the first 250 frames; give --mask", last)
    assert not Path("out").exists()


def test_frames_before_the_first_mask_show_the_background_only(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert replace("clip.mp4", "--mask", "3=3.png", "--background", "green", "-o", "out") == 0
    assert "frames before the first mask (3) show the background only" in caplog.text
    assert (rgba("out/00002.png") == GREEN).all()
    assert not (rgba("out/00003.png") == GREEN).all()


def test_sound_titles_and_times_come_along(here: Path) -> None:
    """The rest is the writer's business; that it is asked is ours."""
    subprocess.run([sys.executable, "-c", SOUND], check=True)
    assert replace("sound.mp4", "--mask", "0.png", "--background", "blur", "-o", "out.mp4") == 0
    old, new = probe("sound.mp4"), probe("out.mp4")
    assert [track.codec for track in new.audio] == [track.codec for track in old.audio] == ["aac"]
    assert replace("sound.mp4", "--mask", "0.png", "--background", "blur", "-o", "cut.mp4", "--end", 3) == 0
    assert probe("cut.mp4").audio


SOUND = """
from fractions import Fraction
import av, numpy as np
from maskstream.video.read import read_video
with av.open("sound.mp4", "w") as out:
    video = out.add_stream("libx264", rate=24)
    sound = out.add_stream("aac", rate=44100, layout="mono")
    with read_video("clip.mp4") as frames:
        for index, frame in enumerate(frames):
            if index == 0:
                video.height, video.width = frame.image.shape[:2]
            picture = av.VideoFrame.from_ndarray(frame.image, "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 24)
            out.mux(video.encode(picture))
    out.mux(video.encode(None))
    for number in range(20):
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.rate, block.pts, block.time_base = 44100, 1024 * number, Fraction(1, 44100)
        out.mux(sound.encode(block))
    out.mux(sound.encode(None))
"""


def test_memory_does_not_grow_with_the_length_of_a_clip(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = 400
    with VideoWriter("long.mp4", fps=24) as writer:
        for index in range(frames):
            frame = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            frame[20:44, 10 + index % 40 : 34 + index % 40] = (200, 60, 40)
            writer.write(frame)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:44, 10:34] = 1
    write_label_map("square.png", mask)
    held, write = [], VideoWriter.write

    def watched(*args):
        held.append(tracemalloc.get_traced_memory()[0])
        return write(*args)

    monkeypatch.setattr(VideoWriter, "write", watched)
    tracemalloc.start()
    try:
        options = ("--mask", "square.png", "--background", "blur", "-o", "long-out.mp4")
        assert main(["replace", "long.mp4", *options, "--size", "32"]) == 0
    finally:
        tracemalloc.stop()
    assert len(held) == frames
    a_tenth = frames * HEIGHT * WIDTH * 3 / 10  # of what holding all frames would take
    assert max(held[-100:]) - max(held[50:150]) < a_tenth


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mask", "0.png", "--background", "blur"), r"nothing to write; give -o out\.mp4"),
        (("--mask", "0.png", "--background", "no.jpg", "-o", "o.mp4"), r"no\.jpg: no such file"),
        (("--mask", "no.png", "--background", "blur", "-o", "o.mp4"), r"no\.png"),
        (("--mask", "small.png", "--background", "blur", "-o", "o.mp4"), r"small\.png.*20.*10"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.gif"), r"o\.gif: can't write \.gif files"),
        (("--mask", "0.png", "--background", "blur", "-o", "0.png/o.mp4"), "0.png is a file; name another"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--largest"), "--largest: is for a subj"),
        (("--mask", "0.png", "--background", "blur", "-o", "clip.mp4"), "is read as input"),
        (("--mask", "0.png", "--background", "blur", "-o", "old.mp4"), r"old\.mp4: exists; give --overwrite"),
        (("--mask", "0.png", "--background", "blur", "-o", "a.mp4", "--matte", "a.mp4"), "is both -o and"),
        (("--mask", "0.png", "--background", "transparent", "-o", "o.mp4"), r"\.mov.*\.webm.*PNG"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--keep", "9"), "no object 9"),
        (
            ("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--drop", "1,2"),
            "no object would be kept",
        ),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--encoder", "nix"), "nix"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--resume"), "only folders of PNGs can"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--light-wrap", "3"), "light wrap 3"),
        (("--mask", "0.png", "--background", "blur", "-o", "o.mp4", "--shift", "1e9"), "shift is 1e"),
        (("--mask", "99=0.png", "--background", "blur", "-o", "o.mp4", "--end", "5"), "frame 99 is not segm"),
        (("--label-maps", "no", "--background", "blur", "-o", "o.mp4"), "no: no such folder; make it with"),
        (("--label-maps", ".", "--mask", "0.png", "--background", "blur", "-o", "o.mp4"), "give one of them"),
        (
            ("--label-maps", ".", "--box", "1,2,3,4", "--background", "blur", "-o", "o.mp4"),
            "--box and --label",
        ),
        (("--box", "1,2", "--background", "blur", "-o", "o.mp4"), "--box 1,2: give x,y,width,height"),
        (("--label-maps", "few", "--background", "blur", "-o", "o.mp4"), r"00001\.png: missing; every frame"),
        (("--green-screen", "nocolour", "--background", "blur", "-o", "o.mp4"), "nocolour"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], options, message
) -> None:
    Image.new("L", (20, 10), 255).save("small.png")
    Path("old.mp4").write_bytes(b"old")
    Path("few").mkdir()
    shutil.copy("0.png", "few/00000.png")
    before = {name: Path(name).stat().st_mtime_ns for name in names(here)}
    assert replace("clip.mp4", *options) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, said[-1])
    assert said[-1].startswith("maskstream: error: ")
    assert {name: Path(name).stat().st_mtime_ns for name in names(here)} == before


def test_a_missing_screen_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VideoWriter("room.mp4", fps=24) as writer:
        writer.write(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    assert replace("room.mp4", "--green-screen", "--background", "white", "-o", "o.mp4") == 2
    assert re.search("screen", capsys.readouterr().err)
    assert not Path("o.mp4").exists()


@pytest.mark.parametrize("content", ["nothing", "noise", "cut short", "sound only"])
def test_files_that_are_no_video_are_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], content
) -> None:
    whole = Path("clip.mp4").read_bytes()
    data = {"nothing": b"", "noise": os.urandom(5000), "cut short": whole[: len(whole) // 2]}
    if content == "sound only":
        subprocess.run([sys.executable, "-c", SOUND_ONLY], check=True)
    else:
        Path("bad.mp4").write_bytes(data[content])
    assert replace("bad.mp4", "--mask", "0.png", "--background", "blur", "-o", "o.mp4") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not Path("o.mp4").exists()


SOUND_ONLY = """
from fractions import Fraction
import av, numpy as np
with av.open("bad.mp4", "w") as out:
    sound = out.add_stream("aac", rate=44100, layout="mono")
    for number in range(20):
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.rate, block.pts, block.time_base = 44100, 1024 * number, Fraction(1, 44100)
        out.mux(sound.encode(block))
    out.mux(sound.encode(None))
"""


def test_only_pictures_are_replaced_in_a_folder(label_maps, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--label-maps", "truth", "--background", "green", "-o", "out")
    assert replace("clip.mp4", *options, "--end", 4) == 0
    assert replace("clip.mp4", *options) == 2
    assert "is not empty; give --overwrite to replace its pictures" in capsys.readouterr().err
    assert replace("clip.mp4", *options, "--end", 2, "--overwrite") == 0
    assert names("out") == NAMES[:2]
    Path("out/notes.txt").write_text("mine")
    assert replace("clip.mp4", *options, "--overwrite") == 2
    assert Path("out/notes.txt").read_text() == "mine"


# Interruptions

PICTURES = ("clip.mp4", "--mask", "0.png", "--background", "green", "-o", "out", "--matte", "matte")
VIDEO = ("clip.mp4", "--mask", "0.png", "--background", "green", "-o", "out.mp4")


@pytest.mark.parametrize("happens", [press_ctrl_c, fill_disk, kill])
@pytest.mark.parametrize("number", [0, 5])
def test_nothing_is_left_of_an_interrupted_video(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], happens, number
) -> None:
    before = names(here)
    at_call(monkeypatch, VideoWriter, "write", number, happens)
    if happens is kill:
        with pytest.raises(Killed):
            replace(*VIDEO)
    else:
        assert replace(*VIDEO) == (130 if happens is press_ctrl_c else 1)
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert names(here) == before


@pytest.mark.parametrize(
    ("happens", "save_seconds"),
    [(press_ctrl_c, 1000), (fill_disk, 0), (kill, 0), (kill, 1000)],
    ids=["Ctrl-C", "disk full", "killed after saving", "killed long after saving"],
)
@pytest.mark.parametrize(
    ("owner", "name"), [(ImageSequenceWriter, "write"), (VideoSegmenter, "step"), (replace_job, "publish")]
)
def test_interrupted_pictures_go_on_to_the_same_bytes(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens,
    save_seconds,
    owner,
    name,
) -> None:
    assert replace(*PICTURES) == 0
    whole = tree("out"), tree("matte")
    shutil.rmtree("out")
    shutil.rmtree("matte")
    monkeypatch.setattr(replace_job, "SAVE_SECONDS", save_seconds)
    for stop in (0, 1) if owner is replace_job else (0, 3, 7):
        with monkeypatch.context() as patch:
            at_call(patch, owner, name, stop, happens)
            if happens is kill:
                with pytest.raises(Killed):
                    replace(*PICTURES)
            else:
                assert replace(*PICTURES) == (130 if happens is press_ctrl_c else 1)
                said = capsys.readouterr().err.strip().splitlines()
                assert "--resume to continue" in said[-1] or "everything had been written" in said[-1]
        if Path(".out.unfinished").exists():
            assert replace(*PICTURES, "--resume") == 0
        assert (tree("out"), tree("matte")) == whole
        assert not [entry for entry in names(here) if entry.startswith(".")]
        shutil.rmtree("out")
        shutil.rmtree("matte")


def test_a_resumed_run_has_the_same_options(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        at_call(patch, ImageSequenceWriter, "write", 3, press_ctrl_c)
        assert replace(*PICTURES) == 130
    assert replace(*PICTURES) == 2
    assert "an interrupted run is here; give --resume" in capsys.readouterr().err
    assert replace(*PICTURES, "--resume", "--softness", 3) == 2
    assert "the interrupted run had other options" in capsys.readouterr().err


def test_a_killed_process_leaves_no_half_of_a_video_under_its_name(here: Path) -> None:
    """With SIGKILL, in the middle; and the next run is not bothered by what is left."""
    command = [sys.executable, "-m", "maskstream.cli", "replace", *VIDEO, "--size", "64", "-q"]
    slow = "import time, maskstream.video.write as w; f = w.VideoWriter.write\n"
    slow += "def slowly(*a, **k): time.sleep(0.5); return f(*a, **k)\n"
    slow += "w.VideoWriter.write = slowly\n"
    slow += f"from maskstream.cli.__main__ import main; main({command[3:]!r})"
    process = subprocess.Popen([sys.executable, "-c", slow])
    try:
        for _ in range(200):
            if list(Path().glob(".out.mp4.*.part")):
                break
            time.sleep(0.05)
        assert list(Path().glob(".out.mp4.*.part"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not Path("out.mp4").exists()
    assert replace(*VIDEO) == 0
    assert len(images("out.mp4")) == FRAMES
    assert not list(Path().glob(".out.mp4.*.part"))


def test_masks_of_frames_that_never_come_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_label_map("late.png", truth(0))
    assert replace(*VIDEO, "--mask", "30=late.png") == 2
    assert "frame 30 has a mask, but the video has no such frame" in capsys.readouterr().err
    assert not Path("out.mp4").exists()
