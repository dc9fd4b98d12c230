"""`segment_video`: all that the command does, in one call, and what a page or a batch needs of its job."""

import json
import pickle
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskstream
from maskstream import (
    BoxMark,
    FrameRange,
    InputError,
    JobCancelled,
    MaskMark,
    Phase,
    SegmenterOptions,
    SegmentJob,
    SegmentOptions,
    VideoSegmenter,
    segment_video,
)
from maskstream.jobs import segment as segment_job
from maskstream.plain_data import from_plain
from maskstream.video.read import read_video
from tests.helpers.drawn_job_clip import FRAMES, HEIGHT, NAMES, WIDTH, label_map, names, tree

SMALL = SegmenterOptions(size=64)


def test_the_call_of_the_guide(here: Path) -> None:
    """Masks by frame, both ways, with an overlay beside the label maps."""
    done = maskstream.segment_video(
        "clip.mp4", "masks/", masks={0: "0.png", 5: "5.png"}, backward=True, overlay="look.mp4"
    )
    assert done.frames == FRAMES
    assert done.outputs == (Path("masks"), Path("look.mp4"))
    assert names("masks") == NAMES
    assert np.array_equal(label_map("masks/00005.png"), label_map("5.png"))
    with read_video("look.mp4") as frames:
        assert len(list(frames)) == FRAMES


def test_masks_may_be_arrays_of_ids_or_of_truth(here: Path) -> None:
    truth = label_map("0.png")
    segment_video("clip.mp4", "ids", masks=truth, model=SMALL)
    segment_video("clip.mp4", "files", masks="0.png", model=SMALL)
    assert tree("ids") == tree("files")
    segment_video("clip.mp4", "one", masks={2: label_map("2.png") == 2}, model=SMALL)
    assert np.array_equal(label_map("one/00002.png"), label_map("2.png") == 2)


def test_several_files_of_a_frame_are_an_object_each(here: Path) -> None:
    for object_id in (1, 2):
        Image.fromarray(np.uint8(label_map("0.png") == object_id) * 255).save(f"object-{object_id}.png")
    segment_video("clip.mp4", "out", masks=["object-1.png", "object-2.png"], model=SMALL)
    assert np.array_equal(label_map("out/00000.png"), label_map("0.png"))


def box_of(index, object_id):
    rows, columns = np.nonzero(label_map(f"{index}.png") == object_id)
    x, y = columns.min() - 2, rows.min() - 2
    return int(x), int(y), int(columns.max() + 3 - x), int(rows.max() + 3 - y)


def test_boxes_by_frame_and_of_the_first_frame(here: Path) -> None:
    segment_video("clip.mp4", "one", boxes=box_of(0, 1), model=SMALL, end=2)
    assert set(np.unique(label_map("one/00000.png"))) == {0, 1}
    both = {0: [box_of(0, 1)], 3: box_of(3, 2)}
    segment_video("clip.mp4", "two", boxes=both, model=SMALL)
    assert set(np.unique(label_map("two/00003.png"))) == {0, 1, 2}


def test_a_box_may_correct_an_object_by_its_id(here: Path) -> None:
    marks = (MaskMark(0, ("0.png",)), BoxMark(4, box_of(4, 2), object_id=2))
    SegmentJob(SegmentOptions("clip.mp4", "out", marks=marks, segmenter=SMALL)).run()
    assert set(np.unique(label_map("out/00004.png"))) <= {0, 1, 2}


