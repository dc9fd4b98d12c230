from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips.samplers import Clips  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.training.rollout import others_of, rollout  # noqa: E402
from tests.helpers.tiny_training import FULL, LIGHT, RUN, drawn_clips  # noqa: E402

pytestmark = pytest.mark.torch

KINDS = {
    "light": LIGHT,
    "full": FULL,
    "full-l2": replace(FULL, similarity="l2"),
    "shared-l2": replace(FULL, similarity="l2", shared_key=True),
    "cosine": replace(FULL, similarity="cosine"),
}
UNDISTURBED = replace(RUN, drop_previous=0.0, shift_previous=0.0, halve_previous=0.0)


def make(config):
    torch.manual_seed(0)
    return SegmentationNetwork(config).train()


def roll(network, clips, config=UNDISTURBED, truth=0.0, hard_share=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return rollout(network, clips, config, truth=truth, hard_share=hard_share, generator=generator)


def cut(clips, rows):
    return Clips(clips.frames[rows], clips.labels[rows], clips.objects[rows])


def calls_of(network, name):
    """Everything that a method of the network is called with from now on."""
    seen, method = [], getattr(network, name)

    def spy(*arguments):
        seen.append(arguments)
        return method(*arguments)

    setattr(network, name, spy)
    return seen


def true_masks(clips, t):
    counts = clips.objects.tolist()
    return torch.stack(
        [(clips.labels[b, t] == k).float() for b, n in enumerate(counts) for k in range(1, n + 1)]
    )


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_reach_every_parameter(config, checkpointed) -> None:
    network = make(config)
    result = roll(network, drawn_clips(), replace(UNDISTURBED, checkpoint_activations=checkpointed))
    result.loss.backward()
    assert result.loss > 0
    assert 0 <= result.iou <= 1
    # The biases of a convolution before a norm, and of both outputs together, cannot matter.
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in network.parameters())
    weights = {name: p.grad for name, p in network.named_parameters() if p.ndim > 1}
    assert [name for name, gradient in weights.items() if not gradient.any()] == []


def test_void_pixels_teach_nothing() -> None:
    clips = drawn_clips()
    clips.labels[:, 1:, :, 8:24] = 255
    network = make(LIGHT)
    logits = []

    def segment(features, memory, previous, index):
        logits.append(torch.zeros(len(index), 32, 32, requires_grad=True))
        return logits[-1]

    network.segment = segment
    roll(network, clips).loss.backward()
    for leaf in logits:
        assert leaf.grad[:, :, 8:24].eq(0).all()
        assert leaf.grad[:, :, :8].ne(0).any()


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_memory_and_previous_masks_are_the_truth_or_the_predictions(truth) -> None:
    clips, network = drawn_clips(), make(LIGHT)
    memorized, segmented = calls_of(network, "memorize"), calls_of(network, "segment")
    roll(network, clips, truth=truth)
    first, second = (arguments[2][:, 0] for arguments in memorized)
    assert torch.equal(first, true_masks(clips, 0))
    assert torch.equal(second, true_masks(clips, 1)) == bool(truth)
    assert not second.requires_grad
    for (*_, masks, _others, _index), (_features, memory, previous, _) in zip(
        memorized, segmented, strict=True
    ):
        assert torch.equal(previous, masks)
        assert memory.value.shape[-1] % 4 == 0
    cells = [memory.value.shape[-1] for _, memory, *_ in segmented]
    assert cells == [4, 8]  # every frame joins the memory


def test_previous_masks_are_dropped_shifted_and_halved_but_the_memory_is_not() -> None:
    clips = drawn_clips()
    for fate in ("drop_previous", "shift_previous", "halve_previous"):
        config = replace(UNDISTURBED, **{fate: 1.0})
        network = make(LIGHT)
        memorized, segmented = calls_of(network, "memorize"), calls_of(network, "segment")
        roll(network, clips, config)
        assert torch.equal(memorized[0][2][:, 0], true_masks(clips, 0))
        previous, masks = segmented[0][2][:, 0], true_masks(clips, 0)
        if config.drop_previous:
            assert not previous.any()
        else:
            assert previous.any()
            assert not torch.equal(previous, masks)
            assert (previous.sum((1, 2)) <= masks.sum((1, 2))).all()  # what leaves the frame is gone
        if config.halve_previous:
            assert (previous <= masks).all()
            share = previous.sum((1, 2)) / masks.sum((1, 2))
            assert ((share > 0.2) & (share < 0.8)).all()


def test_clips_of_a_batch_do_not_touch_one_another() -> None:
    clips = drawn_clips(batch=6)
    rows = torch.nonzero(clips.objects == clips.objects[0])[:, 0][:2]
    assert len(rows) == 2
    network = make(FULL).eval()  # norms would mix them
    together = roll(network, cut(clips, rows)).loss
    alone = [roll(network, cut(clips, rows[i : i + 1])).loss for i in (0, 1)]
    torch.testing.assert_close(together, torch.stack(alone).mean(), rtol=1e-4, atol=1e-5)


def test_the_others_of_an_object_are_those_of_its_own_clip() -> None:
    masks = torch.tensor([0.2, 0.9, 0.8, 0.5]).view(4, 1, 1)
    others = others_of(masks, torch.tensor([0, 1, 1, 1]), 2)
    torch.testing.assert_close(others.flatten(), torch.tensor([0.0, 1.0, 1.0, 1.0]))
    others = others_of(masks / 2, torch.tensor([0, 1, 1, 1]), 2)
    torch.testing.assert_close(others.flatten(), torch.tensor([0.0, 0.65, 0.7, 0.85]))


def gradients(config, training):
    network = make(config)
    result = roll(network, drawn_clips(), training)
    result.loss.backward()
    return (
        result.loss.detach(),
        {k: p.grad for k, p in network.named_parameters()},
        dict(network.named_buffers()),
    )


@pytest.mark.parametrize("name", ["light", "full", "full-l2", "shared-l2"])
@pytest.mark.parametrize("chunk", [0, 1])
def test_saving_memory_changes_nothing(name, chunk) -> None:
    # Norms of a decoder that takes a few objects at a time see other batches.
    config = replace(KINDS[name], decoder_norm=not chunk)
    loss, expected, buffers = gradients(config, UNDISTURBED)
    saving = replace(UNDISTURBED, checkpoint_activations=True, object_chunk=chunk)
    saved_loss, found, saved_buffers = gradients(config, saving)
    torch.testing.assert_close(saved_loss, loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(saved_buffers, buffers)
