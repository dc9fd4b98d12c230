"""`replace_background`: all that the command does, in one call; what a page or a batch needs of its job."""

import json
import pickle
import shutil
import threading
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import maskstream
from maskstream import (
    BackgroundOptions,
    CompositeConfig,
    InputError,
    JobCancelled,
    KeyConfig,
    MaskMark,
    MatteConfig,
    Phase,
    ReplaceJob,
    ReplaceOptions,
    SegmenterOptions,
    replace_background,
)
from maskstream.first_mask import subject
from maskstream.video.probe import probe
from maskstream.video.read import read_video
from tests.helpers.drawn_job_clip import FRAMES, HEIGHT, NAMES, WIDTH, label_map, names, tree

SMALL = SegmenterOptions(size=64)
GREEN = np.array([0, 255, 0])


class PlayedFinder:
    """Detects what a test has put into it."""

    found: ClassVar[list] = []

    def __init__(self, **options):
        pass

    def __call__(self, frame, *, largest=False):
        type(self).largest = largest
        mask = self.found.pop(0)
        return None if mask is None else subject.Subject(mask, (mask > 0).astype("float32"), 1.0)


@pytest.fixture
def finder(monkeypatch):
    monkeypatch.setattr(subject, "SubjectFinder", PlayedFinder)
    return PlayedFinder


def test_the_call_of_the_guide(here: Path, finder) -> None:
    """The subject is detected."""
    finder.found = [label_map("0.png")]
    shutil.copy("clip.mp4", "talk.mp4")
    Image.new("RGB", (20, 10), (0, 0, 255)).save("beach.jpg")
    done = maskstream.replace_background("talk.mp4", "beach.jpg", "out.mp4")
    assert (done.frames, done.outputs) == (FRAMES, (Path("out.mp4"),))
    with read_video("out.mp4") as frames:
        first = next(iter(frames)).image
    assert np.abs(first[0, 0].astype(int) - (0, 0, 255)).max() < 30
    assert not finder.largest


def test_the_largest_part_only_may_be_asked_for(here: Path, finder) -> None:
    finder.found = [label_map("0.png")]
    replace_background("clip.mp4", "green", "out.mp4", largest=True, model=SMALL)
    assert finder.largest


def test_the_subject_of_a_video_is_looked_for_in_its_first_250_frames(here: Path, finder) -> None:
    finder.found = [None, label_map("5.png")]
    found = maskstream.detect_subject("clip.mp4")
    assert found.frame == 5
    assert np.array_equal(found.subject.mask, label_map("5.png"))
    finder.found = [None, None]
    assert maskstream.detect_subject("clip.mp4") is None
    finder.found = [None, None]
    with pytest.raises(InputError, match=r"clip\.mp4: no subject detected in the first 250 frames; give"):
        replace_background("clip.mp4", "green", "out.mp4")
    assert not Path("out.mp4").exists()


def test_masks_may_be_arrays(here: Path) -> None:
    replace_background("clip.mp4", "green", "out", masks=label_map("0.png"), model=SMALL)
    replace_background("clip.mp4", "green", "same", masks="0.png", model=SMALL)
    assert tree("out") == tree("same")
    assert names("out") == NAMES


def test_label_maps_looks_and_a_matte(here: Path) -> None:
    Path("truth").mkdir()
    for index in range(FRAMES):
        shutil.copy(f"{index}.png", f"truth/{index:05d}.png")
    options = {
        "label_maps": "truth",
        "keep": [1],
        "matte": MatteConfig(softness=2),
        "composite": CompositeConfig(light_wrap=0.5),
        "end": 3,
    }
    done = replace_background("clip.mp4", "white", "out", matte_output="matte.mp4", **options)
    assert done.outputs == (Path("out"), Path("matte.mp4"))
    assert names("out") == NAMES[:3]
    assert probe("matte.mp4").size == (WIDTH, HEIGHT)


