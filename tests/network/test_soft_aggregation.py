import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.network.soft_aggregation import log_aggregate, soft_aggregate  # noqa: E402

pytestmark = pytest.mark.torch


def logits(spread, objects=3):
    torch.manual_seed(0)
    return spread * torch.randn(2, objects, 8, 9)


@pytest.mark.parametrize("spread", [1.0, 100.0])
@pytest.mark.parametrize("objects", [1, 3])
def test_probabilities_sum_to_one(objects, spread) -> None:
    shares = soft_aggregate(logits(spread, objects))
    assert shares.shape == (2, objects + 1, 8, 9)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 8, 9))


def test_a_lone_object_is_made_surer() -> None:
    alone = torch.linspace(-6, 6, 50).view(1, 1, 50)
    torch.testing.assert_close(soft_aggregate(alone)[1], torch.sigmoid(2 * alone[0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_the_softmax_of_the_log_odds_is_soft_aggregation(spread) -> None:
    maps = logits(spread).double()  # in single precision, 1 - p has few digits left for p near 1
    torch.testing.assert_close(torch.softmax(log_aggregate(maps), 1), soft_aggregate(maps), atol=1e-6, rtol=0)


def test_objects_that_a_clip_lacks_take_nothing() -> None:
    maps = logits(3.0, objects=2)
    absent = torch.cat([maps, torch.full_like(maps[:, :1], -30.0)], 1)
    torch.testing.assert_close(log_aggregate(absent)[:, :3], log_aggregate(maps), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("level", [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_the_log_odds_have_finite_gradients_everywhere(level) -> None:
    maps = torch.full((1, 2, 1, 1), level, requires_grad=True)
    torch.nn.functional.cross_entropy(log_aggregate(maps), torch.ones(1, 1, 1, dtype=torch.long)).backward()
    assert maps.grad.isfinite().all()
    if level < 0:
        assert maps.grad[0, 0] < 0  # an object that is there and not seen at all is still pulled up


def test_empty_slots_hardly_count_and_are_not_returned() -> None:
    maps = logits(1.0)
    shares = soft_aggregate(maps, empty_slots=7)
    assert shares.shape == (2, 4, 8, 9)
    torch.testing.assert_close(shares, soft_aggregate(maps), atol=1e-5, rtol=0)
    assert not torch.equal(shares, soft_aggregate(maps))
