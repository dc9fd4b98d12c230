import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips import warps  # noqa: E402
from maskstream.clips.tensors import VOID  # noqa: E402

pytestmark = pytest.mark.torch

ONE = torch.ones(1)


def whole(height, width, shift=0.0):
    lattice = warps.nodes(height, width, torch.device("cpu"))[None, None] + torch.tensor([shift, 0.0])
    return warps.grid(lattice, ONE, height, width)


def test_the_unmoved_view_is_the_picture_itself() -> None:
    pictures = torch.randint(0, 256, (3, 3, 24, 32), dtype=torch.uint8)
    which = torch.tensor([2])
    seen = torch.empty(1, 3, 1, 24, 32)
    warps.sample_pictures(pictures, which, whole(24, 32).points, seen)
    assert torch.allclose(seen[:, :, 0], pictures[which] / 255, atol=1e-3)


def test_the_unmoved_view_keeps_labels_to_the_pixel() -> None:
    labels = torch.randint(0, 5, (1, 24, 32), dtype=torch.uint8)
    assert torch.equal(warps.sample_labels(labels, whole(24, 32)), labels)


def test_objects_seen_reflected_are_void() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    labels[:, 4:8, :3] = 1
    seen = warps.sample_labels(labels, whole(16, 16, shift=-0.5))[0]
    assert (seen[4:8, 4:7] == 1).all()
    assert (seen[4:8, 1:4] == VOID).all()
    assert (seen[:4] == 0).all()


def test_boxes_are_measured_in_half_heights() -> None:
    mask = torch.zeros(2, 20, 20, dtype=torch.bool)
    mask[0, 5:15, 0:10] = True
    centre, size = warps.boxes(mask, torch.tensor([2.0, 2.0]))
    assert torch.allclose(centre[0], torch.tensor([-1.0, 0.0]))
    assert torch.allclose(size[0], torch.tensor([2.0, 1.0]))
    assert torch.allclose(size[1], torch.tensor([4.0, 2.0]))


def test_linear_map_mirrors_before_it_turns() -> None:
    turn = warps.linear_map(2 * ONE, 90 * ONE, 0 * ONE, torch.tensor([True]))[0]
    assert torch.allclose(turn, torch.tensor([[0.0, -2.0], [-2.0, 0.0]]), atol=1e-6)


def test_displacement_is_nothing_at_time_zero() -> None:
    from maskstream.clips.randomness import Draws

    draws = Draws(torch.Generator().manual_seed(0), torch.device("cpu"))
    warp = warps.displacement(draws, warps.times(draws, 3, 4), 0.1 * torch.ones(3))
    fine = warps.evaluate(warp, 32, 48)
    assert fine.shape == (3, 4, 3, 4, 2)
    assert fine[:, 0].abs().max() == 0
    assert fine[:, 1:].abs().amax((1, 2, 3, 4)).min() > 0
