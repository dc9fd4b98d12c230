"""The picture of the architecture is the one that the code draws."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def architecture():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "tools" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_up_to_date() -> None:
    drawn = architecture()
    again = "draw it again: python tools/architecture.py"
    assert drawn.PICTURE.read_text(encoding="utf-8") == drawn.svg(), again


def test_no_arrow_runs_up() -> None:
    drawn = architecture()
    floor_of = {room: floor for floor, rooms in drawn.floors().items() for room in rooms}
    assert all(floor_of[room] > floor_of[used] for room, used in drawn.arrows())


def test_what_a_longer_way_says_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = architecture()
    monkeypatch.setattr(drawn, "imports", lambda: {"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert drawn.arrows() == [("a", "b"), ("b", "c")]
