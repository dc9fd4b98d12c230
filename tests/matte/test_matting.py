import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.matte.config import KeyConfig, MatteConfig
from maskstream.matte.matting import Matting
from tests.helpers.drawn_mattes import HEIGHT, WIDTH, as_seen, composite, disc, noisy, textured

SKIN, WALL = (200, 140, 110), (60, 80, 130)


@pytest.fixture(scope="module")
def scene():
    """Alpha, foreground, background, frame and probability of a soft disc."""
    alpha, foreground, background = disc(), textured(SKIN, 1), textured(WALL, 2)
    return alpha, foreground, background, composite(alpha, foreground, background), as_seen(alpha)


def error(alpha, truth):
    return np.abs(alpha / 255.0 - truth).sum()


def matte(frame, probability, seen=None, **options):
    return Matting(MatteConfig(**{"smooth": False, **options}))(frame, probability, seen)


def test_refinement_is_nearer_to_the_truth_than_upsampling(scene) -> None:
    alpha, _, _, frame, probability = scene
    bilinear = 255 * cv2.resize(probability, (WIDTH, HEIGHT))
    refined = matte(frame, probability).alpha
    assert error(refined, alpha) < 0.5 * error(bilinear, alpha)


def test_without_refinement_it_is_plain_upsampling(scene) -> None:
    _, _, _, frame, probability = scene
    bilinear = 255 * cv2.resize(probability, (WIDTH, HEIGHT))
    # OpenCV's remap knows 32nds of a pixel.
    assert np.abs(matte(frame, probability, refine=False).alpha - bilinear).max() <= 5


def test_what_is_certain_is_exact(scene) -> None:
    frame, probability = scene[3:]
    made = matte(frame, probability).alpha
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(y - HEIGHT / 2, x - WIDTH / 2)
    assert (made[distance < 0.3 * HEIGHT - 20] == 255).all()
    assert (made[distance > 0.3 * HEIGHT + 20] == 0).all()


