"""The command line: what goes wrong is one line and an exit code; nothing heavy is imported early."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from maskstream.cli import __main__ as program
from maskstream.errors import InputError


@pytest.fixture
def command(monkeypatch):
    """A stand-in command, ``try``, whose ``run`` a test sets."""
    stand_in = SimpleNamespace(NAME="try", HELP="a stand-in", add_arguments=lambda parser: None)
    monkeypatch.setattr(program, "commands", lambda: [stand_in])

    def raises(error):
        def run(args):
            raise error

        stand_in.run = run

    stand_in.raises = raises
    return stand_in


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("clip.mp4: no video"), 2, "error: clip.mp4: no video"),
        (PermissionError(13, "Permission denied", "out"), 1, "error: out: Permission denied"),
        (ModuleNotFoundError("no torch", name="torch"), 2, "error: this needs torch; pip install"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("stopped; --resume goes on"), 130, "interrupted: stopped; --resume goes on\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    command, capsys: pytest.CaptureFixture[str], error, code, line
) -> None:
    command.raises(error)
    assert program.main(["try"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"maskstream: {line}")
    assert said.err.count("\n") == 1


def test_debug_shows_where_an_error_comes_from(command) -> None:
    command.raises(InputError("clip.mp4: no video"))
    with pytest.raises(InputError):
        program.main(["try", "--debug"])


@pytest.mark.parametrize("error", [ZeroDivisionError(), ModuleNotFoundError("no x", name="x")])
def test_a_bug_is_not_dressed_up_as_bad_input(command, error) -> None:
    command.raises(error)
    with pytest.raises(type(error)):
        program.main(["try"])


def test_the_exit_code_is_the_commands(command) -> None:
    command.run = lambda args: 3
    assert program.main(["try"]) == 3


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in program.commands():
        with pytest.raises(SystemExit, match="0"):
            program.main([command.NAME, "--help"])
        assert "--debug" in capsys.readouterr().out


def process_that_runs(statement, **options):
    """A process of its own whose stand-in command runs a statement."""
    code = f"""
import os, signal, sys, time
from types import SimpleNamespace
from maskstream.cli import __main__ as program

def run(args):
    {statement}
    return 0

program.commands = lambda: [SimpleNamespace(NAME="try", HELP="", add_arguments=lambda parser: None, run=run)]
sys.exit(program.main(["try"]))
"""
    return subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=60, **options
    )


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = process_that_runs("print('x' * 100_000)", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_is_one_line_and_130() -> None:
    done = process_that_runs("os.kill(os.getpid(), signal.SIGINT); time.sleep(30)")
    assert (done.returncode, done.stderr) == (130, "maskstream: interrupted\n")


def test_an_interrupt_that_a_library_hides_in_an_error_of_its_own_is_one() -> None:
    hide = "exec('try: raise KeyboardInterrupt\\nexcept BaseException as e: raise ImportError() from e')"
    done = process_that_runs(hide)
    assert (done.returncode, done.stderr) == (130, "maskstream: interrupted\n")


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_kill_and_a_closed_terminal_end_a_command_as_ctrl_c_does(number, code) -> None:
    done = process_that_runs(f"os.kill(os.getpid(), signal.{number}); time.sleep(30)")
    assert (done.returncode, done.stderr) == (code, "maskstream: terminated\n")


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    """As ``nohup`` asks."""
    done = process_that_runs(
        "os.kill(os.getpid(), signal.SIGHUP)", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_warning_is_said_once() -> None:
    warn = "import logging; [logging.getLogger('a').warning('%s', text) for text in 'xyx']"
    done = process_that_runs(warn)
    assert (done.returncode, done.stderr) == (0, "WARNING: x\nWARNING: y\n")


def test_listing_the_commands_imports_nothing_heavy(heavy_imports) -> None:
    assert heavy_imports("from maskstream.cli.__main__ import commands; commands()") == []
