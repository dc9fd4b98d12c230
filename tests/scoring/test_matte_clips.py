"""The clips that mattes are judged by: what they call true is what the frame was made of."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import matte_clips
from maskstream.errors import InputError

SIZE = (108, 192)
DRAWN = matte_clips.drawn_clips(SIZE)
SCREENS = matte_clips.screen_clips(SIZE)


def named(clips):
    return pytest.mark.parametrize("clip", clips, ids=lambda clip: clip.name)


@named(DRAWN)
def test_where_alpha_is_full_the_frame_shows_the_true_colour_and_noise(clip) -> None:
    for frame, alpha, foreground in islice(clip.play(), 2):
        opaque = alpha == 255
        difference = frame[opaque].astype(int) - foreground[opaque]
        assert opaque.sum() > 200
        assert 0.5 < difference.std() < 2.5
        assert np.abs(difference).max() < 10


@named(DRAWN)
def test_frame_alpha_and_colour_belong_together_at_the_edge(clip) -> None:
    frame, alpha, foreground = next(clip.play())
    # A frame cannot be darker, or lighter, than its share of the object's colour alone allows.
    share = alpha[..., None] / 255 * foreground
    assert (frame >= share - 10).all()
    assert (frame <= share + (255 - alpha[..., None].astype(float)) + 10).all()


@named(DRAWN + SCREENS)
def test_every_clip_has_a_soft_edge_and_moves(clip) -> None:
    first, second = islice(clip.play(), 2)
    soft = (first.alpha > 0) & (first.alpha < 255)
    assert 0.005 < soft.mean() < 0.4
    assert (first.alpha != second.alpha).any()


@named(DRAWN)
def test_a_clip_played_again_is_the_same(clip) -> None:
    for one, again in zip(islice(clip.play(), 2), clip.play(), strict=False):
        for a, b in zip(one, again, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_fast_object_is_blurred_along_its_way() -> None:
    racket = next(clip for clip in DRAWN if clip.name == "racket")
    slow = fast = 0.0
    for index, (_, alpha, _) in enumerate(islice(racket.play(), 13)):
        soft = ((alpha > 0) & (alpha < 255)).sum() / (alpha > 0).sum()
        slow, fast = (soft, fast) if index == 6 else (slow, soft if index == 12 else fast)
    assert fast > 1.15 * slow  # it turns at frame 6 and is fastest at 12


@named(SCREENS)
def test_a_screen_spills_on_the_object_and_the_truth_is_clean(clip) -> None:
    frame, alpha, foreground = next(clip.play())
    screen = frame[alpha == 0].mean(axis=0)
    opaque = alpha == 255
    before = np.abs(frame[opaque] - screen).mean()
    assert before < np.abs(foreground[opaque] - screen).mean()
    assert np.abs(frame[opaque].astype(int) - foreground[opaque]).mean() > 2  # noise alone: 1.2


@pytest.mark.data
def test_cutouts_come_from_the_data_folder(data_folder: Path) -> None:
    clips = matte_clips.cutout_clips(data_folder, SIZE)
    assert len(clips) == len(matte_clips.PEOPLE)
    frame, alpha, foreground = next(clips[0].play())
    opaque = alpha == 255
    assert np.abs(frame[opaque].astype(int) - foreground[opaque]).max() < 10
    assert ((alpha > 0) & (alpha < 255)).any()


def test_a_folder_without_cutouts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="matte"):
        matte_clips.cutout_clips(tmp_path, SIZE)


def test_colours_of_the_opaque_part_are_carried_outwards() -> None:
    alpha = np.zeros((20, 40), np.float32)
    alpha[:, :20], alpha[:, 20:24] = 1, 0.5
    picture = np.full((20, 40, 3), 10, np.uint8)
    picture[:, :20] = 200
    own = matte_clips.own_colours(picture, alpha)
    np.testing.assert_allclose(own[:, :24], 200, atol=0.01)
