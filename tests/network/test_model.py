from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.network.aspp import ASPP  # noqa: E402
from maskstream.network.memory_read import read, similarity, softmax  # noqa: E402
from maskstream.network.spatial import OPEN, SpatialConstraint  # noqa: E402
from tests.helpers.tiny_networks import CONFIGS, ENCODERS, TINY, inputs, make, stream  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(params=CONFIGS, scope="module")
def network(request):
    return make(CONFIGS[request.param])


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_shapes_are_the_documented_ones(network) -> None:
    config = network.config
    index = torch.tensor([0, 0, 1])
    features, memory, logits = stream(network, *inputs(batch=2, objects=3), index=index)
    own = not config.shared_key
    assert features.key.shape == (2, config.key_dim, 3, 5)
    assert features.value.shape == (2, config.value_dim, 3, 5)
    strides = (8, 4, 2) if config.refinement else (8, 4)
    widths = config.decoder_width[1:]
    assert [tuple(skip.shape) for skip in features.skips] == [
        (2, width, 48 // stride, 80 // stride) for stride, width in zip(strides, widths, strict=False)
    ]
    assert memory.key.shape == (3 if own else 2, 2 * 15, config.key_dim)
    assert memory.value.shape == (3, config.value_dim, 2 * 15)
    if config.similarity == "l2":
        assert memory.shrinkage.shape == (*memory.key.shape[:2], 1)
        assert memory.shrinkage.min() >= 1
    else:
        assert memory.shrinkage is None
    assert logits.shape == (3, 48, 80)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.std() > 0


def test_one_frame_is_broadcast_over_its_objects(network) -> None:
    data = inputs(batch=1, objects=3)
    _, memory, logits = stream(network, *data)
    _, same_memory, same_logits = stream(network, *data, index=torch.zeros(3, dtype=torch.long))
    assert_same(memory.value, same_memory.value)
    assert_same(logits, same_logits)


def test_objects_together_are_as_each_alone(network) -> None:
    frames, masks, others = inputs(batch=1, objects=3)
    _, _, together = stream(network, frames, masks, others)
    for i in range(3):
        _, _, alone = stream(network, frames, masks[i : i + 1], others[i : i + 1])
        assert_same(together[i], alone[0])


def test_frames_in_a_batch_are_as_each_alone(network) -> None:
    frames, masks, others = inputs(batch=2, objects=3)
    index = torch.tensor([1, 0, 1])
    _, _, together = stream(network, frames, masks, others, index)
    for frame in (0, 1):
        rows = index == frame
        _, _, alone = stream(network, frames[frame : frame + 1], masks[rows], others[rows])
        assert_same(together[rows], alone)


def test_memory_frames_may_come_in_any_order(network) -> None:
    frames, masks, others = inputs(batch=1, objects=2)
    features, memory, logits = stream(network, frames, masks, others)
    swapped = type(memory)(
        memory.key.roll(15, 1),
        None if memory.shrinkage is None else memory.shrinkage.roll(15, 1),
        memory.value.roll(15, 2),
    )
    assert_same(network.segment(features, swapped, masks), logits)


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("part", ["spatial_constraint", "previous_mask_skip"])
def test_the_previous_mask_counts_where_it_is_asked_for(part, seen) -> None:
    network = make(replace(TINY, **{part: seen}))
    frames, masks, others = inputs(batch=1, objects=1)
    features, memory, logits = stream(network, frames, masks, others)
    assert torch.equal(network.segment(features, memory, 1 - masks), logits) != seen


@pytest.mark.parametrize("config", ENCODERS.values(), ids=ENCODERS)
def test_masks_and_others_shape_the_memory(config) -> None:
    network = make(config)
    frames, masks, others = inputs(batch=1, objects=1)
    features = network.encode(frames)
    value = network.memorize(frames, features, masks, others).value
    assert not torch.allclose(network.memorize(frames, features, 1 - masks, others).value, value)
    assert not torch.allclose(network.memorize(frames, features, masks, 1 - others).value, value)


def test_the_spatial_constraint_starts_near_identity() -> None:
    torch.manual_seed(0)
    constraint = SpatialConstraint(16)
    feature, mask = torch.randn(3, 16, 6, 8), torch.rand(3, 1, 6, 8)
    gate = constraint.attention(feature, mask)
    assert gate.mean() == pytest.approx(torch.sigmoid(torch.tensor(OPEN)).item(), abs=0.02)
    assert gate.min() > 0.75
    assert torch.equal(constraint(feature, mask), feature * gate)


def test_the_spatial_constraint_is_blind_to_the_level_of_features() -> None:
    torch.manual_seed(0)
    constraint = SpatialConstraint(16)
    feature, mask = torch.randn(2, 16, 6, 8), torch.rand(2, 1, 6, 8)
    louder = feature * torch.tensor([1.0, 200.0])[:, None, None, None]
    assert torch.allclose(constraint.attention(louder, mask), constraint.attention(feature, mask), atol=1e-6)


def test_an_empty_previous_mask_opens_the_spatial_constraint() -> None:
    constraint = SpatialConstraint(16)
    constraint.gate.bias.fill_(-50.0)  # as shut as can be
    masks = torch.zeros(2, 1, 6, 8)
    masks[1, 0, 2, 3] = 1
    gate = constraint.attention(torch.randn(2, 16, 6, 8), masks)
    assert (gate[0] == 1).all()
    assert gate[1].max() < 1e-6


def test_aspp_sees_eight_cells_far() -> None:
    torch.manual_seed(0)
    aspp = ASPP(4, 4, 4, norm=False)
    for p in aspp.parameters():
        p.abs_()  # nothing cancels or is cut off
    still = torch.zeros(1, 4, 21, 21)
    impulse = still.clone()
    impulse[..., 10, 10] = 1
    reached = (aspp(impulse) - aspp(still)).abs().amax((0, 1)) > 1e-6
    assert set(reached.nonzero()[:, 1].tolist()) == {10 + d for d in (-8, -4, -2, 0, 2, 4, 8)}


@pytest.mark.parametrize("kind", ["dot", "l2", "cosine"])
def test_a_query_reads_the_value_of_the_key_it_resembles(kind) -> None:
    torch.manual_seed(0)
    key = torch.nn.functional.normalize(torch.randn(1, 20, 64), dim=-1) * (1 if kind == "cosine" else 30)
    scores = similarity(key[:, 7:8].transpose(1, 2), key, None, kind, torch.tensor(50.0))
    value = torch.randn(2, 5, 20)
    assert_same(read(softmax(scores), value, None)[:, :, 0], value[:, :, 7])


def test_l2_similarity_is_the_squared_distance_times_shrinkage() -> None:
    torch.manual_seed(0)
    query, key, shrinkage = torch.randn(2, 16, 6), torch.randn(2, 9, 16), torch.rand(2, 9, 1) + 1
    expected = -torch.cdist(key, query.transpose(1, 2)).square() * shrinkage / 4
    assert_same(similarity(query, key, shrinkage, "l2", torch.ones(())), expected)
