"""Single frames with their subject: what is shown, what is labelled, what is held back."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips.scene_config import SceneConfig  # noqa: E402
from maskstream.clips.scenes import SceneSampler  # noqa: E402
from maskstream.clips.tensors import ImageSet  # noqa: E402
from maskstream.datasets.readers import LabelledFrame, LabelledImage, LabelledVideo  # noqa: E402
from maskstream.datasets.subject_sets import held_back, subject_images  # noqa: E402
from maskstream.errors import InputError  # noqa: E402

pytestmark = pytest.mark.torch

SIDE = 64
RED, GREEN, BLUE = (
    torch.tensor(colour, dtype=torch.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
)
PLAIN = SceneConfig(
    places=(0, 1, 0, 0),
    on_stills=0.0,
    beside=0.0,
    in_front=0.0,
    cast=0.0,
    dim=0.0,
    look=replace(
        SceneConfig().look, brightness=0, contrast=0, saturation=(1, 1), hue=0, tone=0, grey=0, noise=0,
        soften=0, compress=0, layer_gain=0, motion_blur=0,
    ),
)  # fmt: skip


def images(names, colours, paste_only=False):
    """Pictures with a coloured square, labelled 1, on grey; it touches no border."""
    pictures = torch.full((len(names), 3, SIDE, SIDE), 90, dtype=torch.uint8)
    labels = torch.zeros((len(names), SIDE, SIDE), dtype=torch.uint8)
    for picture, label, colour in zip(pictures, labels, colours, strict=True):
        picture[:, 12:52, 20:44] = colour[:, None, None]
        label[12:52, 20:44] = 1
    only = torch.full((len(names),), paste_only)
    return ImageSet(pictures, labels, torch.ones(len(names)), only, tuple(names))


@pytest.fixture
def stills():
    return images(["human290/0", "cats81/0"], [RED, GREEN])


@pytest.fixture
def photos():
    pictures = BLUE.view(1, 3, 1, 1).expand(2, 3, SIDE, SIDE).contiguous()
    empty = torch.zeros((2, SIDE, SIDE), dtype=torch.uint8)
    return ImageSet(pictures, empty, torch.ones(2), torch.zeros(2, dtype=torch.bool))


def sampled(stills, photos, config, count=24, size=(64, 96), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return SceneSampler(stills, photos, config, generator).sample(count, size)


def mostly(scenes, channel):
    """Where a channel is the strongest by far, ``(B, H, W)``."""
    others = [c for c in range(3) if c != channel]
    return scenes.frames[:, channel] > scenes.frames[:, others].amax(1) + 0.3


def test_people_over_places_are_the_subject(stills, photos) -> None:
    scenes = sampled(stills, photos, PLAIN)
    red = mostly(scenes, 0)
    assert ((scenes.labels == 1) == red).float().mean() > 0.97
    assert not mostly(scenes, 1).any()
    assert (scenes.labels == 1).flatten(1).any(1).all()


def test_a_thing_beneath_people_is_background(stills, photos) -> None:
    scenes = sampled(stills, None, replace(PLAIN, on_stills=1.0))
    green = mostly(scenes, 1)
    assert green.any()
    assert scenes.labels[green].float().mean() < 0.05
    assert ((scenes.labels == 1) & mostly(scenes, 0)).any()


def test_a_thing_alone_is_the_subject(stills, photos) -> None:
    things = images(["cats81/0"], [GREEN])
    scenes = sampled(things, photos, replace(PLAIN, places=(0.5, 0, 0.5, 0)))
    assert ((scenes.labels == 1) == mostly(scenes, 1)).float().mean() > 0.97


def test_in_an_empty_place_nobody_is_there(stills, photos) -> None:
    scenes = sampled(stills, photos, replace(PLAIN, places=(0, 0, 0, 1)))
    assert mostly(scenes, 2).all()
    assert not scenes.labels.any()


def test_a_place_may_be_what_is_beside_a_thing(stills, photos) -> None:
    for still in (stills.images, stills.labels):
        still[..., 32:] = still[..., :1]  # narrow, so that there is room at its right
    empty = replace(PLAIN, places=(0, 0, 0, 1), beside=1.0)
    for ground in (photos, None):
        scenes = sampled(stills, ground, empty)
        assert not scenes.labels.any()
        for channel in range(3):
            assert not mostly(scenes, channel).any()  # neither the thing, nor the person, nor a photograph
    people = sampled(stills, photos, replace(PLAIN, beside=1.0))
    assert not mostly(people, 1).any()
    assert not mostly(people, 2).any()
    assert mostly(people, 0).any()


def test_beside_a_thing_that_fills_its_picture_there_is_no_place(stills, photos) -> None:
    stills.labels[:] = 1
    scenes = sampled(stills, photos, replace(PLAIN, places=(0, 0, 0, 1), beside=1.0))
    assert mostly(scenes, 2).all()


def test_a_thing_in_front_covers_people_without_a_label(stills, photos) -> None:
    scenes = sampled(stills, photos, replace(PLAIN, in_front=1.0))
    green = mostly(scenes, 1)
    assert green.any()
    assert scenes.labels[green].float().mean() < 0.05


def test_a_cut_out_that_its_source_cuts_off_reaches_the_lower_border(stills, photos) -> None:
    stills.labels[0, 12:, 20:44] = 1
    stills.images[0, :, 12:, 20:44] = RED[:, None, None]
    scenes = sampled(stills, photos, replace(PLAIN, count=(1, 0, 0)))
    assert (scenes.labels[:, -1] == 1).any(1).float().mean() > 0.9


def test_void_stays_void(stills, photos) -> None:
    stills.labels[1, 12:20, 20:44] = 255
    scenes = sampled(stills, photos, replace(PLAIN, places=(1, 0, 0, 0)))
    assert set(scenes.labels.unique().tolist()) == {0, 1, 255}


def test_the_state_of_the_generator_is_the_whole_state(stills, photos) -> None:
    generator = torch.Generator().manual_seed(3)
    sampler = SceneSampler(stills, photos, SceneConfig(), generator)
    sampler.sample(3, (64, 96))
    state = generator.get_state()
    first = sampler.sample(5, (96, 64))
    generator.set_state(state)
    again = sampler.sample(5, (96, 64))
    torch.testing.assert_close(first.frames, again.frames, rtol=0, atol=0)
    assert first.frames.shape == (5, 3, 96, 64)
    assert 0 <= first.frames.min() <= first.frames.max() <= 1
    assert torch.equal(first.labels, again.labels)


def test_images_that_are_only_cut_out_are_never_shown_whole(photos) -> None:
    cutouts = images(["viton/0"], [RED], paste_only=True)
    scenes = sampled(cutouts, photos, PLAIN)
    grey = (scenes.frames - 90 / 255).abs().amax(1) < 0.02
    assert grey.float().mean() < 0.01


def test_without_anything_to_show_it_says_so(photos) -> None:
    nothing = images(["cats81/0"], [GREEN])
    nothing.labels.zero_()
    with pytest.raises(InputError, match="no image shows a subject"):
        SceneSampler(nothing, None, SceneConfig(), torch.Generator())


def image(name):
    return LabelledImage(name, lambda: (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8)))


def test_a_tenth_of_each_set_is_held_back_by_name_alone() -> None:
    given = [image(f"{of}/{i:03d}") for of in ("ecssd", "ccp") for i in range(40)]
    given += [image(f"people/{i:03d}") for i in range(10)] + [image(f"frames/bear/{i}") for i in range(20)]
    train, held = held_back(given)
    names = {i.name for i in held}
    assert {i.name for i in train} | names == {i.name for i in given}
    assert sum(name.startswith("ecssd") for name in names) == 4
    assert sum(name.startswith("people") for name in names) == 5
    assert not any(name.startswith("frames") for name in names)
    assert {i.name for i in held_back(given[::-1])[1]} == names


def test_sets_and_videos_that_show_no_subject_are_left_out() -> None:
    def video(name):
        frames = [LabelledFrame(f"{name}/{i:05d}", image("x").load) for i in range(30)]
        return LabelledVideo(name, 1, tuple(frames))

    stills = [image("hair1050/0"), image("ecssd/0")]
    chosen = subject_images(stills, [video("bear"), video("ytvos-1")], [image("people/0")])
    names = [i.name for i in chosen]
    assert names[:2] == ["ecssd/0", "people/0"]
    assert names[2] == "frames/bear/00000"
    assert 10 <= len(names[2:]) <= 16
    assert all(name.startswith("frames/bear/") for name in names[2:])
