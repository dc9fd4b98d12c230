import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips import pasting  # noqa: E402
from maskstream.clips.clip_config import ClipConfig  # noqa: E402
from maskstream.clips.pasting import Role  # noqa: E402
from maskstream.clips.randomness import Draws  # noqa: E402
from maskstream.clips.tensors import ImageSet  # noqa: E402

pytestmark = pytest.mark.torch

CLIPS, FRAMES, SIZE, FIRST_ID = 12, 4, (64, 96), 10
CPU = torch.device("cpu")


def white_squares():
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    for index in range(4):
        labels[index, 10 : 30 + 4 * index, 12:44] = 7
    images = (labels[:, None] == 7).expand(-1, 3, -1, -1).to(torch.uint8) * 255
    return ImageSet(images, labels, torch.ones(4), torch.zeros(4, dtype=torch.bool))


def plan(config, counts=1, needy=False, base=-1, seed=0):
    images = white_squares()
    cutouts = torch.zeros(4, 256, dtype=torch.bool)
    cutouts[:, 7] = True
    draws = Draws(torch.Generator().manual_seed(seed), CPU)
    layers = pasting.plan_layers(
        images,
        cutouts,
        torch.ones(4),
        torch.full((CLIPS,), counts),
        torch.full((CLIPS,), needy),
        (torch.full((CLIPS,), base), torch.full((CLIPS,), 7)),
        SIZE,
        FRAMES,
        config,
        draws,
    )
    return images, layers, draws


def pasted(config, label=0, **kwargs):
    images, layers, draws = plan(config, **kwargs)
    frames = torch.zeros(CLIPS, FRAMES, 3, *SIZE)
    labels = torch.full((CLIPS, FRAMES, *SIZE), label, dtype=torch.uint8)
    pasting.paste(layers, images, frames, labels, FIRST_ID, draws)
    return frames, labels, layers


def role(which, **kwargs):
    weights = tuple(float(which == other) for other in Role)
    return ClipConfig(roles=weights, layer_gain=0, motion_blur=0, absent=0, **kwargs)


def test_objects_carry_an_id_for_each_depth():
    _, labels, layers = pasted(role(Role.OBJECT), counts=2)
    assert (layers.role == Role.OBJECT).all()
    assert set(labels.unique().tolist()) == {0, FIRST_ID, FIRST_ID + 1}


@pytest.mark.parametrize("unlabelled", [Role.DISTRACTOR, Role.OCCLUDER])
def test_distractors_and_occluders_are_seen_and_unlabelled(unlabelled):
    frames, labels, _ = pasted(role(unlabelled), label=1)
    seen = frames[:, :, 0] > 0.6
    hidden = frames[:, :, 0] < 0.4
    assert seen.flatten(1).any(1).sum() > CLIPS // 2
    assert (labels[seen] == 0).all()
    assert (labels[hidden] == 1).all()


def test_occluders_cross_what_is_labelled_after_the_first_frame():
    _, labels, _ = pasted(role(Role.OCCLUDER), label=1)
    covered = (labels[:, 1:] == 0).flatten(2).any(2).any(1)
    assert covered.all()


def test_a_needy_clip_gets_a_labelled_object_first():
    _, layers, _ = plan(role(Role.OCCLUDER), counts=3, needy=True)
    assert (layers.role[layers.depth == 0] == Role.OBJECT).all()
    assert (layers.role[layers.depth > 0] == Role.OCCLUDER).all()


def test_look_alikes_copy_the_layer_below_or_the_base():
    _, layers, _ = plan(role(Role.DISTRACTOR, twin_distractor=1.0), counts=2, base=3)
    assert (layers.image == 3).all()
    _, layers, _ = plan(role(Role.OBJECT, twin_object=1.0), counts=2)
    assert torch.equal(layers.image[layers.depth == 0], layers.image[layers.depth == 1])
    assert len(layers.image.unique()) > 1


def test_absent_objects_are_still_in_the_first_frame():
    config = ClipConfig(roles=(1, 0, 0), absent=1.0)
    _, layers, _ = plan(config)
    assert layers.shown[:, 0].all()
    assert (~layers.shown).any(1).all()
    assert (layers.shown[:, -1] & ~layers.shown[:, 1]).any()


def test_scales_span_the_range_without_enlarging_beyond_sense():
    sizes = []
    for seed in range(8):
        _, layers, _ = plan(role(Role.OBJECT), seed=seed)
        sizes.append(layers.length[:, 0] / 2)
    sizes = torch.cat(sizes)
    assert 0.06 <= sizes.min() < 0.09
    assert 0.5 < sizes.max() <= 0.8


def test_motion_blur_spreads_an_edge_along_the_motion():
    fast = {"layer_speed": (0.3, 0.31), "layer_scale": (0.5, 0.51), "layer_warp": (0.0, 0.0)}
    blurred = ClipConfig(roles=(1, 0, 0), layer_gain=0, absent=0, motion_blur=1.0, **fast)
    sharp = ClipConfig(roles=(1, 0, 0), layer_gain=0, absent=0, motion_blur=0.0, **fast)
    soft = [((f > 0.1) & (f < 0.9)).float().mean() for f in (pasted(c)[0][:, 0] for c in (blurred, sharp))]
    assert soft[0] > 2 * soft[1]
