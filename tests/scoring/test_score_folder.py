"""Scores of folders: each protocol's frames and objects, and what is said when results are amiss."""

import json
from pathlib import Path

import numpy as np
import pytest

from maskstream.datasets.sequences import open_sequences
from maskstream.errors import InputError
from maskstream.masks.palette import write_label_map
from maskstream.scoring.metrics import score_sequence
from maskstream.scoring.score_folder import score_folder
from maskstream.scoring.score_tables import as_plain_data, score_text, write_csv
from tests.helpers.label_folders import moving, squares, write_davis, write_meta, write_sequence


def only(scores):
    (score,) = scores.objects
    return score


@pytest.fixture
def davis(tmp_path):
    """Two sequences and results a little beside them."""
    write_davis(tmp_path / "DAVIS", {"two": moving((1, 2)), "one": moving((1,))})
    write_sequence(tmp_path / "results/one", moving((1,), shift=2))
    write_sequence(tmp_path / "results/two", moving((1, 2), shift=5))
    return tmp_path


@pytest.mark.golden
@pytest.mark.parametrize("workers", [1, 2])
def test_every_figure_of_a_folder_equals_the_official_tool(golden_folder: Path, workers) -> None:
    folder = golden_folder / "davis"
    expected = json.loads((folder / "expected.json").read_text())
    scores = score_folder(open_sequences(folder / "DAVIS"), folder / "results", workers)
    assert [score.name for score in scores.objects] == list(expected["objects"])
    for score in scores.objects:
        want = expected["objects"][score.name]
        np.testing.assert_allclose(score.j, want["J"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(score.f, want["F"], rtol=0, atol=1e-6)
        for measure, statistics in (("J", score.j_statistics), ("F", score.f_statistics)):
            wanted = [want[f"{measure}_{key}"] for key in ("mean", "recall", "decay")]
            np.testing.assert_allclose(statistics, wanted, rtol=0, atol=1e-6)
    for name, value in scores.overall().items():
        key = name.replace("-M", "_m").replace("-R", "_r").replace("-D", "_d")
        assert value == pytest.approx(expected["global_"][key], abs=1e-6)


def test_a_folder_scores_as_its_sequences_do_in_the_order_of_the_list(davis) -> None:
    scores = score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    assert (scores.protocol, scores.subset, scores.notes) == ("davis2017", "val", ())
    assert [score.name for score in scores.objects] == ["two_1", "two_2", "one_1"]
    expected = score_sequence(moving((1, 2)), moving((1, 2), shift=5), [1, 2])
    assert [score.j.tolist() for score in scores.objects[:2]] == expected.j.tolist()
    assert [score.f.tolist() for score in scores.objects[:2]] == expected.f.tolist()
    assert scores.objects[0].frames == ("00001", "00002", "00003", "00004")
    assert scores.overall()["J-Mean"] == pytest.approx(np.mean([s.j.mean() for s in scores.objects]))


def test_processes_change_nothing(davis) -> None:
    truth = open_sequences(davis / "DAVIS")
    alone, shared = (as_plain_data(score_folder(truth, davis / "results", n)) for n in (1, 2))
    assert alone == shared


def test_a_hole_in_the_ids_is_an_object_that_is_right_when_nothing_is_predicted(tmp_path: Path) -> None:
    write_davis(tmp_path, {"holes": moving((1, 3))})
    write_sequence(tmp_path / "results/holes", moving((1,)))
    scores = score_folder(open_sequences(tmp_path), tmp_path / "results")
    assert [(s.object_id, s.j.mean(), s.f.mean()) for s in scores.objects] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 0, 0),
    ]


def test_void_in_the_truth_is_background(tmp_path: Path) -> None:
    truth = moving((1,))
    void = [np.where(squares({1: (28, 40)}) > 0, 255, label_map).astype(np.uint8) for label_map in truth]
    void[3][void[3] == 1] = 0  # a frame with nothing but void is no mask of 0 and 255
    truth[3][:] = 0
    write_davis(tmp_path, {"void": void})
    write_sequence(tmp_path / "results/void", truth)
    assert only(score_folder(open_sequences(tmp_path), tmp_path / "results")).jf_mean == 1


def test_davis_2016_takes_all_that_is_not_0_as_one_object_in_truth_and_results(tmp_path: Path) -> None:
    write_davis(tmp_path, {"pair": [label_map * 100 for label_map in moving((1, 2))]}, year=2016)
    write_sequence(tmp_path / "results/pair", [np.where(m, 255, 0).astype(np.uint8) for m in moving((5, 3))])
    truth = open_sequences(tmp_path)
    assert truth.protocol == "davis2016"
    score = only(score_folder(truth, tmp_path / "results"))
    assert (score.name, score.jf_mean) == ("pair_1", 1)


