"""``maskstream score``: says what it took the truth for, writes the figures, refuses with one line."""

import json
from pathlib import Path

import pytest

from maskstream.cli.__main__ import main
from tests.helpers.label_folders import moving, write_davis, write_sequence


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_davis(tmp_path / "DAVIS", {"two": moving((1, 2)), "one": moving((1,))})
    for name, ids in (("one", (1,)), ("two", (1, 2))):
        write_sequence(tmp_path / "results" / name, moving(ids, shift=3))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(*options):
    return main(["score", "--truth", "DAVIS", "--results", "results", *options])


def test_it_says_which_protocol_and_prints_and_writes_the_figures(
    here: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert score("--json", "new/all.json", "-o", "new/scores") == 0
    assert "davis2017 (by its layout; `protocol` says otherwise), set val, 2 sequences" in caplog.text
    assert "mean of 3" in capsys.readouterr().out
    plain = json.loads(Path("new/all.json").read_text())
    assert [len(each["J"]) for each in plain["objects"]] == [4, 4, 4]
    row = Path("new/scores/global_results-val.csv").read_text().splitlines()[1]
    assert row.startswith(f"{plain['global']['J&F-Mean']:.3f},")


def test_scores_are_worked_out_anew_when_results_change(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score("-q", "-o", "scores") == 0
    before = Path("scores/global_results-val.csv").read_text()
    write_sequence(here / "results/one", moving((1,)))
    assert score("-q", "-o", "scores") == 0
    assert Path("scores/global_results-val.csv").read_text() != before
    assert capsys.readouterr().err == ""


def test_nothing_is_written_that_is_not_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.rglob("*"))
    assert score() == 0
    assert "mean of 3" in capsys.readouterr().out
    assert sorted(here.rglob("*")) == before


def test_another_protocol_and_place_can_be_asked_for(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert score("--protocol", "folder", "-o", "scores") == 0
    assert "folder, set all" in caplog.text
    assert sorted(path.name for path in Path("scores").iterdir()) == [
        "global_results-all.csv",
        "per-sequence_results-all.csv",
    ]
    assert list(Path("results").glob("*.csv")) == []


def test_notes_are_warnings(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sequence(here / "results/three", moving((1,)))
    assert score() == 0
    assert "results: three is not in val" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--truth", "nowhere"], "no data set at nowhere"),
        (["--results", "nowhere"], "no results at nowhere"),
        (["--set", "train"], "no list ImageSets/2017/train.txt"),
        (["--workers", "0"], "--workers is 0"),
        (["--truth", "empty"], "empty: no label maps here; give <sequence>/00000.png"),
        (["--truth", "empty", "--protocol", "folder"], "empty: no label maps here"),
        (["--results", "empty"], "empty: no label maps here; results are PNG files"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], options, message
) -> None:
    Path("empty").mkdir()
    assert score(*options) == 2
    assert message in capsys.readouterr().err
    assert not list(here.rglob("*.csv")) + list(here.rglob("*.json"))
