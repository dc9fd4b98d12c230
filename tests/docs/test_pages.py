"""The pages say what is true: Python runs, commands parse, JSON is JSON, links lead somewhere."""

import argparse
import contextlib
import io
import json
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from maskstream.cli.__main__ import build_parser

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

#: Programs that stand in blocks and are not ours. What follows is not checked.
FOREIGN = {"pip", "sudo", "curl", "tensorboard", "git", "pre-commit"}
#: Blocks that are there to be read: nothing in them can be wrong by itself.
READ_ONLY = {"text", "bibtex", "markdown"}
#: Options in the running text that are those of other programs.
FOREIGN_OPTIONS = {"--nproc-per-node"}


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: its file.
        line: of its first line of code, from 1.
        language: as the fence says; "indented" where there is none.
        text: the code.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def blocks(page):
    """All blocks of a page in order, fenced or indented by four columns."""
    found, lines = [], page.read_text(encoding="utf-8").split("\n")
    index, in_list = 0, False
    while index < len(lines):
        line = lines[index]
        if fence := re.match(r"^(\s*)(```+)\s*(\S*)", line):
            end = next(i for i in range(index + 1, len(lines)) if lines[i].strip() == fence[2])
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[index + 1 : end])
            found.append(Block(page, index + 2, fence[3], text))
            index = end + 1
            continue
        if re.match(r"^\s*([-*]|\d+\.)\s", line):
            in_list = True
        elif line and not line.startswith(" "):
            in_list = False
        if line.startswith("    ") and not in_list and not lines[index - 1].strip():
            end = index
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(line[4:] for line in lines[index:end]).rstrip()
            found.append(Block(page, index + 1, "indented", text))
            index = end
            continue
        index += 1
    return found


def blocks_in(*languages):
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


def commands_in(block):
    """Its lines of shell, without comments, each a list of words."""
    text = block.text.replace("\\\n", " ")
    return [words for line in text.split("\n") if (words := shlex.split(line, comments=True))]


@cache
def subparsers():
    actions = build_parser()._actions
    return next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices


def options_of(command):
    return {option for action in subparsers()[command]._actions for option in action.option_strings}


def check_maskstream(words):
    """Words after ``maskstream``: they parse, and no option is abbreviated."""
    said = io.StringIO()
    code = 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            build_parser().parse_args(words)
        except SystemExit as end:
            code = end.code
    assert code == 0, said.getvalue().strip().split("\n")[-1]
    if words[0] in subparsers():
        unknown = [word for word in words[1:] if word.startswith("--") and not word.startswith("--box=")]
        assert set(unknown) <= options_of(words[0])


def check_script(words):
    """``python FOLDER/SCRIPT.py ...``: the script is there, and knows the options."""
    source = (ROOT / words[0]).read_text(encoding="utf-8")
    for word in words[1:]:
        assert not word.startswith("--") or f'"{word}"' in source, f"{words[0]} has no option {word}"


def check_command(words):
    match words:
        case ["maskstream", *rest]:
            check_maskstream(rest)
        case ["torchrun", *rest]:
            module, *words = rest[rest.index("-m") + 1 :]
            assert (ROOT / "src" / module.replace(".", "/") / "__main__.py").is_file()
            check_maskstream(words)
        case ["python", "-m", "maskstream", *rest]:
            check_maskstream(rest)
        case ["python", script, *rest] if script.endswith(".py"):
            check_script([script, *rest])
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            for target in targets:
                assert "=" in target or re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
        case [".ci/run"]:
            assert (ROOT / ".ci/run").is_file()
        case [program, *_]:
            assert program in FOREIGN, f"nobody says what to do with {program!r}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(b.language == "python" for b in blocks(page))],
    ids=lambda p: p.name,
)
def test_python_runs(page, examples_folder, capsys: pytest.CaptureFixture[str]) -> None:
    """All blocks of a page run one after another, as a reader would type them, and print what they say."""
    names = {"__name__": "page"}
    said = []
    for block in blocks(page):
        if block.language == "python":
            # As many empty lines before it as there are on the page, so that errors name the page's line.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, names)
            said += re.findall(r"^ *print\(.*\)  # (.*)$", block.text, re.MULTILINE)
    assert not said or capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("block", blocks_in("", "indented", "bash", "shell", "console"), ids=str)
def test_commands_parse(block) -> None:
    assert block.language != "console" or all(line.startswith("$ ") for line in block.text.split("\n"))
    for words in commands_in(block):
        check_command(words[1:] if words[0] == "$" else words)


@pytest.mark.parametrize("block", blocks_in("json"), ids=str)
def test_json_parses(block) -> None:
    assert json.loads(block.text)


def test_no_block_goes_untested() -> None:
    tested = {"python", "", "indented", "bash", "shell", "console", "json"}
    assert [
        f"{b}: {b.language}"
        for b in blocks_in(*{b.language for p in PAGES for b in blocks(p)} - tested - READ_ONLY)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_exist(page) -> None:
    """Every `--option`, and every `python script.py ...`, between backticks."""
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    known = (
        {option for command in subparsers() for option in options_of(command)}
        | FOREIGN_OPTIONS
        | {"--version"}
    )
    scripts = "".join(
        path.read_text(encoding="utf-8")
        for name in ("benchmarks", "examples", "tools")
        for path in (ROOT / name).glob("*.py")
    )
    for span in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text):
        words = span.split()
        if words[0] == "maskstream" and len(words) > 1 and words[1] in subparsers():
            assert {w.split("=")[0] for w in words if w.startswith("--")} <= options_of(words[1]), span
        elif words[0] == "python" and len(words) > 1 and words[1].endswith(".py"):
            check_script(shlex.split(span)[1:])
        elif words[0].startswith("--"):
            unknown = {w.split("=")[0].rstrip(",") for w in words if w.startswith("--")} - known
            assert [word for word in unknown if f'"{word}"' not in scripts] == [], span


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).strip().replace(" ", "-")


def test_the_guard_is_as_short_as_the_readme_says():
    said = re.search(r"one guard of (\d+) lines", (ROOT / "README.md").read_text(encoding="utf-8"))
    guard = ROOT / "src" / "maskstream" / "live" / "guard.py"
    assert len(guard.read_text(encoding="utf-8").splitlines()) <= int(said[1])


def test_the_checks_can_fail() -> None:
    with pytest.raises(AssertionError, match="ambiguous option: --blur"):
        check_command(shlex.split("maskstream replace clip.mp4 --background blur --blur 0.1 -o out.mp4"))
    with pytest.raises(AssertionError):
        check_command(shlex.split("maskstream replace clip.mp4 --backgr blur -o out.mp4"))
    with pytest.raises(AssertionError, match="nobody says"):
        check_command(["frobnicate"])
    assert [block.language for block in blocks(ROOT / "docs" / "backgrounds.md")].count("python") >= 1