def test_results_need_only_the_frames_that_count(davis) -> None:
    for name in ("00000.png", "00005.png"):
        (davis / "results/one" / name).unlink()
    score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    (davis / "results/one/00002.png").unlink()
    with pytest.raises(InputError, match=r"results/one/00002\.png: no such result"):
        score_folder(open_sequences(davis / "DAVIS"), davis / "results")


def test_a_sequence_without_results_is_named(davis) -> None:
    for path in (davis / "results/two").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="results/two: no results"):
        score_folder(open_sequences(davis / "DAVIS"), davis / "results")


def test_more_frames_and_sequences_than_the_truth_has_are_told_of(davis) -> None:
    write_sequence(davis / "results/one", moving((1,), frames=9, shift=2))
    write_sequence(davis / "results/extra", moving((1,)))
    notes = score_folder(open_sequences(davis / "DAVIS"), davis / "results").notes
    assert "00006.png and 2 more are not in the truth" in notes[0]
    assert "extra is not in val" in notes[1]


def test_ids_beyond_those_of_the_truth_are_background_and_told_of(davis) -> None:
    label_map = moving((1,), shift=2)[2]
    label_map[-5:, -5:] = 9
    before = score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    write_label_map(davis / "results/one/00002.png", label_map)
    after = score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    assert after.overall() == before.overall()
    assert "1 frame (first 00002.png) with ids above 1, as 9" in after.notes[0]