def test_ids_end_every_and_start_choose(here: Path) -> None:
    segment_video("clip.mp4", "out", masks={1: "1.png"}, ids=[2], start=1, end=6, every=2, model=SMALL)
    assert names("out") == [NAMES[1], NAMES[3], NAMES[5]]
    assert {i for name in names("out") for i in np.unique(label_map(Path("out", name)))} == {0, 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": np.zeros((HEIGHT, WIDTH), np.uint8)}, "`masks`: 0=.array.: the mask is empty"),
        ({"masks": np.full((HEIGHT, WIDTH), 300)}, "object id 300 is not from 1 to 255"),
        ({"masks": np.full((HEIGHT, WIDTH), -1)}, "object id -1 is not from 1 to 255"),
        ({"masks": np.ones((HEIGHT, WIDTH))}, "is a float64 array of shape"),
        ({"masks": np.ones((HEIGHT, 5), np.uint8)}, "the mask is 5x64 but the video is 96x64"),
        ({"masks": np.ones((2, HEIGHT, WIDTH), bool)}, r"is a bool array of shape \(2, 64, 96\)"),
        ({"masks": 7}, "give a file, a list of files, or a NumPy array"),
        ({"masks": {"first": "0.png"}}, "'first' is no frame index"),
        ({"masks": {True: "0.png"}}, "True is no frame index"),
        ({"boxes": (1, 2, 3)}, r"\(1, 2, 3\): give x, y, width and height"),
        ({"masks": "0.png", "every": 0}, "`every` is 0; give 1 or more"),
        ({"masks": "0.png", "overlay": "over.gif"}, "over.gif: the overlay is a video"),
        ({"masks": "0.png", "model": "none"}, "none: no such network"),
        ({"masks": "0.png", "model": SegmenterOptions(())}, "`models`: is empty"),
        ({"masks": "0.png", "largest": True}, "`largest`: is for a subject that is detected"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_options_of_a_command_line(
    here: Path, options, message
) -> None:
    before = tree(here)
    with pytest.raises(InputError, match=message) as refused:
        segment_video("clip.mp4", "out", **options)
    assert "--" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert tree(here) == before


def test_nothing_to_write_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match="nothing to write; give `output`"):
        segment_video("clip.mp4", masks="0.png")


# Progress, results as they come, pausing and cancelling


def test_progress_tells_phase_frame_total_and_time_left(here: Path) -> None:
    told = []
    segment_video(
        "clip.mp4",
        "out",
        masks={4: "4.png"},
        backward=True,
        overlay=True,
        model=SMALL,
        on_progress=told.append,
    )
    phases = list(dict.fromkeys(progress.phase for progress in told))
    assert phases == [Phase.BACKWARD, Phase.FORWARD, Phase.DRAW]
    back, forward, drawn = ([p for p in told if p.phase == phase] for phase in phases)
    assert [p.frame for p in back] == [None, 4, 3, 2, 1, 0]
    assert [p.frame for p in forward] == [None, 4, 5, 6, 7]
    assert [(p.done, p.total) for p in drawn] == [(i, FRAMES) for i in range(FRAMES + 1)]
    assert back[0].rate == 0
    assert back[0].remaining is None
    assert forward[-1].rate > 0
    assert forward[-1].remaining == 0
    assert 0 < forward[2].remaining < 60


def test_an_observer_is_given_each_frame_with_its_result(here: Path) -> None:
    seen = []
    segment_video(
        "clip.mp4",
        "out",
        masks="0.png",
        model=SMALL,
        on_frame=lambda frame, result: seen.append((frame, result)),
    )
    assert [frame.index for frame, _ in seen] == list(range(FRAMES))
    for frame, result in seen:
        assert np.array_equal(result.label_map, label_map(f"out/{frame.name}.png"))
        assert frame.image.shape == (HEIGHT, WIDTH, 3)


def whole_run():
    segment_video("clip.mp4", "whole", masks="0.png", model=SMALL)
    return tree("whole")


def job_that(happens, at, **observers):
    """A job during whose ``at``-th frame something happens."""

    def see(frame, result):
        if frame.index == at:
            happens(job)

    options = SegmentOptions("clip.mp4", "out", marks=(MaskMark(0, ("0.png",)),), segmenter=SMALL)
    job = SegmentJob(options, on_frame=see, **observers)
    return job


def test_a_cancelled_job_can_be_resumed_to_the_same_bytes(here: Path) -> None:
    whole = whole_run()
    job = job_that(lambda job: job.cancel(), at=3)
    with pytest.raises(
        JobCancelled, match="stopped after frame 3; run it again with `resume=True` to continue"
    ):
        job.run()
    assert job.is_cancelled
    assert not Path("out").exists()
    with pytest.raises(InputError, match="an interrupted run is here; give `resume=True`"):
        segment_video("clip.mp4", "out", masks="0.png", model=SMALL)
    segment_video("clip.mp4", "out", masks="0.png", model=SMALL, resume=True)
    assert tree("out") == whole
    assert not Path(".out.unfinished").exists()


def test_a_paused_job_stands_still_until_it_is_unpaused(here: Path) -> None:
    whole = whole_run()
    paused, told = threading.Event(), []

    def pause(job):
        job.pause()
        paused.set()

    job = job_that(pause, at=2, on_progress=told.append)
    thread = threading.Thread(target=job.run)
    thread.start()
    assert paused.wait(60)
    thread.join(0.3)
    assert thread.is_alive()
    assert job.is_paused
    assert told[-1].frame <= 2
    job.unpause()
    thread.join(60)
    assert not thread.is_alive()
    assert tree("out") == whole


def test_a_paused_job_can_be_cancelled_from_another_thread(here: Path) -> None:
    paused, errors = threading.Event(), []

    def pause(job):
        job.pause()
        paused.set()

    job = job_that(pause, at=2)

    def run():
        try:
            job.run()
        except JobCancelled as cancelled:
            errors.append(str(cancelled))

    thread = threading.Thread(target=run)
    thread.start()
    assert paused.wait(60)
    job.cancel()
    thread.join(60)
    assert errors == ["stopped after frame 2; run it again with `resume=True` to continue"]


def test_an_observer_that_fails_ends_the_job_with_its_own_error(here: Path) -> None:
    def fail(job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job_that(fail, at=1).run()
    segment_video("clip.mp4", "out", masks="0.png", model=SMALL, overwrite=True)


def test_a_network_that_is_loaded_serves_many_jobs(here: Path, network) -> None:
    loaded = network("live")
    options = SegmentOptions("clip.mp4", "out", marks=(MaskMark(0, ("0.png",)),), segmenter=SMALL)
    done = SegmentJob(options, segmenters=lambda: VideoSegmenter(loaded, size=64)).run()
    segment_video("clip.mp4", "other", masks="0.png", model=SMALL)
    assert done.frames == FRAMES
    assert tree("out") == tree("other")


def test_options_can_be_pickled_and_are_plain_data() -> None:
    options = SegmentOptions(
        "clip.mp4",
        "out",
        marks=(MaskMark(0, ("0.png",)), BoxMark(3, (1, 2, 3, 4))),
        ids=(1,),
        frames=FrameRange(0, 10, 2),
        segmenter=SegmenterOptions(size=480, scales=(1.0, 1.5)),
    )
    assert pickle.loads(pickle.dumps(options)) == options
    plain = json.loads(json.dumps(asdict(options)))
    assert plain["marks"][1] == {"frame": 3, "box": [1, 2, 3, 4], "object_id": None}
    assert plain["segmenter"]["scales"] == [1.0, 1.5]


def test_a_job_can_be_checked_before_anything_is_loaded_or_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(here)
    good = SegmentJob(SegmentOptions("clip.mp4", "out", marks=(MaskMark(0, ("0.png",)),)))
    monkeypatch.setattr(segment_job.SegmenterOptions, "load", lambda options: pytest.fail("was loaded"))
    good.check()
    with pytest.raises(InputError, match=r"no\.png"):
        SegmentJob(SegmentOptions("clip.mp4", "out", marks=(MaskMark(0, ("no.png",)),))).check()
    assert tree(here) == before


def test_options_come_back_from_plain_data() -> None:
    options = SegmentOptions(
        "clip.mp4",
        "out.json",
        overlay=True,
        marks=(MaskMark(0, ("0.png",)), BoxMark(3, (1, 2, 3, 4))),
        segmenter=SegmenterOptions(size="native"),
    )
    plain = json.loads(json.dumps(asdict(options)))
    assert from_plain(SegmentOptions, plain, "a row") == options
    with pytest.raises(InputError, match="a row: marks: frame is 'first'; give a whole number"):
        from_plain(SegmentOptions, {**plain, "marks": [{"frame": "first"}]}, "a row")
