"""The copies that every score is read beside."""

import numpy as np

from maskstream.scoring.baselines import CopyFirst, CopyPrevious


def label_maps():
    return [np.full((2, 3), i, np.uint8) for i in (1, 2, 3)]


def test_copy_first_repeats_the_first_mask() -> None:
    predict = CopyFirst()
    assert [int(predict(label_map)[0, 0]) for label_map in label_maps()] == [1, 1, 1]


def test_copy_previous_gives_the_true_mask_of_the_frame_before() -> None:
    predict = CopyPrevious()
    assert [int(predict(label_map)[0, 0]) for label_map in label_maps()] == [1, 1, 2]


def test_baselines_keep_their_own_copy_of_a_reused_buffer() -> None:
    buffer = np.ones((2, 3), np.uint8)
    for predict in (CopyFirst(), CopyPrevious()):
        buffer[:] = 1
        predict(buffer)
        buffer[:] = 2
        assert (predict(buffer) == 1).all()