def test_results_of_another_size_are_refused(davis) -> None:
    write_label_map(davis / "results/one/00002.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"one/00002\.png: is 30x20, the truth 60x40"):
        score_folder(open_sequences(davis / "DAVIS"), davis / "results")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_the_same_line(davis, workers) -> None:
    (davis / "results/one/00002.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"one/00002\.png: cannot be decoded"):
        score_folder(open_sequences(davis / "DAVIS"), davis / "results", workers)


def test_a_truth_of_first_masks_only_cannot_be_scored(davis) -> None:
    for path in sorted((davis / "DAVIS/Annotations/480p/one").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match="one: nothing to score: the truth has label maps of 1 frame"):
        score_folder(open_sequences(davis / "DAVIS"), davis / "results")


class TestFolders:
    def test_any_masks_are_scored_by_any_ids(self, tmp_path: Path) -> None:
        write_sequence(tmp_path / "truth/a", moving((7, 3)))
        write_sequence(tmp_path / "results/a", moving((7, 3), shift=3))
        truth = open_sequences(tmp_path / "truth")
        assert (truth.protocol, truth.subset) == ("folder", "all")
        scores = score_folder(truth, tmp_path / "results")
        expected = score_sequence(moving((7, 3)), moving((7, 3), shift=3), [3, 7])
        assert [s.name for s in scores.objects] == ["a_3", "a_7"]
        assert [s.j.tolist() for s in scores.objects] == expected.j.tolist()

    def test_an_object_counts_after_the_frame_where_it_first_appears(self, tmp_path: Path) -> None:
        truth = moving((1, 2))
        for label_map in truth[:2]:
            label_map[label_map == 2] = 0
        write_sequence(tmp_path / "truth/a", truth)
        write_sequence(tmp_path / "results/a", truth)
        first, second = score_folder(open_sequences(tmp_path / "truth"), tmp_path / "results").objects
        assert first.frames == ("00001", "00002", "00003", "00004")
        assert second.frames == ("00003", "00004")

    def test_the_label_maps_of_one_sequence_may_lie_in_the_folders_themselves(self, tmp_path: Path) -> None:
        write_sequence(tmp_path / "truth", moving((1,)))
        write_sequence(tmp_path / "out", moving((1,)))
        score = only(score_folder(open_sequences(tmp_path / "truth"), tmp_path / "out"))
        assert (score.name, score.jf_mean) == ("truth_1", 1)

    def test_masks_of_0_and_255_are_one_object(self, tmp_path: Path) -> None:
        write_sequence(tmp_path / "truth/a", [label_map * 255 for label_map in moving((1,))])
        write_sequence(tmp_path / "results/a", moving((1,)))
        assert only(score_folder(open_sequences(tmp_path / "truth"), tmp_path / "results")).jf_mean == 1

    def test_a_folder_that_all_sequences_lie_in_is_no_part_of_their_names(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_sequence(tmp_path / "truth/480p" / name, moving((1,)))
        assert [each.name for each in open_sequences(tmp_path / "truth").sequences] == ["a", "b"]

    def test_annotations_beside_images_at_any_depth_are_the_truth(self, tmp_path: Path) -> None:
        for part in ("indoor", "outdoor"):
            write_sequence(tmp_path / f"data/{part}/Annotations/a", moving((1,)))
            write_sequence(tmp_path / f"results/{part}/a", moving((1,)))
        scores = score_folder(open_sequences(tmp_path / "data"), tmp_path / "results")
        assert [score.name for score in scores.objects] == ["indoor/a_1", "outdoor/a_1"]


class TestYouTubeVos:
    FRAMES = tuple(f"{5 * t:05d}" for t in range(6))

    @pytest.fixture
    def root(self, tmp_path):
        """One video: a cat from the first frame on, and a yak that appears in the third."""
        truth = moving((1, 2))
        for label_map in truth[:2]:
            label_map[label_map == 2] = 0
        write_sequence(tmp_path / "valid/Annotations/v", truth, step=5)
        write_meta(tmp_path / "valid", {"v": {1: ("cat", self.FRAMES), 2: ("yak", self.FRAMES[2:5])}})
        write_meta(tmp_path / "train", {"t": {1: ("cat", ["00000"])}})
        results = [np.where(label_map == 1, 1, 0).astype(np.uint8) for label_map in truth]
        write_sequence(tmp_path / "results/Annotations/v", results, step=5)
        return tmp_path

    def test_objects_count_in_the_frames_listed_after_their_first(self, root) -> None:
        scores = score_folder(open_sequences(root), root / "results")
        assert [(s.name, s.frames) for s in scores.objects] == [
            ("v_1", self.FRAMES[1:]),
            ("v_2", self.FRAMES[3:5]),
        ]

    def test_the_score_is_the_mean_over_seen_and_unseen(self, root) -> None:
        overall = score_folder(open_sequences(root), root / "results").overall()
        assert [overall[key] for key in ("J-Seen", "J-Unseen", "F-Seen", "F-Unseen", "G")] == [
            1,
            0,
            1,
            0,
            0.5,
        ]

    def test_without_a_training_split_it_says_so_unless_one_is_named(self, root) -> None:
        (root / "train/meta.json").rename(root / "seen.json")
        scores = score_folder(open_sequences(root), root / "results")
        assert "G" not in scores.overall()
        assert "`seen`" in scores.notes[0]
        assert "G" in score_folder(open_sequences(root, seen=root / "seen.json"), root / "results").overall()

    def test_the_split_itself_may_be_the_root(self, root) -> None:
        truth = open_sequences(root / "valid")
        assert (truth.protocol, truth.subset) == ("youtube-vos", "valid")
        assert "G" in score_folder(truth, root / "results").overall()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": "test-dev"}, "no list ImageSets/2017/test-dev.txt"),
        ({"protocol": "youtube-vos"}, "no valid/meta.json"),
        ({"protocol": "folder", "subset": "val"}, "no set 'val'"),
        ({"with_images": True, "resolution": "1080p"}, "Annotations/1080p/two: no label maps"),
    ],
)
def test_a_data_set_that_is_not_what_it_is_called_is_refused(davis, options, message) -> None:
    with pytest.raises(InputError, match=message):
        open_sequences(davis / "DAVIS", **options)


def test_csv_files_are_those_of_the_official_tool_and_never_old(davis) -> None:
    scores = score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    (davis / "results/global_results-val.csv").write_text("stale")
    whole, each = write_csv(scores, davis / "results")
    head, row = whole.read_text().splitlines()
    assert head == "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay"
    assert row == ",".join(f"{value:.3f}" for value in scores.overall().values())
    lines = each.read_text().splitlines()
    assert each.name == "per-sequence_results-val.csv"
    assert [line.split(",")[0] for line in lines] == ["Sequence", "two_1", "two_2", "one_1"]
    assert lines[0] == "Sequence,J-Mean,F-Mean"


def test_the_tables_last_row_is_the_mean_over_objects(davis) -> None:
    scores = score_folder(open_sequences(davis / "DAVIS"), davis / "results")
    lines = score_text(scores).splitlines()
    assert len({len(line) for line in lines}) == 1
    last = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert last[:2] == ["mean of 3", f"{scores.overall()['J&F-Mean']:.3f}"]
