"""Pages, messages, help and docstrings keep to the word list in CONTRIBUTING.md."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "examples").glob("*.py")])


@cache
def stumbling_blocks():
    """What is not to be written, as one pattern; gaps match line breaks, too."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| .* \|$", text.partition("| not | but |")[2], re.MULTILINE)
    phrases = sorted({phrase for row in rows[1:] for phrase in row.split(", ")}, key=len, reverse=True)
    assert len(phrases) > 30
    return re.compile(r"\b(" + "|".join(p.replace(" ", r"\s+") for p in phrases) + r")\b", re.IGNORECASE)


def found_in(text):
    return [match[0] for match in stumbling_blocks().finditer(text)]


def prose_of(source):
    """All strings of a program, which are its docstrings and messages, and its comments."""
    tree = ast.parse(source)
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return strings + re.findall(r"#(.*)$", source, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_read_well(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":
        text = text.partition("| not | but |")[0]
    assert found_in(text) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_messages_help_and_docstrings_read_well(path):
    prose = prose_of(path.read_text(encoding="utf-8"))
    assert [found for text in prose for found in found_in(text)] == []


def test_the_list_can_fail():
    assert found_in("it stands before another\n    background, found by itself") == [
        "before another\n    background",
        "found by itself",
    ]
    assert found_in("in front of another background, detected") == []
    assert prose_of('def f():\n    """Goes."""\n    raise ValueError("on")  # why\n') == [
        "Goes.",
        "on",
        " why",
    ]
