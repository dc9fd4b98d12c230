"""``ablate`` from files on disk to the table."""

import json
from pathlib import Path

import pytest

from maskstream.cli.__main__ import main
from tests.helpers.drawn_data import NETWORK, RUN, write_drawn_data

pytestmark = pytest.mark.torch

PLAN = {
    "network": {**NETWORK, "spatial_constraint": False, "aspp": False, "previous_mask_skip": False},
    "training": {**RUN, "steps": 2, "bfloat16": False},
    "size": 32,
    "rows": [
        {"name": "stm", "title": "STM baseline"},
        {"name": "aspp", "title": "+ ASPP", "network": {"aspp": True, "aspp_width": 4}},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("ablate")
    write_drawn_data(root / "data")
    (root / "plan.json").write_text(json.dumps(PLAN))
    return root


def ablate(folder, output, *options):
    plan, data = str(folder / "plan.json"), str(folder / "data")
    command = ["ablate", "-o", str(output), "--config", plan, "--data", data, "--device", "cpu"]
    return main([*command, "--seeds", "0", *options])


def test_one_row_then_the_others_make_one_table(
    folder, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert ablate(folder, tmp_path / "runs", "--only", "stm") == 0
    said = capsys.readouterr().out
    assert "| STM baseline |" in said
    assert "+ ASPP" not in said
    assert "run 1 of 1: STM baseline, seed 0" in caplog.text

    assert ablate(folder, tmp_path / "runs") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("| row")
    assert [line.split("|")[1].strip() for line in said.splitlines()[2:4]] == ["STM baseline", "+ ASPP"]
    assert "run 2 of 2: + ASPP, seed 0, about 0:00:" in caplog.text
    assert "run 1 of 2" not in caplog.text
    written = {path.name for path in (tmp_path / "runs").iterdir()}
    assert written == {"stm", "aspp", "plan.json", "ablation.md", "ablation.json", "ablation.svg"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "magic"], "the plan has no row 'magic'; its rows are stm, aspp"),
        (["--sequences", "bear"], "no development sequence is called 'bear'; there are: drawn-2"),
        (["--config", "absent.json"], "absent.json: no such file"),
        (["--steps", "0"], "give a number of steps or a budget in minutes"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(
    options, message, folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(folder, tmp_path / "runs", *options) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("WARNING")]
    assert len(said) == 1
    assert message in said[0]
    assert not (tmp_path / "runs").exists()
