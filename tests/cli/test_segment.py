"""``maskstream segment``: every option, every output, bad input of every kind, and interruptions."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from maskstream import files
from maskstream.cli.__main__ import main
from maskstream.drawn_clips import draw_clip
from maskstream.jobs import checkpoint, outputs
from maskstream.jobs import segment as segment_job
from maskstream.masks.palette import PALETTE, write_label_map
from maskstream.masks.rle import decode
from maskstream.runtime import load
from maskstream.streaming.ensemble import EnsembleSegmenter
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter
from tests.helpers.drawn_clip import FRAMES, HEIGHT, WIDTH
from tests.helpers.interruptions import Killed, at_call, fill_disk, kill, press_ctrl_c
from tests.helpers.played_finder import play_finder

NAMES = [f"{i:05d}.png" for i in range(FRAMES)]


def segment(*options):
    return main(["segment", *map(str, options), "--size", "64"])


def label_map(path):
    return np.array(Image.open(path))


def tree(folder):
    """Every file below a folder, hidden ones too, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def mask_of(index, *ids):
    """A file with only these objects of a true label map."""
    truth = label_map(f"{index}.png")
    path = Path(f"{index}-only-{'-'.join(map(str, ids))}.png")
    write_label_map(path, np.where(np.isin(truth, ids), truth, 0))
    return path


def add_silence(container, blocks):
    """A sound track of some blocks of 1024 samples."""
    stream = container.add_stream("aac", rate=44100, layout="mono")
    for number in range(blocks):
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.rate, block.pts, block.time_base = 44100, 1024 * number, Fraction(1, 44100)
        container.mux(stream.encode(block))
    container.mux(stream.encode(None))


def overlap(a, b):
    """The IoU of two masks."""
    return (a & b).sum() / max((a | b).sum(), 1)


# What comes out


def test_a_folder_gets_a_palette_png_for_each_frame_and_nothing_else(here: Path) -> None:
    before = names(here)
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out") == 0
    assert names("out") == NAMES
    assert names(here) == sorted([*before, "out"])
    for name in NAMES:
        image = Image.open(Path("out", name))
        assert (image.mode, image.size) == ("P", (WIDTH, HEIGHT))
        assert image.getpalette() == PALETTE.ravel().tolist()
    assert np.array_equal(label_map("out/00000.png"), label_map("0.png"))
    last, truth = label_map("out/00007.png"), label_map("7.png")
    assert set(np.unique(last)) <= {0, 1, 2}
    assert overlap(last > 0, truth > 0) > 0.2  # the network is the network's business; that it ran is ours


