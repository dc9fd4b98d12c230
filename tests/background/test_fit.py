import numpy as np
import pytest

from maskstream.background.fit import Fit
from maskstream.errors import InputError


def quarters(height=60, width=80):
    """Red left, blue right; the lower half darker."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 240
    image[:, width // 2 :, 2] = 240
    image[height // 2 :] //= 2
    return image


def test_cover_keeps_the_shape_and_crops_what_is_too_much() -> None:
    frame = Fit("cover")(quarters(60, 80), 40, 40)
    assert frame.shape == (40, 40, 3)
    assert frame[2, 17].tolist() == [240, 0, 0]
    assert frame[2, 22].tolist() == [0, 0, 240]
    assert frame[37, 2].tolist() == [120, 0, 0]


@pytest.mark.parametrize(("x", "colour"), [(0.0, [240, 0, 0]), (1.0, [0, 0, 240])])
def test_the_position_says_which_side_of_a_wide_picture_is_seen(x, colour) -> None:
    frame = Fit("cover", (x, 0.5))(quarters(60, 160), 60, 60)
    assert (frame[:29] == colour).all()


@pytest.mark.parametrize(("y", "red"), [(0.0, 240), (1.0, 120)])
def test_the_position_says_which_end_of_a_tall_picture_is_seen(y, red) -> None:
    frame = Fit("cover", (0.5, y))(quarters(160, 60), 60, 60)
    assert (frame[:, :29, 0] == red).all()


def test_contain_shows_the_whole_picture_between_bars() -> None:
    frame = Fit("contain", fill=(9, 8, 7))(quarters(60, 80), 60, 160)
    assert (frame[:, :40] == (9, 8, 7)).all()
    assert (frame[:, 120:] == (9, 8, 7)).all()
    assert np.array_equal(frame[:, 40:120], quarters(60, 80))


def test_the_position_says_where_the_bars_are() -> None:
    frame = Fit("contain", (0.5, 1.0))(quarters(60, 80), 120, 80)
    assert not frame[:60].any()
    assert np.array_equal(frame[60:], quarters(60, 80))


def test_stretch_gives_up_the_shape() -> None:
    frame = Fit("stretch")(quarters(60, 80), 30, 200)
    assert frame.shape == (30, 200, 3)
    assert frame[5, 95].tolist() == [240, 0, 0]
    assert frame[5, 105].tolist() == [0, 0, 240]


def test_a_picture_of_the_right_size_is_taken_as_it_is() -> None:
    image = quarters()
    for mode in ("cover", "contain", "stretch"):
        frame = Fit(mode)(image, 60, 80)
        assert np.array_equal(frame, image)
        assert np.shares_memory(frame, image)


def test_pixels_that_are_not_square_are_seen_in_their_shape() -> None:
    frame = Fit("contain")(quarters(60, 60), 60, 120, pixel_aspect=2.0)
    assert frame[2, 2].tolist() == [240, 0, 0]
    assert frame[2, 117].tolist() == [0, 0, 240]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("mode", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("source", [(1, 1), (1, 500), (333, 1), (7, 5), (61, 129)])
@pytest.mark.parametrize("target", [(1, 1), (1, 90), (101, 53)])
def test_every_size_fits_every_other(mode, source, target, quick) -> None:
    frame = Fit(mode, fill=(5, 5, 5))(np.full((*source, 3), 5, np.uint8), *target, quick=quick)
    assert frame.shape == (*target, 3)
    assert frame.flags.c_contiguous
    assert (frame == 5).all()


@pytest.mark.parametrize("quick", [False, True])
def test_a_fine_pattern_is_averaged_not_sampled(quick) -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    frame = Fit()(stripes, 100, 100, quick=quick)
    assert abs(frame.astype(int) - 100).max() <= 1


def test_an_unknown_fit_and_a_position_outside_are_refused() -> None:
    with pytest.raises(InputError, match="cover, contain, stretch"):
        Fit("fill")
    for position in ((-0.1, 0.5), (0.5, 1.5), (float("nan"), 0)):
        with pytest.raises(InputError, match="from 0"):
            Fit("cover", position)
