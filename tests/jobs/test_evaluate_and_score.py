"""`evaluate` and `score` from Python: the figures come back, and nothing is written but what is asked for."""

from pathlib import Path

import pytest

from maskstream import InputError, Phase, evaluate, score
from maskstream.scoring import runs
from maskstream.streaming.options import SegmenterOptions
from tests.helpers.label_folders import Sees, moving, write_davis, write_sequence

SEQUENCES = {"one": moving((1,)), "two": moving((1, 2))}


@pytest.fixture
def davis(tmp_path, monkeypatch):
    write_davis(tmp_path / "DAVIS", SEQUENCES)
    for name, ids in (("one", (1,)), ("two", (1, 2))):
        write_sequence(tmp_path / "results" / name, moving(ids, shift=3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SegmenterOptions, "load", lambda options: Sees)
    monkeypatch.setattr(runs, "_LOADED", {})
    return tmp_path


def test_scores_come_back_and_nothing_is_written(davis) -> None:
    before, told = sorted(davis.rglob("*")), []
    result = score("results", truth="DAVIS", workers=1, on_progress=told.append)
    assert sorted(davis.rglob("*")) == before
    assert 0 < result.scores.overall()["J&F-Mean"] < 1
    assert result.written == ()
    assert str(result).count("\n") == 5  # a row for each object, and their mean
    assert [(p.phase, p.done, p.total) for p in told] == [(Phase.SCORE, i, 2) for i in range(3)]


def test_what_is_asked_for_is_written(davis) -> None:
    result = score("results", truth="DAVIS", output="new/csv", json="new/all.json", report="new/page")
    assert {path.name for path in result.written} >= {"all.json", "global_results-val.csv"}
    assert all(path.exists() for path in result.written)
    assert Path("new/page/index.html").is_file()


def test_an_evaluation_tells_scores_baselines_and_times(davis) -> None:
    told = []
    done = evaluate("davis2017", "DAVIS", "run", on_progress=told.append)
    assert done.scores.overall()["J&F-Mean"] == 1
    assert set(done.baselines) == {"copy first", "copy previous"}
    assert done.milliseconds >= 0
    assert {p.phase for p in told} == {Phase.SEQUENCES, Phase.SCORE, Phase.BASELINE}
    assert "ms a frame" in str(done)
    again = evaluate("davis2017", "DAVIS", "run", zip=True)
    assert Path("run/davis2017-val.zip") in again.written


def test_parts_are_told_of(davis) -> None:
    assert evaluate("davis2017", "DAVIS", "run", part=(1, 2)).missing == 1
    assert evaluate("davis2017", "DAVIS", "run", part=(2, 2)).missing == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "`workers` is 0"),
        ({"overwrite": True, "part": (1, 2)}, "`overwrite` with `part` would remove"),
        ({"model": SegmenterOptions(("no such",))}, "no such"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(davis, options, message) -> None:
    with pytest.raises(InputError, match=message):
        evaluate("davis2017", "DAVIS", "run", **options)
    assert not Path("run").exists()
