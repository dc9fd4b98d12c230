"""The per-frame core: what is kept, where it is, and that nothing of it is overwritten later."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.background.compositor import CompositeConfig
from maskstream.background.sources import open_background
from maskstream.errors import InputError
from maskstream.masks.palette import present_ids
from maskstream.matte.config import KeyConfig, MatteConfig
from maskstream.replacement.replacer import BackgroundReplacer, KeptObjects

HEIGHT, WIDTH = 48, 64
GREY = (90, 90, 90)
COLOURS = {1: (220, 30, 30), 2: (30, 30, 220), 3: (220, 220, 30)}


def label_map(shift=0):
    """Three squares in a row."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for object_id in COLOURS:
        left = 20 * (object_id - 1) + 2 + shift
        labels[10:30, left : left + 14] = object_id
    return labels


def picture(labels):
    frame = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    for object_id, colour in COLOURS.items():
        frame[labels == object_id] = colour
    return frame


class Segmented:
    def __init__(self, ids, low_res, seen):
        self.ids, self.low_res, self.seen = ids, low_res, seen


class Truth:
    """A segmenter that finds what it was told, and forgets and remembers how often it was asked."""

    def __init__(self):
        self.asked = 0

    def step(self, frame, masks=None, ids=None):
        self.asked += 1
        planes = np.stack([label_map() == object_id for object_id in COLOURS]).astype(np.float32)
        return Segmented(tuple(COLOURS), planes, (slice(0, HEIGHT), slice(0, WIDTH)))

    def reset(self):
        self.asked = 0

    def state(self):
        return {"asked": self.asked}, {"one": np.ones(1)}

    def restore(self, state, arrays):
        assert arrays["one"] == 1
        self.asked = state["asked"]


@pytest.mark.parametrize(
    ("keep", "drop", "stays"),
    [(None, (), {1, 2, 3}), ((1, 3), (), {1, 3}), (None, (2,), {1, 3}), ((1, 2), (2,), {1})],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_only_what_is_kept_stays_before_the_background(keep, drop, stays, tracked) -> None:
    kept = KeptObjects.of(keep, drop)
    replacer = BackgroundReplacer(Truth() if tracked else None, open_background("green"), kept=kept)
    frame = picture(label_map())
    replaced = replacer.step(frame, label_map())
    for object_id in COLOURS:
        inside = (16, 20 * (object_id - 1) + 9)
        expected = COLOURS[object_id] if object_id in stays else (0, 255, 0)
        assert tuple(replaced.image[inside]) == expected
        assert replaced.alpha[inside] == (255 if object_id in stays else 0)
    assert tuple(replaced.image[40, 30]) == (0, 255, 0)


def test_ids_that_no_object_has_are_refused() -> None:
    known = present_ids(label_map())
    KeptObjects.of((1,)).check(known)
    with pytest.raises(InputError, match=r"no object 7 .* have 1, 2, 3"):
        KeptObjects.of((1, 7)).check(known)
    with pytest.raises(InputError, match="no object 9"):
        KeptObjects.of(None, (9,)).check(known)
    with pytest.raises(InputError, match="no object would be kept"):
        KeptObjects.of((1,), (1,)).check(known)


def test_results_stay_as_they_are_while_more_frames_come() -> None:
    replacer = BackgroundReplacer(None, open_background("green"))
    results, copies = [], []
    for shift in range(6):
        labels = label_map(shift)
        result = replacer.step(picture(labels), labels)
        results.append(result)
        copies.append((result.image.copy(), result.alpha.copy()))
    for result, (image, alpha) in zip(results, copies, strict=True):
        assert np.array_equal(result.image, image)
        assert np.array_equal(result.alpha, alpha)


def test_the_frame_is_left_as_it_is() -> None:
    frame = picture(label_map())
    before = frame.copy()
    BackgroundReplacer(Truth(), open_background("green")).step(frame)
    assert np.array_equal(frame, before)


def test_without_a_background_colours_and_alpha_come_apart() -> None:
    frame = picture(label_map())
    replaced = BackgroundReplacer(Truth(), None, kept=KeptObjects.of((1,))).step(frame)
    assert tuple(replaced.image[16, 9]) == COLOURS[1]
    assert replaced.alpha[16, 9] == 255
    assert not replaced.alpha[:, 30:].any()


def test_a_green_screen_needs_no_object() -> None:
    frame = np.full((HEIGHT, WIDTH, 3), (40, 180, 60), np.uint8)
    frame[15:35, 20:40] = (200, 120, 110)
    key = MatteConfig(key=KeyConfig())
    replaced = BackgroundReplacer(None, open_background("white"), matte=key).step(frame)
    assert tuple(replaced.image[5, 5]) == (255, 255, 255)
    assert replaced.alpha[25, 30] == 255


@pytest.mark.parametrize("background", ["white", "blur", "moving"])
def test_a_restored_replacer_goes_on_to_the_same_bytes(background, tmp_path: Path) -> None:
    for number in range(5):
        shade = np.full((8, 8, 3), 50 * number, np.uint8)
        Image.fromarray(shade).save(tmp_path / f"{number}.png")

    def made():
        what = tmp_path if background == "moving" else background
        behind = open_background(what, falloff=0.5)
        return BackgroundReplacer(Truth(), behind, composite=CompositeConfig(match_colour=0.5))

    noise = np.random.default_rng(0).integers(0, 12, (6, HEIGHT, WIDTH, 3), np.uint8)
    frames = [picture(label_map()) + some for some in noise]
    whole, first, second = made(), made(), made()
    for frame in frames[:3]:
        first.step(frame)
    second.restore(*first.state())
    expected = [whole.step(frame) for frame in frames][3:]
    for frame, want in zip(frames[3:], expected, strict=True):
        got = second.step(frame)
        assert np.array_equal(got.image, want.image)
        assert np.array_equal(got.alpha, want.alpha)


def test_reset_forgets_the_objects() -> None:
    segmenter = Truth()
    replacer = BackgroundReplacer(segmenter, open_background("white"))
    replacer.step(picture(label_map()))
    replacer.reset()
    assert segmenter.asked == 0
