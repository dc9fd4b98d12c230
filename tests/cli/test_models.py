"""``maskstream models``: what there is, how large, how fast, how good."""

import json
import re
import shutil
from pathlib import Path

import pytest

from maskstream.cli.__main__ import main
from maskstream.runtime import load


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A network that nothing was noted of."""
    if "live" not in load.shipped_models():
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    shutil.copytree(load.WEIGHTS / "live", tmp_path / "mine")
    path = tmp_path / "mine" / "model.json"
    content = json.loads(path.read_text())
    for field in ("task", "parameters", "scores", "speed"):
        content.pop(field, None)
    path.write_text(json.dumps({**content, "name": "mine"}))
    monkeypatch.chdir(tmp_path)
    return "mine"


def rows(said):
    return [re.split(r" *\| *", line.strip("| ")) for line in said.splitlines() if line.startswith("|")]


def test_shipped_and_given_networks_are_listed_with_what_is_known(
    mine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", mine]) == 0
    said = capsys.readouterr()
    head, _, *networks = rows(said.out)
    assert head == ["network", "parameters", "on disk", "input", "ms/frame", "score"]
    of = {row[0]: row[1:] for row in networks}
    assert of["mine"] == ["?", of["live"][1], "240 lines", "?", "?"]
    assert re.fullmatch(r"\d\.\d M", of["live"][0])
    assert re.fullmatch(r"0\.\d{3}", of["live"][4])
    assert "J&F on 22 held-out development sequences (their mean)" in said.out
    assert "python benchmarks/development.py" in said.out
    assert said.err == ""


def test_json_holds_everything_and_nothing_else_is_printed(mine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json", mine]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["mine"]["scores"] == []
    assert entries["mine"]["parameters"] is None
    assert entries["live"]["parameters"] == 2098973
    assert entries["live"]["scores"][0]["command"].startswith("python benchmarks/development.py")
    assert entries["live"]["disk_bytes"] > 1_000_000
    assert "speed_here" not in entries["live"]


def test_the_benchmark_measures_here_and_now(
    mine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from maskstream.runtime import speed

    measured = []

    def quick(runtime, **_):
        measured.append((runtime.info.name, runtime.threads))
        return 12.34, "a frame"

    monkeypatch.setattr(speed, "time_of_a_frame", quick)
    assert main(["models", "--benchmark", "--threads", "1", mine]) == 0
    head, _, *networks = rows(said := capsys.readouterr().out)
    assert head[4:] == ["ms/frame", "ms here", "score"]
    assert [row[5] for row in networks if row[0] != "subject"] == ["12.3"] * len(measured)
    assert ("mine", 1) in measured
    assert "a frame, 12.3 ms on one thread of" in said
    assert main(["models", "--benchmark", "--json", mine]) == 0
    entry = json.loads(capsys.readouterr().out)[-1]
    assert (entry["speed_here"]["milliseconds"], entry["speed_here"]["threads"]) == (12.3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nonesuch"], "nonesuch: no such network"),
        (["empty"], "empty: no model.json"),
        (["w.safetensors"], "w.safetensors: is not exported"),
        (["--threads", "2"], "--threads is for --benchmark"),
        (["--benchmark", "--threads", "0"], "threads is 0"),
    ],
)
def test_what_cannot_be_listed_is_one_line(
    options, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["models", *options]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