@pytest.mark.parametrize("size", [(180, 320), (181, 317), (97, 33), (40, 30), (480, 854)])
def test_any_size_of_frame_will_do(size) -> None:
    alpha = disc(*size)
    frame = composite(alpha, textured(SKIN, 1, height=size[0], width=size[1]), np.float32(WALL))
    made = matte(frame, as_seen(alpha))
    assert made.alpha.shape == size
    assert made.foreground.shape == frame.shape
    assert made.alpha[size[0] // 2, size[1] // 2] > 200
    assert made.alpha[0, 0] < 20


def test_the_smallest_frames_are_no_error() -> None:
    frame, probability = np.zeros((5, 7, 3), np.uint8), np.full((2, 3), 0.5, np.float32)
    assert Matting(MatteConfig(shift=1, softness=1))(frame, probability).alpha.shape == (5, 7)


def test_a_window_of_the_frame_is_put_in_its_place(scene) -> None:
    alpha, _, _, frame, _ = scene
    seen = slice(20, 160), slice(60, 270)
    made = matte(frame, as_seen(alpha[seen]), seen).alpha
    assert error(made, alpha) < 0.02 * alpha.sum()
    outside = np.ones_like(made, bool)
    outside[seen] = False
    assert not made[outside].any()


def test_nothing_comes_out_of_a_window_that_cuts_the_object(scene) -> None:
    alpha, _, _, frame, _ = scene
    seen = slice(60, 120), slice(100, 220)  # inside the disc
    made = matte(frame, as_seen(alpha[seen]), seen).alpha
    outside = np.ones_like(made, bool)
    outside[seen] = False
    assert not made[outside].any()
    assert made[90, 160] == 255


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_hard_alpha_costs_no_copy(scene, level) -> None:
    frame, probability = scene[3], np.full((60, 106), level, np.float32)
    made = matte(frame, probability)
    assert (made.alpha == 255 * level).all()
    assert np.shares_memory(made.foreground, frame)


def test_the_foreground_is_nearer_to_the_objects_own_colour(scene) -> None:
    alpha, foreground, _, frame, probability = scene
    made = matte(frame, probability)
    band = (alpha > 0.1) & (alpha < 0.9)
    before = np.abs(frame[band] - foreground[band]).mean()
    assert np.abs(made.foreground[band] - foreground[band]).mean() < 0.35 * before
    sure = made.alpha == 255
    assert np.abs(made.foreground[sure].astype(int) - frame[sure]).max() <= 1


def test_no_foreground_is_the_frame(scene) -> None:
    frame, probability = scene[3:]
    assert (matte(frame, probability, foreground="none").foreground == frame).all()


def test_the_best_foreground_is_near_to_the_truth_too(scene) -> None:
    pytest.importorskip("pymatting", reason="needs the matting extra")
    alpha, foreground, _, frame, probability = scene
    band = (alpha > 0.1) & (alpha < 0.9)
    made = matte(frame, probability, foreground="best")
    before = np.abs(frame[band] - foreground[band]).mean()
    assert np.abs(made.foreground[band] - foreground[band]).mean() < 0.5 * before


def test_spill_takes_the_backgrounds_hue_off_the_edge() -> None:
    alpha = disc()
    lit = disc(radius=0.28, softness=2)[..., None]  # the background's light reaches a few pixels in
    foreground = lit * np.float32((150, 150, 150)) + (1 - lit) * np.float32((120, 170, 122))
    frame = composite(alpha, foreground, np.float32((30, 200, 40)))
    mattes = [matte(frame, as_seen(alpha), spill=spill) for spill in (0, 1)]
    band = (mattes[0].alpha > 50) & (mattes[0].alpha < 250)
    greens = [made.foreground[band].astype(float) @ (-0.5, 1, -0.5) for made in mattes]
    assert greens[0].mean() > 25
    assert greens[1].mean() < 0.3 * greens[0].mean()


@pytest.mark.parametrize("shift", [-6, -1.5, 2, 5])
def test_shift_moves_the_edge_by_so_many_pixels(scene, shift) -> None:
    _, _, _, frame, probability = scene
    row = [
        matte(frame, probability, shift=s).alpha[HEIGHT // 2].astype(float).sum() / 255 for s in (0, shift)
    ]
    assert row[1] - row[0] == pytest.approx(2 * shift, abs=0.4)


def test_softness_widens_the_edge_and_keeps_its_place(scene) -> None:
    _, _, _, frame, probability = scene
    sharp, soft = (matte(frame, probability, softness=s).alpha[HEIGHT // 2].astype(float) for s in (0, 4))
    assert ((soft > 5) & (soft < 250)).sum() > 2 * ((sharp > 5) & (sharp < 250)).sum()
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)


def flicker(config, count=8):
    """The mean change of alpha from frame to frame, in a still scene seen by a noisy camera and network."""
    alpha = disc()
    clean = composite(alpha, textured(SKIN, 1), textured(WALL, 2))
    matting, before, changes = Matting(config), None, []
    for n in range(count):
        wobble = disc(radius=0.3 + 0.004 * (-1) ** n)
        now = matting(noisy(clean, 2.0, n), as_seen(wobble)).alpha.astype(float)
        if before is not None and n > 2:
            changes.append(np.abs(now - before).mean())
        before = now
    return np.mean(changes)


def test_smoothing_halves_the_flicker_of_a_still_scene() -> None:
    assert flicker(MatteConfig()) < 0.5 * flicker(MatteConfig(smooth=False))


def test_a_moving_object_leaves_no_trail() -> None:
    background, matting = textured(WALL, 2), Matting()
    for n in range(6):
        alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        left = 40 + 12 * n
        alpha[60:120, left : left + 60] = 1
        made = matting(composite(alpha, textured(SKIN, 1), background), as_seen(alpha)).alpha
    assert made[70:110, : left - 12].max() < 5
    assert made[70:110, left + 12 : left + 48].min() == 255


def test_smoothing_ends_at_exactly_what_it_is_without() -> None:
    frame = composite(disc(), textured(SKIN, 1), textured(WALL, 2))
    matting = Matting(MatteConfig(refine=False))
    for first, then in ((0.32, 0.22), (0.22, 0.32)):
        matting(frame, as_seen(disc(radius=first)))
        for _ in range(30):
            made = matting(frame, as_seen(disc(radius=then))).alpha
        wanted = matte(frame, as_seen(disc(radius=then)), refine=False).alpha
        assert made.min() == 0
        assert made.max() == 255
        assert np.array_equal(made, wanted)


def test_a_mistake_far_from_the_object_leaves_at_once() -> None:
    frame = composite(disc(), textured(SKIN, 1), textured(WALL, 2))
    mistaken = disc().copy()
    mistaken[:40, :40] = 1
    matting = Matting(MatteConfig(refine=False))
    for _ in range(3):
        assert matting(frame, as_seen(mistaken)).alpha[:20, :20].min() == 255
    made = matting(frame, as_seen(disc())).alpha
    assert not made[:20, :20].any()
    assert not matting(frame, np.zeros((60, 106), np.float32)).alpha.any()


def test_a_new_scene_takes_nothing_from_the_last(scene) -> None:
    frame, probability = scene[3:]
    other = 255 - frame
    empty = np.zeros((60, 106), np.float32)
    matting = Matting()
    matting(frame, probability)
    assert not matting(other, empty).alpha.any()
    matting(frame, probability)
    matting.reset()
    assert not matting(frame, empty).alpha.any()


def test_frames_may_change_their_size(scene) -> None:
    frame, probability = scene[3:]
    matting = Matting()
    matting(frame, probability)
    small = np.ascontiguousarray(frame[:90, :100])
    assert matting(small, probability).alpha.shape == (90, 100)


def test_a_matte_holds_until_the_call_after_the_next(scene) -> None:
    frame, probability = scene[3:]
    matting = Matting()
    first = matting(frame, probability)
    kept = first.alpha.copy(), first.foreground.copy()
    matting(255 - frame, 1 - probability)
    assert (first.alpha == kept[0]).all()
    assert (first.foreground == kept[1]).all()


@pytest.mark.parametrize(
    "config", [MatteConfig(shift=1.5, spill=0.5), MatteConfig(key=KeyConfig(colour=WALL))]
)
def test_the_given_arrays_stay_as_they_are(scene, config) -> None:
    frame, probability = scene[3].copy(), scene[4].copy()
    frame.flags.writeable = probability.flags.writeable = False
    matting = Matting(config)
    matting(frame, probability)
    matting(frame, probability[5:-5, 5:-5], (slice(15, 165), slice(15, 303)))
    assert (frame == scene[3]).all()


@pytest.mark.parametrize("config", [MatteConfig(), MatteConfig(shift=2, key=KeyConfig(colour=WALL))])
def test_a_resumed_job_gives_equal_results(config) -> None:
    frames = [noisy(composite(disc(), textured(SKIN, 1), textured(WALL, 2)), 2.0, n) for n in range(5)]
    probabilities = [as_seen(disc(radius=0.3 + 0.01 * (n % 2))) for n in range(5)]
    whole, first, resumed = Matting(config), Matting(config), Matting(config)
    for n in range(3):
        whole(frames[n], probabilities[n])
        first(frames[n], probabilities[n])
    resumed.restore(first.state())
    for n in range(3, 5):
        expected, made = whole(frames[n], probabilities[n]), resumed(frames[n], probabilities[n])
        assert (made.alpha == expected.alpha).all()
        assert (made.foreground == expected.foreground).all()


def test_neither_object_nor_key_is_refused(scene) -> None:
    with pytest.raises(InputError, match="first mask or a chroma key"):
        Matting()(scene[3], None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MatteConfig(foreground="better"),
        lambda: MatteConfig(shift=1000),
        lambda: MatteConfig(spill=2),
        lambda: KeyConfig(colour=(0, 300, 0)),
        lambda: KeyConfig(tolerance=1.5),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(InputError, match=r"give|choose"):
        make()
