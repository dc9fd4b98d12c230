"""Jobs whose network is adapted to what is marked first."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.adaptation import adapt as adapting  # noqa: E402
from maskstream.adaptation.adapt import Adapted  # noqa: E402
from maskstream.errors import InputError  # noqa: E402
from maskstream.jobs.frames import FrameRange  # noqa: E402
from maskstream.jobs.marks import marks_of  # noqa: E402
from maskstream.jobs.progress import Phase  # noqa: E402
from maskstream.jobs.segment import SegmentJob, SegmentOptions  # noqa: E402
from maskstream.streaming.options import SegmenterOptions  # noqa: E402
from maskstream.streaming.segmenter import VideoSegmenter  # noqa: E402
from tests.helpers.drawn_job_clip import names, tree  # noqa: E402

pytestmark = pytest.mark.torch

ADAPT = SegmenterOptions(size=64, adapt=0.01)


@pytest.fixture
def asked(monkeypatch):
    """What adaptations were asked for; each nudges the weights, so that its results are told from others."""
    calls = []

    def adapt_network(network, marked, config, *, way, on_progress):
        calls.append((marked, config, way))
        on_progress(adapting.Stage(1, 1, 1.0, 0.5))
        nudged = adapting._between(network, network, 1.0)
        with torch.no_grad():
            nudged.decoder.predict.bias += torch.tensor([0.3 * len(calls), 0.0])
        return Adapted(nudged, True, 1.0, 0.1, 0.2, None, None, 1, 0.0)

    monkeypatch.setattr(adapting, "adapt_network", adapt_network)
    return calls


def options(**changes):
    return SegmentOptions(
        **{
            "source": "clip.mp4",
            "output": "out",
            "marks": marks_of("0.png", None, 0),
            "segmenter": ADAPT,
            **changes,
        }
    )


def interrupt_the_fourth_step() -> None:
    """A run that Ctrl-C ends."""
    step, steps = VideoSegmenter.step, []

    def stopping(self, *arguments):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return step(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(VideoSegmenter, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            SegmentJob(options()).run()


def test_the_network_is_adapted_to_all_frames_that_are_marked(here: Path, asked) -> None:
    told = []
    marks = marks_of({0: "0.png", 3: "3.png"}, None, 0)
    SegmentJob(options(marks=marks), on_progress=told.append).run()
    ((marked, config, way),) = asked
    assert config.seconds == 0.01
    assert [frame.frame.shape for frame in marked] == [(64, 96, 3)] * 2
    assert not np.array_equal(marked[0].frame, marked[1].frame)
    np.testing.assert_array_equal(way[0], marked[0].frame)
    assert len(way) == 8
    assert Phase.ADAPT in {progress.phase for progress in told}
    assert len(names("out")) == 8


def test_an_adapted_network_gives_other_masks_and_its_weights_give_the_same_again(here: Path, asked) -> None:
    SegmentJob(options(output="plain", segmenter=SegmenterOptions(size=64))).run()
    kept = SegmenterOptions(size=64, adapt=0.01, adapt_save="made/mug.safetensors")
    SegmentJob(options(output="adapted", segmenter=kept)).run()
    again = SegmenterOptions(("made/mug.safetensors",), size=64)
    SegmentJob(options(output="again", segmenter=again)).run()
    assert tree(Path("adapted")) != tree(Path("plain"))
    assert tree(Path("again")) == tree(Path("adapted"))


def test_a_resumed_run_goes_on_with_the_network_that_it_had(here: Path, asked) -> None:
    SegmentJob(options(output="whole")).run()
    asked.clear()
    interrupt_the_fourth_step()
    assert len(asked) == 1
    SegmentJob(options()).run(resume=True)
    assert len(asked) == 1  # not adapted again
    assert tree(Path("out")) == tree(Path("whole"))
    assert not list(Path().glob(".out*"))


def test_where_nothing_is_gained_the_network_stays_also_when_resumed(here, asked, monkeypatch) -> None:
    SegmentJob(options(output="plain", segmenter=SegmenterOptions(size=64))).run()
    adapt = adapting.adapt_network

    def useless(network, *given, **options):
        adapt(network, *given, **options)
        return Adapted(network, False, 0.0, 0.1, 0.1, None, None, 1, 0.0)

    monkeypatch.setattr(adapting, "adapt_network", useless)
    SegmentJob(options(output="adapted")).run()
    assert tree(Path("adapted")) == tree(Path("plain"))

    interrupt_the_fourth_step()
    asked.clear()
    SegmentJob(options()).run(resume=True)
    assert asked == []
    assert tree(Path("out")) == tree(Path("plain"))


def test_where_the_first_mask_comes_later_the_way_begins_there(here: Path, asked) -> None:
    SegmentJob(options(marks=marks_of({5: "5.png"}, None, 0), frames=FrameRange(0, 7))).run()
    ((marked, _, way),) = asked
    np.testing.assert_array_equal(way[0], marked[0].frame)
    assert len(way) == 2


def test_several_networks_or_scales_cannot_be_adapted(here: Path) -> None:
    for segmenter in (SegmenterOptions(scales=(1.0, 1.5), adapt=1), SegmenterOptions(flip=True, adapt=1)):
        with pytest.raises(InputError, match="one network at one scale"):
            SegmentJob(options(segmenter=segmenter)).run()
    with pytest.raises(InputError, match="nothing is adapted"):
        SegmentJob(options(segmenter=SegmenterOptions(adapt_save="a.safetensors"))).run()
    assert not Path("out").exists()


def test_weights_without_a_network_are_no_model(here: Path) -> None:
    shutil.copy("0.png", "mug.safetensors")
    with pytest.raises(InputError, match=r"mug\.safetensors"):
        SegmentJob(options(segmenter=SegmenterOptions(("mug.safetensors",)))).run()
