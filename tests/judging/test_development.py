"""Development scores, with stand-ins for the network."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskstream.datasets.readers import LabelledFrame, LabelledVideo
from maskstream.errors import InputError
from maskstream.judging.development import (
    ComparedScorer,
    evaluate_sequences,
    labelled_sequences,
    over_sequences,
    score_table,
)
from maskstream.scoring.metrics import ObjectScores


class Repeats:
    """Segments every frame as the first mask."""

    def __init__(self):
        self.given = []

    def step(self, frame, masks=None):
        self.given.append(masks)
        return SimpleNamespace(label_map=self.given[0])


class Sees:
    """Segments perfectly: the truth is painted in the frame's red channel."""

    def step(self, frame, masks=None):
        return SimpleNamespace(label_map=frame[..., 0])


def moving(frames=5, speed=4, ids=(1,)):
    """Frames that show their label maps, of squares that move to the right."""
    for t in range(frames):
        label_map = np.zeros((60, 80), np.uint8)
        for row, i in enumerate(ids):
            label_map[5 + 25 * row : 25 + 25 * row, 5 + speed * t : 25 + speed * t] = i
        yield np.repeat(label_map[..., None], 3, axis=2), label_map


def test_a_perfect_segmenter_beats_the_copies_it_is_printed_beside():
    (result,) = evaluate_sequences(Sees, [("square", moving())])
    assert result.predicted.jf_mean == 1
    assert result.baselines["copy first"].j_mean < result.baselines["copy previous"].j_mean < 1


def test_repeating_the_first_mask_scores_as_the_copy_first_baseline():
    (result,) = evaluate_sequences(Repeats, [("square", moving(ids=(3, 7)))])
    assert result.predicted.ids == (3, 7)
    np.testing.assert_array_equal(result.predicted.j, result.baselines["copy first"].j)


def test_only_the_first_mask_is_shown_and_every_sequence_has_its_own_segmenter():
    made = []

    def make():
        made.append(Repeats())
        return made[-1]

    list(evaluate_sequences(make, [("a", moving()), ("b", moving())]))
    assert len(made) == 2
    for segmenter in made:
        assert segmenter.given[0] is not None
        assert segmenter.given[1:] == [None] * 4


def test_void_pixels_of_the_first_mask_are_not_given_as_an_object():
    segmenter = Repeats()
    (result,) = evaluate_sequences(lambda: segmenter, [("square", moving(ids=(1, 255)))])
    assert result.predicted.ids == (1,)
    assert set(np.unique(segmenter.given[0])) == {0, 1}


def test_frames_without_truth_are_segmented_but_not_scored():
    frames = list(moving(frames=7))
    sparse = [(frame, truth if t in (1, 3, 5) else None) for t, (frame, truth) in enumerate(frames)]
    segmenter = Repeats()
    (result,) = evaluate_sequences(lambda: segmenter, [("square", sparse)])
    assert len(segmenter.given) == 6
    assert result.predicted.j.shape == (1, 1)


def test_frames_are_read_one_by_one():
    running = 0

    def frames():
        nonlocal running
        for item in moving(frames=20):
            running += 1
            yield item

    seen = []

    class Watches(Sees):
        def step(self, frame, masks=None):
            seen.append(running)
            return super().step(frame, masks)

    list(evaluate_sequences(Watches, [("square", frames())]))
    assert seen == list(range(1, 21))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([(np.zeros((4, 4, 3), np.uint8), None)] * 4, "square: no frame has a label map"),
        ([(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))] * 4, "square: .*holds no object"),
    ],
)
def test_a_sequence_that_cannot_be_scored_is_named(frames, message):
    with pytest.raises(InputError, match=message):
        list(evaluate_sequences(Repeats, [("square", frames)]))


def test_the_worst_fifth_and_the_spread_are_over_sequences():
    def scores(*each):
        return ObjectScores(tuple(range(len(each))), *(np.array([[x] * 3 for x in each]),) * 2)

    spread = over_sequences([scores(*[0.5] * 7), *(scores(1.0) for _ in range(8)), scores(0.2)])
    assert spread.mean == pytest.approx(0.87)  # seven objects of one sequence count once
    assert spread.worst_fifth == pytest.approx(0.35)  # two of ten
    assert spread.spread == pytest.approx(np.std([0.5, *[1.0] * 8, 0.2]))
    assert over_sequences([scores(0.5)]).worst_fifth == 0.5


def test_the_last_row_of_the_table_is_the_mean_over_objects():
    results = list(evaluate_sequences(Sees, [("one", moving()), ("two", moving(ids=(1, 2), speed=0))]))
    *lines, _, spread = score_table(results).splitlines()
    assert spread == "J&F over sequences: mean 1.000, worst fifth 1.000, spread 0.000"
    assert len({len(line) for line in lines}) == 1
    mean = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert mean[:5] == ["mean", "3", "1.000", "1.000", "1.000"]
    one = results[0].baselines["copy first"].jf_mean
    assert float(mean[5]) == pytest.approx((one + 1 + 1) / 3, abs=6e-4)


def test_a_data_sets_videos_are_decoded_in_their_turn():
    loaded = []

    def frame(t):
        def load():
            loaded.append(t)
            return list(moving())[t]

        return LabelledFrame(f"square/{t}", load)

    video = LabelledVideo("square", step=1, frames=tuple(frame(t) for t in range(5)))
    sequences = labelled_sequences([video])
    name, frames = next(sequences)
    assert (name, loaded) == ("square", [])
    next(iter(frames))
    assert loaded == [0]


def test_objects_to_score_come_from_the_first_mask():
    with pytest.raises(InputError, match="no object"):
        ComparedScorer(np.full((3, 3), 255, np.uint8))