def test_a_background_may_come_with_all_its_options(here: Path) -> None:
    blurred = BackgroundOptions("blur", strength=0.1, falloff=0.5)
    replace_background("clip.mp4", blurred, "strong", masks="0.png", model=SMALL, end=1)
    replace_background("clip.mp4", "blur", "usual", masks="0.png", model=SMALL, end=1)
    assert tree("strong") != tree("usual")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": "0.png", "label_maps": "."}, "`masks` and `label_maps`: give one of them"),
        ({"label_maps": "no"}, "no: no such folder"),
        ({"masks": "0.png", "keep": [9]}, "no object 9"),
        ({"masks": "0.png", "resume": True}, "`resume`: out.mp4 can't be resumed"),
        ({"masks": "0.png", "background": "no.jpg"}, "no.jpg: no such file"),
        ({"masks": "0.png", "output": "out.gif"}, "out.gif: can't write .gif files"),
        ({"masks": "0.png", "output": "clip.mp4", "overwrite": True}, "clip.mp4: is read as input"),
        ({"masks": "0.png", "matte_output": "./out.mp4"}, "out.mp4: is both `output` and `matte_output`"),
        ({"matte": MatteConfig(key=KeyConfig()), "largest": True}, "`largest`: is for a subject"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_options_of_a_command_line(
    here: Path, options, message
) -> None:
    before = tree(here)
    named = {"background": "blur", "output": "out.mp4", **options}
    with pytest.raises(InputError, match=message) as refused:
        replace_background("clip.mp4", named.pop("background"), named.pop("output"), **named)
    assert "--" not in str(refused.value)
    assert tree(here) == before


# Progress, results as they come, pausing and cancelling


def test_progress_and_each_frame_are_told(here: Path) -> None:
    told, seen = [], []
    replace_background(
        "clip.mp4",
        "green",
        "out",
        masks="0.png",
        model=SMALL,
        on_progress=told.append,
        on_frame=lambda frame, replaced: seen.append((frame.name, replaced.image.copy())),
    )
    assert {p.phase for p in told} == {Phase.REPLACE}
    assert [(p.frame, p.done, p.total) for p in told[1:]] == [(i, i + 1, FRAMES) for i in range(FRAMES)]
    for name, image in seen:
        assert np.array_equal(image, np.array(Image.open(f"out/{name}.png")))


def job_that(happens, at, output):
    def see(frame, replaced):
        if frame.index == at:
            happens(job)

    marks = (MaskMark(0, ("0.png",)),)
    options = ReplaceOptions("long.mp4", output, BackgroundOptions("green"), marks=marks, segmenter=SMALL)
    job = ReplaceJob(options, on_frame=see)
    return job


def test_a_cancelled_folder_can_be_resumed_to_the_same_bytes(here: Path, long_clip) -> None:
    replace_background("long.mp4", "green", "whole", masks="0.png", model=SMALL)
    job = job_that(lambda job: job.cancel(), 2, "out")
    with pytest.raises(JobCancelled, match=r"stopped after frame \d+; run it again with `resume=True`"):
        job.run()
    assert not Path("out").exists()
    replace_background("long.mp4", "green", "out", masks="0.png", model=SMALL, resume=True)
    assert tree("out") == tree("whole")


def test_nothing_is_left_of_a_cancelled_video(here: Path, long_clip) -> None:
    before = names(here)
    with pytest.raises(JobCancelled):
        job_that(lambda job: job.cancel(), 2, "deep/out.mp4").run()
    assert names(here) == before


@pytest.mark.parametrize("output", ["out", "out.mp4"])
def test_a_paused_job_stands_still_until_it_is_unpaused(here: Path, long_clip, output) -> None:
    paused = threading.Event()

    def pause(job):
        job.pause()
        paused.set()

    job = job_that(pause, 1, output)
    thread = threading.Thread(target=job.run)
    thread.start()
    assert paused.wait(60)
    thread.join(0.3)
    assert thread.is_alive()
    assert not Path(output).exists()
    job.unpause()
    thread.join(60)
    assert not thread.is_alive()
    assert Path(output).exists()


def test_options_can_be_pickled_and_are_plain_data() -> None:
    options = ReplaceOptions(
        "talk.mp4",
        "out.mp4",
        BackgroundOptions("beach.jpg", position=(0.5, 0.2)),
        matte=MatteConfig(key=KeyConfig((0, 255, 0))),
    )
    assert pickle.loads(pickle.dumps(options)) == options
    assert json.loads(json.dumps(asdict(options)))["matte"]["key"]["colour"] == [0, 255, 0]


def test_the_search_for_a_subject_is_told_of_and_can_be_cancelled(here: Path, finder) -> None:
    finder.found, told = [None, label_map("5.png")], []
    maskstream.detect_subject("clip.mp4", on_progress=told.append)
    assert [(p.phase, p.frame, p.total) for p in told] == [
        (Phase.DETECT, frame, FRAMES) for frame in (None, 0, 1, 2, 3, 4)
    ]
    finder.found = [None, None]
    before = tree(here)
    job = ReplaceJob(
        ReplaceOptions("clip.mp4", "out", BackgroundOptions("green")),
        on_progress=lambda progress: job.cancel(),
    )
    with pytest.raises(JobCancelled, match="nothing was done yet"):
        job.run()
    assert tree(here) == before
