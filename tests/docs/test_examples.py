"""The programs in examples/ run, and each of them is in their table."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

ARGUMENTS = {
    "blur_background.py": (["talk.mp4", "blurred.mp4"], ["blurred.mp4"]),
    "correct.py": (["clip.mp4", "first.png", "120=fixed.png"], ["look.mp4", "masks/00123.png"]),
    "cut_out.py": (["talk.mp4", "cut-out"], ["cut-out/00123.png"]),
    "follow_box.py": (["clip.mp4", "10,10,40,40"], []),
    "live_to_file.py": (["camera.mp4", "live.mp4"], ["live.mp4"]),
    "own_background.py": (["talk.mp4", "aurora.mp4"], ["aurora.mp4"]),
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_it_runs(
    name, examples_folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, outputs = ARGUMENTS[name]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert [output for output in outputs if not (examples_folder / output).is_file()] == []
    assert f"`{name} " in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_following_a_box_says_where_the_object_is(
    examples_folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["follow_box.py", *ARGUMENTS["follow_box.py"][0]])
    runpy.run_path(str(EXAMPLES / "follow_box.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 124
    assert lines[0].startswith("  0.000 s")
