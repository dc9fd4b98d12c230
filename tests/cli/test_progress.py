"""How long work shows where it is: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

import io
import re
from contextlib import closing, redirect_stderr

import pytest

from maskstream.cli import _progress
from maskstream.cli._progress import JobBar, progress
from maskstream.jobs.progress import Phase, Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time stands still but for what a test adds."""
    now = [100.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_all_items_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        assert list(progress(iter("abc"), "working", 3, quiet=quiet)) == list("abc")
    assert capsys.readouterr() == ("", "")  # nothing to say of work that is soon done


def test_plain_lines_tell_count_rate_and_time_left(clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(100), "working", 7300, done=100):
        clock[0] += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "working: 120/7300, 2.0/s, 0:59:50 left"
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("total", "line"), [(None, "working: 20, 2.0/s"), (5, "working: 20/5, 2.0/s, 0:00:00 left")]
)
def test_an_unknown_or_wrong_total_does_no_harm(
    clock, capsys: pytest.CaptureFixture[str], total, line
) -> None:
    for _ in progress(range(30), "working", total):
        clock[0] += 0.5
    assert capsys.readouterr().err.splitlines()[0] == line


def test_a_terminal_gets_a_bar_that_ends_full(terminal) -> None:
    with redirect_stderr(terminal):
        list(progress(range(4), "working", 6, done=1))
    shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"working .* 5/5 [\d.]+/s 0:00:00\s*$", shown)


def test_a_bar_that_is_left_early_gives_the_terminal_back(terminal) -> None:
    hide_cursor, show_cursor = "\x1b[?25l", "\x1b[?25h"
    with redirect_stderr(terminal), closing(progress(range(9), "working", 9)) as items:
        next(items)
        assert hide_cursor in terminal.getvalue()
        assert show_cursor not in terminal.getvalue()
    assert show_cursor in terminal.getvalue()


def test_quiet_is_quiet_on_a_terminal_too(terminal) -> None:
    with redirect_stderr(terminal):
        list(progress(range(9), "working", 9, quiet=True))
    assert terminal.getvalue() == ""


def tell(bar, phase, done, total=4):
    bar(Progress(phase, done - 1 if done else None, done, total, 2.0))


def test_a_job_has_a_bar_for_each_of_its_phases(terminal) -> None:
    with redirect_stderr(terminal), JobBar(quiet=False) as bar:
        for phase in (Phase.FORWARD, Phase.DRAW):
            for done in range(5):
                tell(bar, phase, done)
    shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"segmenting .* 4/4 2.0/s", shown)
    assert re.search(r"drawing .* 4/4 2.0/s 0:00:00\s*$", shown)


def test_a_job_that_fails_gives_the_terminal_back(terminal) -> None:
    def fail():
        with JobBar(quiet=False) as bar:
            tell(bar, Phase.REPLACE, 1)
            raise ZeroDivisionError

    with redirect_stderr(terminal), pytest.raises(ZeroDivisionError):
        fail()
    assert "\x1b[?25h" in terminal.getvalue()


def test_a_job_elsewhere_is_told_of_in_plain_lines(clock, capsys: pytest.CaptureFixture[str]) -> None:
    with JobBar(quiet=False) as bar:
        for done in range(4):
            clock[0] += 6
            tell(bar, Phase.REPLACE, done, total=100)
    assert capsys.readouterr().err.splitlines() == ["replacing: 2/100, 2.0/s, 0:00:49 left"]