def test_without_a_mask_the_subject_is_detected(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    play_finder(monkeypatch, [label_map("0.png")])
    assert segment("clip.mp4", "-o", "out") == 0
    assert np.array_equal(label_map("out/00000.png"), label_map("0.png"))
    assert "detecting the main subject automatically" in caplog.text


def test_where_nobody_is_detected_one_line_says_what_to_do(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_finder(monkeypatch, [None] * 9)
    assert segment("clip.mp4", "-o", "out") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search("clip.mp4: no subject detected in the first 250 frames; give --mask", last)


def test_label_maps_of_images_are_named_after_them(here: Path, material: Path) -> None:
    assert segment(material / "frames", "--mask", "0.png", "-o", "out") == 0
    assert names("out") == names(material / "frames")


def test_a_sequence_of_a_data_set_brings_its_first_mask_and_that_is_said(
    here: Path, material: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images, masks = here / "set/JPEGImages/480p/thing", here / "set/Annotations/480p/thing"
    shutil.copytree(material / "frames", images)
    masks.mkdir(parents=True)
    shutil.copy("0.png", masks / "picture 95.png")
    shutil.copy("3.png", masks / "picture 98.png")
    assert segment(images, "-o", "out") == 0
    assert np.array_equal(label_map("out/picture 95.png"), label_map("0.png"))
    assert "taking the one that the data set brings" in caplog.text
    assert str(masks / "picture 95.png") in caplog.text
    assert segment(images, "--start", "3", "-o", "late") == 0
    assert np.array_equal(label_map("late/picture 98.png"), label_map("3.png"))


def test_all_outputs_tell_the_same(here: Path) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--overlay", "over.mkv") == 0
    assert segment("clip.mp4", "--mask", "0.png", "-o", "masks.json") == 0
    assert segment("clip.mp4", "--mask", "0.png", "-o", "masks.mp4") == 0
    assert not [name for name in names(here) if name.startswith(".")]
    written = json.loads(Path("masks.json").read_text())
    with read_video("clip.mp4") as clip, read_video("over.mkv") as over, read_video("masks.mp4") as masks:
        rows = list(zip(clip, over, masks, written["frames"], strict=True))
    assert [row[3]["frame"] for row in rows] == list(range(FRAMES))
    for source, drawn, coloured, record in rows:
        labels = label_map(f"out/{source.index:05d}.png")
        assert source.time == coloured.time == pytest.approx(record["time"])
        assert float(drawn.time) == pytest.approx(float(source.time), abs=0.001)
        assert [o["id"] for o in record["objects"]] == [i for i in np.unique(labels) if i]
        for o in record["objects"]:
            assert np.array_equal(decode(o["rle"]), labels == o["id"])
        outside = cv2.dilate(labels, np.ones((9, 9), np.uint8)) == 0
        changed = np.abs(drawn.image.astype(int) - source.image).mean(axis=2)
        assert changed[outside].mean() < 6
        assert changed[labels > 0].mean() > 15
        assert coloured.image[outside].mean() < 10
        assert coloured.image[cv2.erode(labels, np.ones((5, 5), np.uint8)) > 0].max(axis=-1).mean() > 100


@pytest.mark.parametrize(
    ("output", "overlay", "expected"),
    [
        ("out", None, {"folder": "out"}),
        ("out/", None, {"folder": "out"}),
        ("a.json", None, {"rle": "a.json"}),
        ("a.MP4", None, {"masks": "a.MP4"}),
        (None, "b.webm", {"overlay": "b.webm"}),
        ("a.mp4", "", {"overlay": "a.mp4"}),
        ("a.mov", "b.mp4", {"masks": "a.mov", "overlay": "b.mp4"}),
        ("out", "", {"folder": "out", "overlay": "out-overlay.mp4"}),
        ("x/a.json", "", {"rle": "x/a.json", "overlay": "x/a-overlay.mp4"}),
    ],
)
def test_names_say_what_is_written(output, overlay, expected) -> None:
    made = outputs.SegmentOutputs.of(output, True if overlay == "" else overlay)
    assert made == outputs.SegmentOutputs(**{kind: Path(name) for kind, name in expected.items()})


@pytest.mark.parametrize("output", ["run_v1.2", "run_v1.2/", "run.final", "new/deep/run.v2b"])
def test_only_endings_of_files_make_a_name_a_files(here: Path, output) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", output) == 0
    assert names(output) == NAMES


@pytest.mark.parametrize("output", ["new/a.json", "new/deep/a.mp4", "new/out"])
def test_missing_folders_of_outputs_are_made_but_not_for_nothing(here: Path, output) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", output, "--start", "90") == 2
    assert not Path("new").exists()
    assert segment("clip.mp4", "--mask", "0.png", "-o", output) == 0
    assert Path(output).exists()


def test_a_folder_with_a_dot_in_its_name_is_a_folder(here: Path) -> None:
    Path("v1.2").mkdir()
    assert segment("clip.mp4", "--mask", "0.png", "-o", "v1.2", "--overlay") == 0
    assert names("v1.2") == NAMES
    assert Path("v1.2-overlay.mp4").is_file()


def test_the_current_folder_can_be_written_to(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out").mkdir()
    monkeypatch.chdir("out")
    assert segment("../clip.mp4", "--mask", "../0.png", "-o", ".") == 0
    assert names(".") == NAMES


def test_sound_stays_with_the_whole_and_a_cut_begins_at_zero(here: Path) -> None:
    with av.open("clip.mp4") as video, av.open("loud.mp4", "w") as loud:
        picture = loud.add_stream_from_template(video.streams.video[0])
        add_silence(loud, blocks=14)
        for packet in video.demux(video=0):
            if packet.pts is not None:
                packet.stream = picture
                loud.mux(packet)
    assert segment("loud.mp4", "--mask", "0.png", "--overlay", "whole.mp4") == 0
    assert segment("loud.mp4", "--mask", "3.png", "--overlay", "cut.mp4", "--start", "3") == 0
    with av.open("whole.mp4") as whole, av.open("cut.mp4") as cut:
        assert (len(whole.streams.audio), len(cut.streams.audio)) == (1, 0)
        assert next(cut.decode(video=0)).pts == 0


def test_quiet_says_nothing_and_else_one_line_says_what_was_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment("clip.mp4", "--mask", "2=2.png", "-o", "a", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert segment("clip.mp4", "--mask", "0.png", "-o", "b", "--overlay") == 0
    assert capsys.readouterr() == ("", "8 frames: b, b-overlay.mp4\n")


# What is segmented


def test_every_start_and_end_choose_frames(here: Path) -> None:
    options = ("--start", 1, "--end", 7, "--every", 2)
    assert segment("clip.mp4", "--mask", "1.png", "-o", "out", "--overlay", *options) == 0
    assert names("out") == ["00001.png", "00003.png", "00005.png"]
    assert np.array_equal(label_map("out/00001.png"), label_map("1.png"))
    with read_video("out-overlay.mp4") as frames:
        assert [frame.time for frame in frames] == [0, Fraction(2, 24), Fraction(4, 24)]


def test_an_end_after_the_last_frame_is_the_end(here: Path) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--end", 1000) == 0
    assert names("out") == NAMES


def test_ids_keep_some_objects(here: Path) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--ids", "2") == 0
    assert {i for name in NAMES for i in np.unique(label_map(Path("out", name)))} == {0, 2}


def test_ids_may_be_spread_over_masks(here: Path) -> None:
    masks = ("--mask", mask_of(0, 1), "--mask", f"4={mask_of(4, 2)}")
    assert segment("clip.mp4", *masks, "-o", "out", "--ids", "1,2") == 0
    assert set(np.unique(label_map("out/00004.png"))) == {0, 1, 2}


def box_of(index, object_id):
    """x,y,w,h around an object of a true label map, a little loose."""
    rows, columns = np.nonzero(label_map(f"{index}.png") == object_id)
    x, y = columns.min() - 2, rows.min() - 2
    return f"{x},{y},{columns.max() + 3 - x},{rows.max() + 3 - y}"


def test_a_box_marks_an_object(here: Path) -> None:
    assert segment("clip.mp4", f"--box={box_of(0, 1)}", "-o", "out") == 0
    first, truth = label_map("out/00000.png"), label_map("0.png")
    assert set(np.unique(first)) == {0, 1}
    assert overlap(first > 0, truth == 1) > 0.6
    assert names("out") == NAMES


def test_boxes_count_on_after_masks(here: Path) -> None:
    boxes = (f"--box={box_of(0, 2)}", f"--box=4={box_of(4, 1)}")
    assert segment("clip.mp4", "--mask", mask_of(0, 1), *boxes, "-o", "out") == 0
    first = label_map("out/00000.png")
    assert set(np.unique(first)) == {0, 1, 2}
    assert np.array_equal(first == 1, label_map("0.png") == 1)  # masks win
    assert 3 not in label_map("out/00003.png")
    assert 3 in label_map("out/00004.png")


def test_ids_choose_among_boxes_too(here: Path) -> None:
    boxes = (f"--box={box_of(0, 1)}", f"--box={box_of(0, 2)}")
    assert segment("clip.mp4", *boxes, "--ids", "2", "-o", "out") == 0
    assert set(np.unique(label_map("out/00000.png"))) == {0, 2}


def test_a_box_is_taken_instead_of_the_mask_that_a_data_set_brings(here: Path, material: Path) -> None:
    images, masks = here / "set/JPEGImages/480p/thing", here / "set/Annotations/480p/thing"
    shutil.copytree(material / "frames", images)
    masks.mkdir(parents=True)
    shutil.copy("0.png", masks / "picture 95.png")
    assert segment(images, f"--box={box_of(0, 1)}", "-o", "out") == 0
    assert set(np.unique(label_map("out/picture 95.png"))) == {0, 1}


def test_a_later_mask_corrects_and_adds(here: Path) -> None:
    assert segment("clip.mp4", "--mask", mask_of(0, 1), "--mask", "5=5.png", "-o", "out") == 0
    assert set(np.unique(label_map("out/00004.png"))) <= {0, 1}
    assert np.array_equal(label_map("out/00005.png"), label_map("5.png"))


def test_frames_before_the_first_mask_are_empty_and_that_is_said(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert segment("clip.mp4", "--mask", "3=3.png", "-o", "out") == 0
    assert "frames before the first mask (3) stay empty; `backward=True`" in caplog.text
    assert names("out") == NAMES
    assert not any(label_map(Path("out", name)).any() for name in NAMES[:3])
    assert label_map("out/00004.png").any()


def test_backward_goes_both_ways(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert segment("clip.mp4", "--mask", "5=5.png", "-o", "out", "--backward") == 0
    assert "stay empty" not in caplog.text
    assert names("out") == NAMES
    assert np.array_equal(label_map("out/00005.png"), label_map("5.png"))
    for index in (2, 7):
        assert overlap(label_map(f"out/{index:05d}.png") > 0, label_map(f"{index}.png") > 0) > 0.2
    assert segment("clip.mp4", "--mask", "5.png", "-o", "forward", "--start", "5") == 0
    for name in NAMES[5:]:
        assert Path("out", name).read_bytes() == Path("forward", name).read_bytes()


def test_backward_with_every_keeps_to_its_frames(here: Path) -> None:
    options = ("--backward", "--every", 2, "--start", 1)
    assert segment("clip.mp4", "--mask", "5=5.png", "-o", "out", *options) == 0
    assert names("out") == NAMES[1::2]


def test_backward_each_object_goes_back_from_its_own_first_mask(here: Path) -> None:
    masks = ("--mask", f"2={mask_of(2, 1)}", "--mask", f"5={mask_of(5, 2)}")
    assert segment("clip.mp4", *masks, "-o", "out", "--backward") == 0
    for name in NAMES:
        assert set(np.unique(label_map(Path("out", name)))) == {0, 1, 2}
    assert segment("clip.mp4", *masks, "-o", "forward", "--start", "2") == 0
    for name in NAMES[2:]:  # what the forward pass says of its objects stands
        forward, both = label_map(Path("forward", name)), label_map(Path("out", name))
        assert np.array_equal(both[forward > 0], forward[forward > 0])


def test_several_files_for_one_frame_are_an_object_each(here: Path) -> None:
    for object_id, name in ((1, "left-7.png"), (2, "right-9.png")):
        Image.fromarray(np.uint8(label_map("0.png") == object_id) * 255).save(name)
    assert segment("clip.mp4", "--mask", "left-7.png", "--mask", "0=right-9.png", "-o", "out") == 0
    assert set(np.unique(label_map("out/00000.png"))) == {0, 7, 9}


def test_a_folder_of_one_file_an_object_and_one_of_sa_v(here: Path) -> None:
    Path("objects").mkdir()
    for object_id in (1, 2):
        mask = Image.fromarray(np.uint8(label_map("4.png") == object_id) * 255)
        mask.save(f"objects/{object_id}.png")
        Path(f"sav/{object_id - 1:03d}").mkdir(parents=True)
        mask.save(f"sav/{object_id - 1:03d}/00004.png")
    for source in ("objects", "sav"):
        assert segment("clip.mp4", "--mask", f"4={source}", "-o", f"out-{source}") == 0
        assert np.array_equal(label_map(f"out-{source}/00004.png"), label_map("4.png"))


def test_a_mask_in_the_home_folder_is_found_behind_its_frame(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert segment("clip.mp4", "--mask", "0=~/0.png", "-o", "out") == 0


def test_soft_masks_are_cut_with_a_word_unless_that_is_wanted(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft = cv2.GaussianBlur(np.uint8(label_map("0.png") > 0) * 255, (9, 9), 0)
    Image.fromarray(soft).save("soft.png")
    assert segment("clip.mp4", "--mask", "soft.png", "-o", "out", "--threshold-soft") == 0
    assert np.array_equal(label_map("out/00000.png"), soft >= 128)
    assert "rounded" not in caplog.text
    assert segment("clip.mp4", "--mask", "soft.png", "-o", "told") == 0
    assert np.array_equal(label_map("told/00000.png"), soft >= 128)
    assert "rounded" in caplog.text


# What exists already


def test_overwrite_replaces_all_of_an_earlier_run(here: Path) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--overlay") == 0
    old = tree(here)
    assert segment("clip.mp4", "--mask", "3.png", "-o", "out", "--overlay") == 2
    assert tree(here) == old
    folder = Path("out").stat().st_ino
    options = ("--overwrite", "--start", 3, "--end", 5)
    assert segment("clip.mp4", "--mask", "3.png", "-o", "out", "--overlay", *options) == 0
    assert names("out") == NAMES[3:5]
    assert Path("out").stat().st_ino == folder  # it may be a mount
    assert np.array_equal(label_map("out/00003.png"), label_map("3.png"))
    with read_video("out-overlay.mp4") as frames:
        assert len(list(frames)) == 2


def test_overwrite_takes_label_maps_only(here: Path) -> None:
    Path("out").mkdir()
    Image.new("RGB", (4, 4)).save("out/holiday.png")
    Path("out/.hidden").touch()
    for _ in "ab":
        assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--overwrite") == 2
    Path("out/holiday.png").unlink()
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out") == 0
    assert names("out") == [".hidden", *NAMES]


@pytest.mark.parametrize(
    "options",
    [
        ("clip.mp4", "--mask", "0.png", "--overlay", "clip.mp4"),
        ("link.mp4", "--mask", "0.png", "--overlay", "clip.mp4"),
        ("frames", "--mask", "0.png", "-o", "frames"),
        ("clip.mp4", "--mask", "masks/0.png", "-o", "masks"),
        ("clip.mp4", "--mask", "masks", "-o", "masks"),
    ],
)
def test_what_is_read_is_never_overwritten(
    here: Path, material: Path, capsys: pytest.CaptureFixture[str], options
) -> None:
    Path("link.mp4").symlink_to("clip.mp4")
    shutil.copytree(material / "frames", "frames")
    Path("masks").mkdir()
    shutil.copy("0.png", "masks")
    before = tree(here)
    assert segment(*options, "--overwrite") == 2
    assert " read" in capsys.readouterr().err
    assert tree(here) == before


# Bad input


def clip_of(path, sizes, suffix="mpegts"):
    """A video whose picture changes its size."""
    data = b""
    for width, height in sizes:
        with av.open(str(path), "w", format=suffix) as container:
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(3):
                image = np.full((height, width, 3), 90, np.uint8)
                frame = av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        data += Path(path).read_bytes()
    Path(path).write_bytes(data)


def broken_model(name):
    shutil.copytree(load.WEIGHTS / "live", name)
    return Path(name)


def make_bad_things(material):
    """One of everything that can't be used."""
    truth = label_map("0.png")
    Path("text.mp4").write_text("This is no video.")
    Path("nothing.mp4").touch()
    Path("empty").mkdir()
    Path("notes").mkdir()
    Path("notes/read.me").touch()
    with av.open("sound.mp4", "w") as container:
        add_silence(container, blocks=2)
    clip_of("changing.ts", [(WIDTH, HEIGHT), (128, 80)])
    for name in ("mixed", "twins", "first-broken"):
        shutil.copytree(material / "frames", name)
    Image.new("RGB", (40, 30)).save("mixed/picture 98.png")
    Image.new("RGB", (WIDTH, HEIGHT)).save("twins/picture 98.jpg")
    Path("first-broken/picture 95.png").write_bytes(b"no picture")
    write_label_map("small.png", truth[:32])
    write_label_map("blank.png", truth * 0)
    noise = np.random.default_rng(0).integers(0, 256, (*truth.shape, 3), dtype=np.uint8)
    Image.fromarray(noise).save("photo.png")
    Image.fromarray(truth.astype(np.uint16) * 200).save("ids.png")
    Path("bad.png").write_text("This is no picture.")
    Path("file").touch()
    Path("full").mkdir()
    Path("full/diary.txt").touch()
    Path("there.mp4").touch()
    broken_model("no-graph").joinpath("encode.onnx").unlink()
    broken_model("cut-graph").joinpath("encode.onnx").write_bytes(b"\x08\x07")
    broken_model("no-info").joinpath("model.json").write_text("{")
    shutil.copy(load.WEIGHTS / "live" / "segment.onnx", broken_model("mixed-up") / "encode.onnx")


MASK = ("--mask", "0.png")
OUT = ("-o", "out")
BAD = {
    "input that is missing": (("none.mp4", *MASK, *OUT), "none.mp4: no such file or folder"),
    "text": (("text.mp4", *MASK, *OUT), "text.mp4: not a readable video"),
    "zero bytes": (("nothing.mp4", *MASK, *OUT), "nothing.mp4: not a readable video"),
    "sound only": (("sound.mp4", *MASK, *OUT), "sound.mp4: no video stream in this file .it holds audio"),
    "empty folder": (("empty", *MASK, *OUT), "empty: no images"),
    "folder of other things": (("notes", *MASK, *OUT), "notes: no images"),
    "picture changes": (("changing.ts", *MASK, *OUT), "changing.ts: at frame 3 .* --end 3"),
    "images of two sizes": (("mixed", *MASK, *OUT, "--overlay"), "picture 98.png: it is 40x30"),
    "two images of a name": (("twins", *MASK, *OUT), "picture 98.jpg and picture 98.png would both"),
    "marked image broken": (("first-broken", *MASK, *OUT), "first-broken: frame 0 has a mask, but"),
    "mask of another size": (("clip.mp4", "--mask", "small.png", *OUT), "small.png: .*96x32 .*96x64"),
    "empty mask": (("clip.mp4", "--mask", "blank.png", *OUT), "blank.png: the mask is empty"),
    "photo as mask": (("clip.mp4", "--mask", "photo.png", *OUT), "photo.png: .*as of a photograph"),
    "ids above 255": (("clip.mp4", "--mask", "ids.png", *OUT), "ids.png: ids from 0 to 400"),
    "missing mask": (("clip.mp4", "--mask", "none.png", *OUT), "none.png: no such mask file"),
    "mask that is text": (("clip.mp4", "--mask", "bad.png", *OUT), "bad.png: not a readable image"),
    "folder without masks": (("clip.mp4", "--mask", "empty", *OUT), "empty: no masks here"),
    "mask after the end": (("clip.mp4", "--mask", "99=0.png", *OUT), "frame 99 has a mask, but the video"),
    "mask after the end, backward": (
        ("clip.mp4", "--mask", "99=0.png", *OUT, "--backward"),
        "frame 99 has a mask, but the video",
    ),
    "mask after the last image": (
        ("mixed", "--mask", "8=0.png", *OUT),
        "--mask 8=0.png: the last frame of mixed is 7",
    ),
    "mask of a frame left out": (
        ("clip.mp4", "--mask", "3=3.png", *OUT, "--every", "2"),
        "--mask 3=3.png: frame 3 is not segmented; that is frames from 0 to the end, every 2",
    ),
    "box that is none": (("clip.mp4", "--box", "1,2,3", *OUT), "--box 1,2,3: give x,y,width,height"),
    "box of words": (("clip.mp4", "--box", "first=1,2,3,4", *OUT), "--box first=1,2,3,4: give x,y"),
    "box without area": (("clip.mp4", "--box", "1,2,0,4", *OUT), "box 1,2,0,4: has no area"),
    "box outside": (("clip.mp4", "--box", "96,0,9,9", *OUT), "box 96,0,9,9: lies outside the frame of 96x64"),
    "box after the end": (
        ("clip.mp4", "--box", "99=1,2,3,4", *OUT),
        "clip.mp4: it has 8 frames, so none from frame 99",
    ),
    "box of a frame left out": (
        ("clip.mp4", "--box", "3=1,2,30,40", *OUT, "--every", "2"),
        "--box 3=1,2,30,40: frame 3 is not segmented",
    ),
    "box of an unknown id": (
        ("clip.mp4", "--box", "1,2,30,40", *OUT, "--ids", "4"),
        "no mask holds object 4",
    ),
    "id in no mask": (("clip.mp4", *MASK, *OUT, "--ids", "1,5"), "--ids: no mask holds object 5; .* 1, 2"),
    "mask without ids": (
        ("clip.mp4", *MASK, *OUT, "--ids", "7"),
        "0.png: holds none of --ids 7; it has 1, 2",
    ),
    "network": (("clip.mp4", *MASK, *OUT, "--model", "big"), "big: no such network; shipped are: .*live"),
    "no graph": (("clip.mp4", *MASK, *OUT, "--model", "no-graph"), "no-graph: no encode.onnx"),
    "cut graph": (("clip.mp4", *MASK, *OUT, "--model", "cut-graph"), "encode.onnx: not a usable ONNX graph"),
    "no info": (("clip.mp4", *MASK, *OUT, "--model", "no-info"), "model.json: cannot be read"),
    "mixed-up graphs": (("clip.mp4", *MASK, *OUT, "--model", "mixed-up"), "encode.onnx: needs .*export"),
    "device": (("clip.mp4", *MASK, *OUT, "--device", "abacus"), "device 'abacus' is unknown"),
    "threads": (("clip.mp4", *MASK, *OUT, "--threads", "0"), "threads is 0; give 1 or more"),
    "every 0": (("clip.mp4", *MASK, *OUT, "--every", "0"), "--every is 0; give 1 or more"),
    "start below 0": (("clip.mp4", *MASK, *OUT, "--start", "-1"), "--start is -1; give 0 or more"),
    "start after the end": (
        ("clip.mp4", *MASK, *OUT, "--start", "90"),
        "has 8 frames, so none from frame 90",
    ),
    "start after the last image": (
        ("mixed", *MASK, *OUT, "--start", "90"),
        "--start is 90, but mixed has 8 images",
    ),
    "end before start": (("clip.mp4", *MASK, *OUT, "--end", "0"), "--end 0 is not after --start 0"),
    "scale of nothing": (("clip.mp4", *MASK, *OUT, "--scales", "1,0"), "scale 0 is not above 0"),
    "one scale twice": (("clip.mp4", *MASK, *OUT, "--scales", "1,1.0"), "scales 1 and 1 are both 64 lines"),
    "one network twice": (
        ("clip.mp4", *MASK, *OUT, "--models", "live", "live"),
        "--models: live is given twice",
    ),
    "one network of several": (("clip.mp4", *MASK, *OUT, "--models", "live", "liv"), "liv: no such network"),
    "no output": (("clip.mp4", *MASK), "nothing to write; give -o"),
    "overlay without a name": (("clip.mp4", *MASK, "--overlay"), "--overlay needs a name"),
    "overlay that is no video": (("clip.mp4", *MASK, "--overlay", "a.gif"), "a.gif: the overlay is a video"),
    "kind of output": (
        ("clip.mp4", *MASK, "-o", "out.avi"),
        "out.avi: can't write .avi files; name a folder",
    ),
    "one output twice": (("clip.mp4", *MASK, "-o", "a.mp4", "--overlay", "./a.mp4"), "is both -o and --over"),
    "folder below a file": (("clip.mp4", *MASK, "-o", "file/out"), "file/out: file is a file; name another"),
    "file below a file": (("clip.mp4", *MASK, "-o", "file/b/a.json"), "file/b/a.json: file is a file"),
    "gif": (("clip.mp4", *MASK, "-o", "no/a.gif"), "no/a.gif: can't write .gif files; name a folder"),
    "largest of a mask": (
        ("clip.mp4", *MASK, *OUT, "--largest"),
        "--largest: is for a subject that",
    ),
    "output that is a file": (("clip.mp4", *MASK, "-o", "file"), "file: is a file; name a folder"),
    "output with other things": (("clip.mp4", *MASK, "-o", "full"), "full: is not empty; give --overwrite"),
    "overwriting other things": (("clip.mp4", *MASK, "-o", "full", "--overwrite"), "holds diary.txt"),
    "video that exists": (("clip.mp4", *MASK, "-o", "there.mp4"), "there.mp4: exists; give --overwrite"),
}


@pytest.fixture(scope="session")
def bad_things(material, network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(material, folder, dirs_exist_ok=True)
    before = os.getcwd()
    os.chdir(folder)
    make_bad_things(material)
    os.chdir(before)
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    case, bad_things, network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = BAD[case]
    monkeypatch.setattr(load, "load_model", network)
    monkeypatch.chdir(bad_things)
    before = sorted(bad_things.rglob("*"))
    assert segment(*options) == 2
    said = capsys.readouterr()
    errors = [line for line in said.err.splitlines() if not line.startswith("frames before")]
    assert len(errors) == 1
    assert re.match(f"maskstream: error: .*{message}", errors[0])
    assert sorted(bad_things.rglob("*")) == before


@pytest.mark.parametrize(
    "option",
    [
        ("--ids", "one"),
        ("--ids", "1,"),
        ("--size", "big"),
        ("--every", "x"),
        ("--scales", ""),
        ("--scales", "a"),
    ],
)
def test_what_is_no_number_is_said_by_the_option(option, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "clip.mp4", "--mask", "0.png", "-o", "out", *option])
    assert f"argument {option[0]}" in capsys.readouterr().err


def test_a_size_below_the_networks_stride_is_bad_input(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", "clip.mp4", "--mask", "0.png", "-o", "out", "--size", "3"]) == 2
    assert "size is 3" in capsys.readouterr().err
    assert main(["segment", "clip.mp4", "--mask", "0.png", "-o", "out", "--size", "native"]) == 0


def test_an_impossible_window_is_bad_input(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "clip.mp4", "--mask", "0.png", "-o", "out", "--window", "0.5"]) == 2
    assert "window is 0.5" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("window", [None, 2.0])
def test_the_window_is_that_of_the_option(here: Path, monkeypatch: pytest.MonkeyPatch, window) -> None:
    wanted = []
    start = VideoSegmenter.__init__
    monkeypatch.setattr(
        VideoSegmenter, "__init__", lambda *a, **k: (wanted.append(k["window"]), start(*a, **k))[1]
    )
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", *(("--window", window) if window else ())) == 0
    assert set(wanted) == {window}


@pytest.mark.parametrize("output", ["locked/out", "locked", "locked/a.mp4"])
def test_a_folder_without_permission_is_bad_input(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output
) -> None:
    Path("locked").mkdir()
    allowed = os.access  # root may write anywhere, so permissions are pretended
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path) and allowed(path, mode))
    assert segment("clip.mp4", "--mask", "0.png", "-o", output) == 2
    assert "no permission to write into" in capsys.readouterr().err
    assert names("locked") == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_video_that_is_cut_short_gives_what_there_is(
    here: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    with VideoWriter(f"long.{suffix}", fps=24, crf=5) as writer:
        for frame, _ in draw_clip(40, HEIGHT, WIDTH, objects=2):
            writer.write(frame)
    data = Path(f"long.{suffix}").read_bytes()
    Path(f"cut.{suffix}").write_bytes(data[: len(data) * 6 // 10])
    assert segment(f"cut.{suffix}", "--mask", "0.png", "-o", "out", "--overlay") == 0
    came = len(names("out"))
    assert 10 < came < 30
    assert f"cut.{suffix}: {came} frames came where its header speaks of 40" in caplog.text


def test_a_damaged_image_is_left_out_and_named(
    here: Path, material: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(material / "frames", "frames")
    Path("frames/picture 98.png").write_bytes(b"no picture")
    assert segment("frames", "--mask", "0.png", "-o", "out", "--overlay") == 0
    assert names("out") == [name for name in names("frames") if name != "picture 98.png"]
    assert "picture 98.png: not a readable image; left out" in caplog.text


# Interruptions


WORK = {
    "forward": ("clip.mp4", "--mask", "0.png", "--mask", "3=3.png"),
    "every second": ("clip.mp4", "--mask", "0.png", "--every", "2", "--end", "7"),
    "backward": ("clip.mp4", "--mask", "3=3-only-1.png", "--mask", "5=5-only-2.png", "--backward"),
    "images backward": ("frames", "--mask", "3=3-only-1.png", "--mask", "5=5-only-2.png", "--backward"),
    "ensemble": ("clip.mp4", "--mask", "0.png", "--mask", "3=3-only-1.png", "--scales", "1,1.5", "--flip"),
}
OUTPUTS = ("-o", "out", "--overlay", "over.mp4")
SEGMENTED = {"forward": 8, "every second": 4, "backward": 11, "images backward": 11, "ensemble": 32}


@pytest.fixture
def work(here, material):
    shutil.copytree(material / "frames", "frames")
    mask_of(3, 1)
    mask_of(5, 2)


@pytest.fixture(scope="session")
def uninterrupted():
    """What the runs of ``WORK`` write when nothing comes between, by their names."""
    return {}


def whole_run(name, uninterrupted):
    if name not in uninterrupted:
        assert segment(*WORK[name], *OUTPUTS) == 0
        uninterrupted[name] = results()
        shutil.rmtree("out")
        Path("over.mp4").unlink()
    return uninterrupted[name]


def results():
    """Label maps to the byte; of the video the times: an encoder's bytes are not ours to promise."""
    with read_video("over.mp4") as frames:
        return {"out": tree(Path("out")), "over": [(frame.time, frame.image.shape) for frame in frames]}


@pytest.mark.parametrize(
    ("happens", "save_seconds"),
    [(press_ctrl_c, 1000), (kill, 0), (kill, 1000)],
    ids=["Ctrl-C", "killed after saving", "killed long after saving"],
)
@pytest.mark.parametrize("name", WORK)
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    work,
    uninterrupted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name,
    happens,
    save_seconds,
) -> None:
    whole = whole_run(name, uninterrupted)
    monkeypatch.setattr(segment_job, "SAVE_SECONDS", save_seconds)
    for stop in (0, SEGMENTED[name] // 2, SEGMENTED[name] - 1):
        with monkeypatch.context() as patch:
            at_call(patch, VideoSegmenter, "step", stop, happens)
            if happens is kill:
                with pytest.raises(Killed):
                    segment(*WORK[name], *OUTPUTS)
            else:
                assert segment(*WORK[name], *OUTPUTS) == 130
                said = capsys.readouterr().err.splitlines()[-1]
                assert re.fullmatch(
                    r"maskstream: interrupted: stopped after frame \d; run it again with --resume to .*",
                    said,
                )
        assert not Path("out").exists()
        assert not Path("over.mp4").exists()
        assert segment(*WORK[name], *OUTPUTS) == 2
        assert "an interrupted run is here; give --resume" in capsys.readouterr().err
        assert segment(*WORK[name], *OUTPUTS, "--resume") == 0
        assert results() == whole
        assert not [entry for entry in names(".") if entry.startswith(".")]
        shutil.rmtree("out")
        Path("over.mp4").unlink()


def test_a_resumed_run_does_only_what_is_left(work, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_call(patch, VideoSegmenter, "step", 5, press_ctrl_c)
        assert segment(*WORK["backward"], *OUTPUTS) == 130
    at_call(monkeypatch, VideoSegmenter, "step", SEGMENTED["backward"] - 6, kill)
    assert segment(*WORK["backward"], *OUTPUTS, "--resume") == 0


@pytest.mark.parametrize("happens", [press_ctrl_c, kill, fill_disk])
@pytest.mark.parametrize(
    ("owner", "function", "number"),
    [
        (VideoWriter, "write", 3),
        (VideoWriter, "close", 0),
        (outputs.SegmentOutputs, "remove_old", 0),
        (segment_job, "publish", 0),
        (files, "moved", 4),
        (checkpoint.shutil, "rmtree", 0),
    ],
)
def test_an_interruption_at_the_end_can_be_resumed(
    work,
    uninterrupted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens,
    owner,
    function,
    number,
) -> None:
    whole = whole_run("forward", uninterrupted)
    Path("out").mkdir()
    shutil.copy("0.png", "out/99999.png")
    options = (*WORK["forward"], *OUTPUTS)
    with monkeypatch.context() as patch:
        at_call(patch, owner, function, number, happens)
        if happens is kill:
            with pytest.raises(Killed):
                segment(*options, "--overwrite")
        else:
            assert segment(*options, "--overwrite") == (130 if happens is press_ctrl_c else 1)
            assert re.search("--resume to continue|everything had been written", capsys.readouterr().err)
    if Path(".out.unfinished").exists():
        assert segment(*options, "--resume") == 0
    assert results() == whole
    assert not [entry for entry in names(".") if entry.startswith(".")]


def test_a_full_disk_is_one_line_and_can_be_resumed(
    work, uninterrupted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = whole_run("forward", uninterrupted)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        at_call(patch, segment_job, "write_label_map", 3, fill_disk)
        assert segment(*WORK["forward"], *OUTPUTS) == 1
    said = capsys.readouterr().err
    assert said == (
        "maskstream: error: somewhere: No space left on device; "
        "what was done is kept: run it again with --resume to continue\n"
    )
    assert not Path("out").exists()
    assert segment(*WORK["forward"], *OUTPUTS, "--resume") == 0
    assert results() == whole


def test_kill_9_can_be_resumed(work, uninterrupted) -> None:
    whole = whole_run("backward", uninterrupted)
    code = """
import os, signal, sys
from maskstream.cli.__main__ import main
from maskstream.jobs import segment as segment_job
from maskstream.streaming.segmenter import VideoSegmenter

segment_job.SAVE_SECONDS = 0
step, calls = VideoSegmenter.step, []

def deadly_step(*args):
    calls.append(1)
    if len(calls) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*args)

VideoSegmenter.step = deadly_step
main(["segment", *sys.argv[1:]])
"""
    command = [sys.executable, "-c", code, *WORK["backward"], *OUTPUTS, "--size", "64"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert segment(*WORK["backward"], *OUTPUTS, "--resume") == 0
    assert results() == whole


@pytest.mark.parametrize(
    "other",
    [
        ("clip.mp4", "--mask", "1.png"),
        ("clip.mp4", "--mask", "0.png", "--every", "2"),
        ("clip.mp4", "--mask", "0.png", "--ids", "1"),
        ("frames", "--mask", "0.png"),
        ("clip.mp4", "--mask", "0.png", "--model", "mine"),
        ("clip.mp4", "--mask", "0.png", "--models", "live", "mine"),
        ("clip.mp4", "--mask", "0.png", "--flip"),
        ("clip.mp4", "--mask", "0.png", "--scales", "1.5"),
        ("clip.mp4", "--mask", "0.png", "--window", "2"),
    ],
)
def test_another_run_is_not_resumed_but_may_begin_again(
    work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], other
) -> None:
    shutil.copytree(load.WEIGHTS / "live", "mine")
    with monkeypatch.context() as patch:
        at_call(patch, VideoSegmenter, "step", 4, press_ctrl_c)
        assert segment("clip.mp4", "--mask", "0.png", "-o", "out") == 130
    assert segment(*other, "-o", "out", "--resume") == 2
    said = capsys.readouterr().err
    assert re.search(
        "the interrupted run had other options, masks, input or network|the saved state is of", said
    )
    assert Path(".out.unfinished/snapshot.npz").is_file()
    assert segment(*other, "-o", "out", "--overwrite", "--end", "2") == 0
    assert not Path(".out.unfinished").exists()


def test_what_an_ensemble_writes_is_the_mean_of_its_members(here: Path) -> None:
    shutil.copytree(load.WEIGHTS / "live", "mine")
    options = ("--scales", "1,1.5", "--flip", "--models", "live", "mine")
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", *options) == 0
    made = EnsembleSegmenter.of(["live", "mine"], scales=[1, 1.5], flip=True, size=64)
    assert len(made.members) == 8
    with read_video("clip.mp4") as frames:
        for frame in frames:
            expected = made.step(frame.image, label_map("0.png") if frame.index == 0 else None).label_map
            np.testing.assert_array_equal(label_map(f"out/{frame.name}.png"), expected)


def test_scales_at_native_size_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--mask", "0.png", "-o", "out", "--scales", "1,2", "--size", "native")
    assert main(["segment", "clip.mp4", *options]) == 2
    assert "scales of live at native size: give a size in lines" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_damaged_snapshot_is_one_line(
    work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        at_call(patch, VideoSegmenter, "step", 4, press_ctrl_c)
        assert segment("clip.mp4", "--mask", "0.png", "-o", "out") == 130
    Path(".out.unfinished/snapshot.npz").write_bytes(b"PK")
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--resume") == 2
    assert "damaged; give --overwrite" in capsys.readouterr().err


def test_resuming_nothing_begins_at_the_beginning(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--resume") == 0
    assert "nothing to resume" in caplog.text
    assert names("out") == NAMES
    assert segment("clip.mp4", "--mask", "0.png", "-o", "out", "--resume") == 2


# Length


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--mask", "0.png"), ("--mask", "500=0.png", "--backward")])
def test_memory_does_not_grow_with_the_clip(here: Path, monkeypatch: pytest.MonkeyPatch, options) -> None:
    frames = 600
    with VideoWriter("long.mp4", fps=24) as writer:
        for frame, _ in draw_clip(frames, HEIGHT, WIDTH, objects=2):
            writer.write(frame)
    monkeypatch.setattr(segment_job, "SAVE_SECONDS", 1)
    held, step = [], VideoSegmenter.step

    def watched_step(*args):
        held.append(tracemalloc.get_traced_memory()[0])
        return step(*args)

    monkeypatch.setattr(VideoSegmenter, "step", watched_step)
    tracemalloc.start()
    try:
        outputs = ("-o", "out", "--overlay", "over.mp4")
        assert main(["segment", "long.mp4", *options, *outputs, "--size", "32"]) == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    a_fifth = frames * HEIGHT * WIDTH * 3 / 5  # of what holding all frames would take
    assert max(held[-100:]) - max(held[100:200]) < a_fifth
    assert peak - max(held[100:200]) < 2 * a_fifth + 32 * HEIGHT * WIDTH * 3
    assert len(names("out")) == frames
