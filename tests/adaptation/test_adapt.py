"""A network fine-tuned on what is marked: it gains there, or stays what it was."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.adaptation import adapt as adapting  # noqa: E402
from maskstream.adaptation import runtimes  # noqa: E402
from maskstream.adaptation.adapt import Stage, adapt_network  # noqa: E402
from maskstream.adaptation.config import AdaptConfig  # noqa: E402
from maskstream.adaptation.dreams import Marked, dream_sampler  # noqa: E402
from maskstream.adaptation.follow import follow, returned  # noqa: E402
from maskstream.adaptation.runtimes import adapt_runtime, running, trainable  # noqa: E402
from maskstream.drawn_clips import draw_clip  # noqa: E402
from maskstream.errors import InputError  # noqa: E402
from maskstream.network import checkpoints  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.runtime.pytorch import TorchRuntime  # noqa: E402
from maskstream.streaming.adapting import AdaptingSegmenter  # noqa: E402
from maskstream.streaming.segmenter import VideoSegmenter  # noqa: E402
from tests.helpers.tiny_training import LIGHT  # noqa: E402

pytestmark = pytest.mark.torch

TINY = replace(LIGHT, spatial_constraint=False, aspp=False)
QUICK = AdaptConfig(
    seconds=600, steps=60, rate=1e-2, sides=(32,), frames=2, batch=2, judged=2, train_trunk=True
)


FEW = replace(QUICK, steps=3)


@pytest.fixture(autouse=True, scope="module")
def small_judged_clips() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the work is too small for more
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(adapting, "_JUDGED_SIDE", 32)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def clip():
    return list(draw_clip(6, 64, 96, objects=2, seed=0))


def untrained():
    torch.manual_seed(0)
    return SegmentationNetwork(TINY).eval()


@pytest.fixture
def network():
    return untrained()


@pytest.fixture(scope="module")
def before_and_after(clip):
    before = untrained()
    return before, adapt_network(before, [Marked(*clip[0])], QUICK)


def test_what_is_marked_is_segmented_better(before_and_after) -> None:
    before, adapted = before_and_after
    assert adapted.kept
    assert adapted.share in QUICK.shares
    assert adapted.after > adapted.before + 0.05
    assert adapted.steps == 60
    assert adapted.network is not before


def test_the_network_itself_stays_as_it_was(before_and_after) -> None:
    before, _ = before_and_after
    torch.testing.assert_close(before.state_dict(), untrained().state_dict(), rtol=0, atol=0)


def test_what_gains_too_little_is_not_kept(clip, network) -> None:
    adapted = adapt_network(network, [Marked(*clip[0])], replace(FEW, least_gain=0.9))
    assert not adapted.kept
    assert adapted.share == 0
    assert adapted.network is network
    assert adapted.after == adapted.before


@pytest.mark.parametrize(("back", "is_kept"), [(0.1, False), (0.79, False), (0.799, True), (0.9, True)])
def test_what_loses_the_way_back_is_not_kept(clip, network, monkeypatch, back: float, is_kept: bool) -> None:
    scores = iter([adapting._Score(0.5, 0.8), adapting._Score(0.6, back), adapting._Score(0.59, back)])
    monkeypatch.setattr(adapting._Judge, "score", lambda *_: next(scores))
    adapted = adapt_network(network, [Marked(*clip[0])], FEW, way=[frame for frame, _ in clip])
    assert adapted.kept is is_kept
    assert (adapted.back_before, adapted.back_after) == (0.8, back if is_kept else 0.8)
    assert adapted.share == (FEW.shares[0] if is_kept else 0)


def test_the_time_ends_an_adaptation_and_progress_is_told(clip, network) -> None:
    told = list[Stage]()
    config = replace(QUICK, steps=0, seconds=0.5)
    adapted = adapt_network(network, [Marked(*clip[0])], config, on_progress=told.append)
    assert adapted.steps > 0
    assert [stage.step for stage in told] == list(range(adapted.steps + 1))
    assert told[0].steps is None
    assert told[-1].steps == adapted.steps
    assert told[-1].rate > 0


def test_the_same_seed_gives_the_same_network(clip, network) -> None:
    always = replace(FEW, least_gain=-1.0, shares=(1.0,))
    first, second = (adapt_network(network, [Marked(*clip[0])], always) for _ in range(2))
    torch.testing.assert_close(first.network.state_dict(), second.network.state_dict(), rtol=0, atol=0)


def test_norms_keep_their_statistics(before_and_after) -> None:
    before, adapted = before_and_after
    ours, theirs = adapted.network.state_dict(), before.state_dict()
    kept = [name for name in theirs if name.endswith("running_mean")]
    assert kept
    assert all(torch.equal(ours[name], theirs[name]) for name in kept)


def test_nothing_marked_is_an_input_error(clip, network) -> None:
    empty = np.zeros_like(clip[0][1])
    with pytest.raises(InputError, match="nothing is marked"):
        adapt_network(network, [Marked(clip[0][0], empty)], QUICK)


def test_no_time_is_an_input_error() -> None:
    with pytest.raises(InputError, match="more than 0"):
        AdaptConfig(seconds=0)


def test_dreams_show_the_objects_in_motion_and_are_reproducible(clip) -> None:
    marked = Marked(clip[0][0], clip[0][1].astype(np.int64) * 1000)  # any ids
    first, second = (dream_sampler([marked], QUICK.dreams, seed=1).sample(4, 48, 3) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    assert (first.objects >= 1).all()
    assert not torch.equal(first.labels[:, 0], first.labels[:, 2])


class Copying:
    """What a network is asked for while it follows, if the mask simply stays where it is."""

    def __init__(self, moves: int = 0) -> None:
        self.moves = moves

    def parameters(self):
        yield torch.zeros(1)

    def encode(self, frame):
        return frame

    def memorize(self, frame, features, masks, others):
        from maskstream.network.model import Memorized

        return Memorized(torch.zeros(1, 1, 1), None, torch.zeros(1, 1, 1))

    def segment(self, features, memory, previous):
        return 20 * (previous[:, 0].roll(self.moves, -1) - 0.5)


def test_the_whole_mask_returns_where_nothing_moves(clip) -> None:
    frames = [clip[0][0]] * 4
    assert returned(Copying(), Marked(*clip[0]), frames) == pytest.approx(1)


def test_a_mask_that_drifts_does_not_return(clip) -> None:
    frames = [clip[0][0]] * 4
    assert returned(Copying(moves=8), Marked(*clip[0]), frames) < 0.5


def test_following_keeps_one_plane_for_each_object() -> None:
    masks = torch.zeros(2, 32, 48)
    masks[0, :8], masks[1, 8:] = 1, 1
    end = follow(Copying(), [torch.zeros(1, 3, 32, 48)] * 3, masks)
    assert torch.equal(end > 0.5, masks > 0.5)


def test_a_segmenter_goes_on_with_the_adapted_network(
    clip, before_and_after, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, adapted = before_and_after
    monkeypatch.setattr(runtimes, "adapt_network", lambda *_, **__: adapted)
    segmenter = VideoSegmenter(TorchRuntime(untrained(), device="cpu"))
    segmenter.step(*clip[0])
    segmenter.step(clip[1][0])
    before = segmenter.model
    assert segmenter.adapt(*clip[0], seconds=0.1) is adapted
    assert segmenter.model is not before
    assert segmenter.model.info == before.info
    assert segmenter.ids == (1, 2)
    # Memory is the adapted network's own: a reference frame, and the frame before.
    other = VideoSegmenter(segmenter.model)
    other.add_reference(*clip[0])
    assert segmenter.step(clip[2][0]).frame_index == 2
    ours, theirs = (each._groups[0].bank.read() for each in (segmenter, other))
    torch.testing.assert_close(ours[0][0], theirs[0][0])


def test_an_adapting_segmenter_adapts_where_masks_are_given(
    clip, before_and_after, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, adapted = before_and_after
    asked = []
    monkeypatch.setattr(
        runtimes, "adapt_network", lambda *given, **options: asked.append((given, options)) or adapted
    )
    segmenter = AdaptingSegmenter(TorchRuntime(before, device="cpu"))
    segmenter.seconds = 0.5
    segmenter.look_ahead = lambda: [frame for frame, _ in clip]
    first = segmenter.model
    segmenter.step(*clip[0])
    second = segmenter.model
    assert second is not first
    segmenter.step(clip[1][0])
    assert segmenter.model is second
    (((_, marked, config), options),) = asked
    assert [frame.frame.shape for frame in marked] == [(64, 96, 3)]
    assert config.seconds == 0.5
    assert len(options["way"]) == 6


def test_a_network_runs_as_another_one_did(network, tmp_path: Path) -> None:
    runtime = TorchRuntime(network, device="cpu")
    assert trainable(runtime) is network
    assert running(network, runtime).info == runtime.info
    checkpoints.save(network, tmp_path / "tiny.safetensors")
    assert running(tmp_path / "tiny.safetensors", runtime).network.config == network.config


def test_the_shipped_network_can_be_adapted(clip) -> None:
    from maskstream.runtime.load import load_model

    runtime = load_model("live", threads=1)
    quick = replace(QUICK, steps=1, train_trunk=False)
    running_on, adapted = adapt_runtime(runtime, [Marked(*clip[0])], quick)
    assert adapted.steps == 1
    assert running_on.info == runtime.info


def test_a_network_without_weights_cannot_be_adapted(tmp_path: Path) -> None:
    import shutil

    from maskstream.runtime.load import WEIGHTS, load_model

    for path in (WEIGHTS / "live").iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, tmp_path)
    with pytest.raises(InputError, match="without weights"):
        trainable(load_model(tmp_path))
