import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips import layer_plan, limbs, pasting  # noqa: E402
from maskstream.clips.clip_config import ClipConfig  # noqa: E402
from maskstream.clips.pasting import Role  # noqa: E402
from maskstream.clips.randomness import Draws  # noqa: E402
from maskstream.clips.tensors import ImageSet  # noqa: E402

pytestmark = pytest.mark.torch

CLIPS, FRAMES, SIZE, FIRST_ID = 12, 4, (64, 96), 10
CPU = torch.device("cpu")
PLAIN = dict.fromkeys(
    ("layer_gain", "motion_blur", "absent", "leaving", "limbs", "spin", "hop", "crossing"), 0
)


def white_squares():
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    for index in range(4):
        labels[index, 10 : 30 + 4 * index, 12:44] = 7
    images = (labels[:, None] == 7).expand(-1, 3, -1, -1).to(torch.uint8) * 255
    return ImageSet(images, labels, torch.ones(4), torch.zeros(4, dtype=torch.bool))


def plan(config, counts=1, needy=False, base=-1, seed=0, shutter=None, images=None):
    images = white_squares() if images is None else images
    cutouts = torch.zeros(4, 256, dtype=torch.bool)
    cutouts[:, 7] = True
    draws = Draws(torch.Generator().manual_seed(seed), CPU)
    layers = layer_plan.plan_layers(
        layer_plan.LayerRequest(
            images,
            cutouts,
            torch.ones(4),
            torch.full((CLIPS,), counts),
            torch.full((CLIPS,), needy),
            (torch.full((CLIPS,), base), torch.full((CLIPS,), 7)),
            SIZE,
            FRAMES,
            config,
            shutter,
        ),
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
    return ClipConfig(**{**PLAIN, "roles": weights, **kwargs})


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


STRAIGHT = {"layer_warp": (0.0, 0.0), "layer_turn": 0.0, "layer_growth": 0.0, "layer_scale": (0.4, 0.41)}


def test_look_alikes_pass_each_other_closely():
    config = role(Role.OBJECT, twin_object=1.0, crossing=1.0, **STRAIGHT)
    _, layers, _ = plan(config, counts=2)
    below, above = (layers.centre[layers.depth == depth] for depth in (0, 1))
    apart = below - above
    length = layers.length[layers.depth == 0].mean(1)
    assert (apart[:, 0].norm(dim=-1) > 0.6 * length).all()
    # They change sides: their distance in the first frame and in the last one point in opposite ways.
    assert ((apart[:, 0] * apart[:, -1]).sum(-1) < 0).all()
    middle = (apart[:, :-1] + apart[:, 1:]) / 2
    assert (torch.cat([apart, middle], 1).norm(dim=-1).amin(1) < 0.6 * length).all()


def test_look_alikes_of_the_base_are_led_over_it():
    config = role(Role.DISTRACTOR, twin_distractor=1.0, crossing=1.0, **STRAIGHT)
    images, layers, draws = plan(config, base=3)
    labels = torch.zeros(CLIPS, FRAMES, *SIZE, dtype=torch.uint8)
    labels[:, :, 8:14, 80:90] = 3
    pasting.paste(layers, images, torch.zeros(CLIPS, FRAMES, 3, *SIZE), labels, FIRST_ID, draws)
    covered = (labels == 3).flatten(2).sum(2) < 60
    assert covered[:, 1:].any(1).all()


def test_objects_leave_and_come_back():
    config = role(Role.OBJECT, leaving=1.0, layer_speed=(0.004, 0.005), **STRAIGHT)
    _, labels, _ = pasted(config)
    seen = (labels == FIRST_ID).flatten(2).any(2)
    assert seen[:, 0].float().mean() > 0.9
    assert (~seen).any(1).all()
    assert (~seen[:, 1:-1] & seen[:, 2:]).any(1).float().mean() > 0.3


def bounds(labels):
    """Rows and columns that an object takes in each frame, ``(B, T)`` each."""
    on = labels == FIRST_ID
    return on.any(3).sum(2), on.any(2).sum(2)


def test_a_turning_object_gets_narrow_and_keeps_its_height():
    config = role(Role.OBJECT, spin=1.0, spin_turn=40.0, layer_speed=(0.004, 0.005), **STRAIGHT)
    _, labels, layers = pasted(config)
    inside = (layers.centre.abs() < 0.5).all(-1).all(1)
    assert inside.any()
    rows, columns = (each[inside].float() for each in bounds(labels))
    assert (columns.amin(1) < 0.8 * columns[:, 0]).float().mean() > 0.5
    assert (rows.amin(1) > 0.85 * rows[:, 0]).float().mean() > 0.8


def test_hops_move_up_and_never_start_with_a_jump():
    config = role(Role.OBJECT, hop=1.0, layer_speed=(0.004, 0.005), **STRAIGHT)
    _, hopping, _ = plan(config)
    _, walking, _ = plan(role(Role.OBJECT, hop=0.0, layer_speed=(0.004, 0.005), **STRAIGHT))
    rise = walking.centre[..., 1] - hopping.centre[..., 1]
    assert torch.allclose(rise[:, 0], torch.zeros(CLIPS), atol=1e-6)
    assert rise.abs().amax(1).median() > 0.05
    assert torch.allclose(walking.centre[..., 0], hopping.centre[..., 0])


def test_limbs_bend_by_parts_as_they_swing():
    base = {"layer_speed": (0.004, 0.005), **STRAIGHT}
    _, stiff, layers = pasted(role(Role.OBJECT, limbs=0.0, **base))
    _, bent, _ = pasted(role(Role.OBJECT, limbs=1.0, limb_swing=50.0, **base))
    assert torch.equal(stiff[:, 0], bent[:, 0])  # at first it is as in its picture
    inside = (layers.centre.abs() < 0.8).all(-1).all(1)
    assert inside.sum() > 3
    areas = [(labels[inside] == FIRST_ID).flatten(2).sum(2).float() for labels in (stiff, bent)]
    changed = (stiff[inside] != bent[inside]).flatten(2).sum(2)[:, 1:] / areas[0][:, 1:]
    assert changed.mean() > 0.05
    assert (areas[1] / areas[0]).median() == pytest.approx(1.0, abs=0.25)  # bent, not lost


def test_a_joint_turns_what_is_beyond_it_and_leaves_the_rest():
    turn = torch.full((1, 1, 1), 0.5)
    arm = limbs.Limbs(
        joint=torch.tensor([[[0.1, 0.0]]]),
        outward=torch.tensor([[[1.0, 0.0]]]),
        softness=torch.full((1, 1), 0.02),
        width=torch.full((1, 1), 5.0),
        angle=turn,
    )
    points = torch.tensor([[-0.4, 0.1], [0.1, 0.0], [0.5, 0.0]]).view(1, 1, 1, 3, 2)
    moved = arm.bend(points, torch.zeros(1), torch.zeros(1))[0, 0, 0]
    assert torch.allclose(moved[0], points[0, 0, 0, 0], atol=1e-5)
    assert torch.allclose(moved[1], points[0, 0, 0, 1], atol=1e-5)
    assert torch.allclose(moved[2], torch.tensor([0.1 + 0.4 * 0.87758, 0.4 * 0.47943]), atol=1e-3)


def test_the_shutter_blurs_what_turns_in_place():
    still = {"layer_speed": (0.004, 0.005), **STRAIGHT, "layer_turn": 60.0, "layer_scale": (0.6, 0.61)}
    soft = []
    for open_for in (0.0, 0.7):
        images, layers, draws = plan(role(Role.OBJECT, **still), shutter=torch.full((CLIPS,), open_for))
        frames = torch.zeros(CLIPS, FRAMES, 3, *SIZE)
        pasting.paste(
            layers, images, frames, torch.zeros(CLIPS, FRAMES, *SIZE, dtype=torch.uint8), FIRST_ID, draws
        )
        soft.append(((frames > 0.1) & (frames < 0.9)).float().mean())
    assert soft[1] > 1.8 * soft[0]


def test_thin_cut_outs_stay_whole_when_they_get_small():
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    labels[:, 4:60:6, 4:60] = 7  # bars of one pixel
    labels[:, 4:60, 31:33] = 7
    images = ImageSet(
        (labels[:, None] == 7).expand(-1, 3, -1, -1).to(torch.uint8) * 255,
        labels, torch.ones(4), torch.zeros(4, dtype=torch.bool),
    )  # fmt: skip
    kept = []
    for thin in (1.0, 0.35):
        config = role(Role.OBJECT, thin=thin, layer_speed=(0.004, 0.005), **STRAIGHT)
        _, layers, draws = plan(config, images=images)
        clip_labels = torch.zeros(CLIPS, FRAMES, *SIZE, dtype=torch.uint8)
        pasting.paste(layers, images, torch.zeros(CLIPS, FRAMES, 3, *SIZE), clip_labels, FIRST_ID, draws)
        kept.append((clip_labels == FIRST_ID).float().mean())
    assert kept[1] > 1.5 * kept[0]
    _, solid, _ = plan(role(Role.OBJECT))
    assert (solid.edge == 0.5).all()
