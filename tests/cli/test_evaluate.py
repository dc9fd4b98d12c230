"""``maskstream evaluate``: what is given at which frame, what is written, going on, sharing, submissions."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main
from maskstream.masks.palette import PALETTE
from maskstream.runtime.load import shipped_models
from maskstream.scoring import runs
from maskstream.streaming.options import SegmenterOptions
from tests.helpers.label_folders import (
    Sees,
    moving,
    squares,
    write_davis,
    write_frames,
    write_meta,
    write_sequence,
)

SEQUENCES = {"one": moving((1,)), "two": moving((1, 2)), "three": moving((1, 2), frames=8)}


@pytest.fixture
def made(monkeypatch):
    """The segmenters that were made, in place of real ones."""
    segmenters = []

    def make():
        segmenters.append(Sees())
        return segmenters[-1]

    monkeypatch.setattr(SegmenterOptions, "load", lambda options: make)
    monkeypatch.setattr(runs, "_LOADED", {})
    return segmenters


@pytest.fixture
def davis(tmp_path, monkeypatch):
    write_davis(tmp_path / "DAVIS", SEQUENCES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(*options, dataset="davis2017", root="DAVIS", output="out"):
    return main(["evaluate", "--dataset", dataset, "--root", str(root), "-o", str(output), *options])


def label_map(path):
    return np.array(Image.open(path))


def names(path):
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


def test_a_set_is_segmented_from_its_first_masks_and_scored(
    davis, made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--json", "figures.json") == 0
    assert [sum(given is not None for given in each.given) for each in made] == [1, 1, 1]
    assert json.loads(Path("figures.json").read_text())["global"]["J&F-Mean"] == 1
    assert Path("out/global_results-val.csv").is_file()
    out = capsys.readouterr().out
    assert "copy first J&F" in out
    assert "ms a frame" in out
    for name, truth in SEQUENCES.items():
        files = sorted(Path("out", name).iterdir())
        assert [file.name for file in files] == [f"{t:05d}.png" for t in range(len(truth))]
        np.testing.assert_array_equal(label_map(files[3]), truth[3])
    assert Image.open("out/one/00000.png").getpalette()[:9] == PALETTE[:3].ravel().tolist()


def test_davis_2016_has_one_object(davis, made) -> None:
    write_davis(davis / "DAVIS", SEQUENCES, year=2016)
    write_frames(davis / "DAVIS/JPEGImages/480p/two", [(m > 0).astype(np.uint8) for m in SEQUENCES["two"]])
    shutil.rmtree("DAVIS/JPEGImages/480p/three")
    Path("DAVIS/ImageSets/2016/val.txt").write_text("two\n")
    assert evaluate(dataset="davis2016") == 0
    assert np.unique(made[0].given[0]).tolist() == [0, 1]
    assert (
        Path("out/per-sequence_results-val.csv").read_text() == "Sequence,J-Mean,F-Mean\ntwo_1,1.000,1.000\n"
    )


def test_a_set_without_truth_is_zipped_with_the_sequences_at_the_top(
    davis, made, caplog: pytest.LogCaptureFixture
) -> None:
    write_davis(davis / "hidden", SEQUENCES, subset="test-dev", truth=False)
    assert evaluate("--split", "test-dev", root="hidden") == 0
    assert "no scores" in caplog.text
    found = names("out/davis2017-test-dev.zip")
    assert found == sorted(
        f"{name}/{t:05d}.png" for name, truth in SEQUENCES.items() for t in range(len(truth))
    )
    assert not list(Path("out").glob("*.csv"))


def test_a_submission_may_be_asked_for_beside_the_scores_and_has_the_same_bytes_again(davis, made) -> None:
    assert evaluate("--zip", "first.zip") == 0
    assert evaluate("--zip", "second.zip") == 0
    assert Path("first.zip").read_bytes() == Path("second.zip").read_bytes()


class TestGoingOn:
    def test_sequences_that_are_whole_are_not_done_again(
        self, davis, made, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert evaluate() == 0
        shutil.rmtree("out/two")
        made.clear()
        assert evaluate() == 0
        assert len(made) == 1
        assert "2 of 3 sequences were there already" in caplog.text
        assert Path("out/two/00005.png").is_file()

    def test_a_sequence_appears_when_it_is_whole(self, davis, made, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(self, frame, masks=None):
            self.given.append(masks)
            if len(self.given) == 5:
                raise OSError("disk full")
            return original(self, frame, masks)

        original = Sees.step
        monkeypatch.setattr(Sees, "step", fails)
        assert evaluate() == 1
        assert [path.name for path in Path("out").iterdir() if not path.name.startswith(".")] == [
            "settings.json"
        ]
        assert list(Path("out/.unfinished").iterdir()) == []
        monkeypatch.setattr(Sees, "step", original)
        assert evaluate() == 0

    def test_what_killed_processes_left_goes_with_their_sequence(self, davis, made) -> None:
        Path("out/.unfinished/one@dead").mkdir(parents=True)
        assert evaluate() == 0
        assert list(Path("out/.unfinished").iterdir()) == []

    def test_another_process_may_have_been_faster(self, davis, made, monkeypatch: pytest.MonkeyPatch) -> None:
        original = Sees.step

        def overtaken(self, frame, masks=None):
            write_sequence(Path("out/one"), SEQUENCES["one"])
            return original(self, frame, masks)

        monkeypatch.setattr(Sees, "step", overtaken)
        assert evaluate() == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--size", "480"], "made with size null, not 480"),
            (["--flip"], "flip"),
            (["--split", "train"], "split"),
        ],
    )
    def test_other_settings_are_refused_in_one_line_unless_all_is_done_again(
        self, davis, made, capsys: pytest.CaptureFixture[str], options, message
    ) -> None:
        write_davis(davis / "DAVIS", SEQUENCES, subset="train")
        assert evaluate() == 0
        capsys.readouterr()
        assert evaluate(*options) == 2
        err = capsys.readouterr().err
        assert message in err
        assert "--overwrite" in err
        made.clear()
        assert evaluate(*options, "--overwrite") == 0
        assert len(made) == 3

    def test_a_folder_of_something_else_is_left_alone(
        self, davis, made, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_sequence(Path("out/one"), SEQUENCES["one"])
        assert evaluate() == 2
        assert "not of a run" in capsys.readouterr().err
        assert evaluate("--overwrite") == 2
        assert len(list(Path("out/one").iterdir())) == 6


class TestSharing:
    def test_parts_together_make_the_whole_and_the_last_one_scores(
        self, davis, made, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert evaluate("--part", "1/2") == 0
        assert "not there yet" in caplog.text
        assert not list(Path("out").glob("*.csv"))
        assert evaluate("--part", "2/2") == 0
        assert len(made) == 3
        assert Path("out/global_results-val.csv").is_file()

    def test_processes_give_what_one_gives(self, davis) -> None:
        if "live" not in shipped_models():
            pytest.skip("no network is shipped")
        assert evaluate("--size", "64", "-q", output="alone") == 0
        assert evaluate("--size", "64", "-q", "--workers", "2", output="shared") == 0
        for path in Path("alone").rglob("*.png"):
            assert path.read_bytes() == Path("shared", *path.parts[1:]).read_bytes()


class TestYouTubeVos:
    FRAMES = tuple(f"{5 * t:05d}" for t in range(6))

    @pytest.fixture
    def root(self, tmp_path, monkeypatch):
        """An object from the first frame on, and one that is given at the third, where the first is 0."""
        truth = moving((1, 2))
        for each in truth[:2]:
            each[each == 2] = 0
        write_frames(tmp_path / "yv/valid/JPEGImages/v", truth, step=5)
        masks = [np.where(truth[0] == 1, 1, 0), None, np.where(truth[2] == 2, 2, 0)]
        for index, mask in enumerate(masks):
            if mask is not None:
                write_sequence(tmp_path / "yv/valid/Annotations/v", [mask.astype(np.uint8)])
                path = tmp_path / "yv/valid/Annotations/v"
                (path / "00000.png").rename(path / f"x{index}")
        for index in (0, 2):
            (path / f"x{index}").rename(path / f"{5 * index:05d}.png")
        write_meta(tmp_path / "yv/valid", {"v": {1: ("cat", self.FRAMES[:4]), 2: ("yak", self.FRAMES[2:5])}})
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_objects_are_given_where_they_first_appear_and_listed_frames_submitted(self, root, made) -> None:
        assert evaluate(dataset="youtube-vos", root="yv") == 0
        given = [None if masks is None else np.unique(masks).tolist() for masks in made[0].given]
        assert given == [[0, 1], None, [0, 2], None, None, None]
        assert names("out/youtube-vos-valid.zip") == [
            f"Annotations/v/{frame}.png" for frame in self.FRAMES[:5]
        ]
        assert np.unique(label_map("out/v/00015.png")).tolist() == [0, 1, 2]

    def test_at_the_full_rate_all_frames_are_seen_and_the_listed_ones_written(self, root, made) -> None:
        write_frames(root / "yv/valid_all_frames/JPEGImages/v", [squares({1: (3, 3)})] * 26)
        assert evaluate("--split", "valid_all_frames", dataset="youtube-vos", root="yv") == 0
        assert len(made[0].given) == 26
        assert sorted(path.stem for path in Path("out/v").iterdir()) == list(self.FRAMES[:5])

    def test_later_truth_is_not_given_and_the_set_is_scored(self, root, made) -> None:
        write_sequence(root / "yv/valid/Annotations/v", moving((1, 2)), step=5)
        assert evaluate(dataset="youtube-vos", root="yv") == 0
        assert sum(masks is not None for masks in made[0].given) == 1
        assert Path("out/global_results-valid.csv").is_file()


class TestFolders:
    def test_sequences_of_a_folder_or_of_development_tars(
        self, tmp_path: Path, made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for part in ("plain", "data/video-dev-1"):
            write_frames(tmp_path / part / "JPEGImages/one", SEQUENCES["one"])
            write_sequence(tmp_path / part / "Annotations/one", SEQUENCES["one"])
        for root in ("plain", "data"):
            assert evaluate(dataset="folder", root=root, output=f"of-{root}") == 0
            assert Path(f"of-{root}/per-sequence_results-all.csv").read_text().splitlines()[1:] == [
                "one_1,1.000,1.000"
            ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "--workers is 0"),
        (["--part", "1/2", "--overwrite"], "--overwrite with --part"),
        (["--split", "nothing"], "no list ImageSets/2017/nothing.txt"),
        (["--model", "nothing"], "nothing: no such network"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(
    davis, capsys: pytest.CaptureFixture[str], options, message
) -> None:
    assert evaluate(*options) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_shares_are_named_as_one_of_several(davis, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("3/2", "0/2", "2", "a/b"):
        with pytest.raises(SystemExit):
            evaluate("--part", text)
    assert "as 2/3" in capsys.readouterr().err


def test_a_frame_of_another_size_than_its_mask_is_named(
    davis, made, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(davis / "DAVIS/JPEGImages/480p/one", [np.zeros((20, 30), np.uint8)] * 6)
    assert evaluate() == 2
    assert "one/00000.png: the mask is 60x40, its frame 30x20" in capsys.readouterr().err


def test_a_report_is_written_with_the_run(davis, made) -> None:
    assert evaluate("--report") == 0
    page = Path("out/report/index.html").read_text()
    assert "davis2017 val: J&amp;F 1.000" in page
    assert "copy first J&amp;F" in page
    assert "--runtime torch" in page
