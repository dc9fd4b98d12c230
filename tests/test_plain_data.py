"""Plain data: what a JSON file may hold, and what is said of any other."""

from pathlib import Path

import pytest

from maskstream.errors import InputError, one_line
from maskstream.plain_data import read_json


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe{", "cannot be read as JSON"),
        (b"[1]", "is no JSON object"),
        (b'{"stride": NaN}', "NaN is no JSON"),
        (b'{"stride": -Infinity}', "-Infinity is no JSON"),
        (b'{"a":' + b"[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_no_json_object_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"settings\.json: ") as refused:
        read_json(path, "delete it")
    assert reason in str(refused.value)
    assert str(refused.value).endswith("; delete it")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"settings\.json: no such file; "):
        read_json(tmp_path / "settings.json")


def test_an_error_is_told_in_one_line() -> None:
    assert one_line(FileNotFoundError(2, "No such file or directory", "x")) == "No such file or directory"
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
