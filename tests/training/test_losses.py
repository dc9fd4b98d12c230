import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.training.losses import bootstrapped_cross_entropy, dice, soft_iou  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def batch():
    """Log-odds ``(2, 3, 6, 8)`` that want gradients, and labels with some void."""
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (2, 6, 8), dtype=torch.uint8)
    labels[0, :2] = 255
    return torch.randn(2, 3, 6, 8, requires_grad=True), labels


def test_all_pixels_together_are_the_mean_over_clips_of_what_is_known(batch) -> None:
    log_odds, labels = batch
    loss = bootstrapped_cross_entropy(log_odds, labels, share=1.0)
    expected = [
        torch.nn.functional.cross_entropy(log_odds[i : i + 1], labels[i : i + 1].long(), ignore_index=255)
        for i in (0, 1)
    ]
    torch.testing.assert_close(loss, torch.stack(expected).mean())


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_void_pixels_have_no_gradient(batch, share) -> None:
    log_odds, labels = batch
    bootstrapped_cross_entropy(log_odds, labels, share).backward()
    assert log_odds.grad[0, :, :2].eq(0).all()
    assert log_odds.grad[1].ne(0).any()


def test_only_the_hardest_share_of_each_clip_counts(batch) -> None:
    log_odds, labels = batch
    bootstrapped_cross_entropy(log_odds, labels, share=0.25).backward()
    counted = log_odds.grad.ne(0).any(1)
    assert counted.flatten(1).sum(1).tolist() == [12, 12]
    each = torch.nn.functional.cross_entropy(
        log_odds.detach(), labels.long().masked_fill(labels == 255, -100), reduction="none"
    )
    for clip in (0, 1):
        assert each[clip][counted[clip]].min() >= each[clip][~counted[clip]].max()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_clip_of_void_costs_nothing(share) -> None:
    log_odds = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = bootstrapped_cross_entropy(log_odds, torch.full((1, 4, 4), 255, dtype=torch.uint8), share)
    loss.backward()
    assert loss == 0
    assert log_odds.grad.eq(0).all()


def half(side):
    mask = torch.zeros(1, 16, 16)
    mask[:, :, side * 8 : side * 8 + 8] = 1
    return mask


def test_dice_is_zero_for_the_truth_and_near_one_for_its_complement() -> None:
    known = torch.ones(1, 16, 16)
    assert dice(half(0), half(0), known) == 0
    assert dice(half(1), half(0), known) > 0.99
    assert dice(torch.zeros(1, 16, 16), torch.zeros(1, 16, 16), known) == 0


def test_dice_averages_objects_whatever_their_size() -> None:
    truth = torch.zeros(2, 16, 16)
    truth[0, :12], truth[1, 0, 0] = 1, 1
    wrong_small = torch.stack([truth[0], torch.zeros(16, 16)])
    assert dice(wrong_small, truth, torch.ones(2, 16, 16)) == pytest.approx(0.25)  # (0 + (1 - 1/2)) / 2


def test_dice_and_iou_look_at_known_pixels_only() -> None:
    known = half(0)
    assert dice(torch.ones(1, 16, 16), half(0), known) == 0
    assert soft_iou(torch.ones(1, 16, 16), half(0), known) == 1


def test_iou_is_that_of_the_masks_at_one_half() -> None:
    known = torch.ones(2, 16, 16)
    predicted = torch.cat([0.6 * half(0) + 0.4 * half(1), torch.full((1, 16, 16), 0.4)])
    truth = torch.cat([torch.ones(1, 16, 16), torch.zeros(1, 16, 16)])
    assert soft_iou(predicted, truth, known) == pytest.approx((0.5 + 1) / 2)
