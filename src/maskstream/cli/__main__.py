"""Find the command, run it, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Protocol, cast

from maskstream import cli
from maskstream.cli._wording import for_command_line
from maskstream.errors import InputError
from maskstream.jobs.interrupts import ENDING, end_as_ctrl_c_does

FAILED, BAD_INPUT = (
    1,
    2,
)  #: exit codes; after a signal it is 128 and its number, as shells have it (Ctrl-C: 130)

_ENDED = dict.fromkeys(ENDING, "terminated") | {signal.SIGINT: "interrupted"}

#: Which extra brings a module that the base install lacks.
EXTRAS = {
    "torch": "train",
    "timm": "train",
    "safetensors": "train",
    "onnx": "train",
    "tensorboard": "train",
    "pycocotools": "coco",
    "pymatting": "matting",
}


class Command(Protocol):
    """What a file of this package holds; nothing heavy is imported before ``run``.

    Attributes:
        NAME: as typed.
        HELP: one line.
    """

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it.

        Returns:
            The exit code.

        Raises:
            InputError: for what the user can mend.
        """
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``maskstream``.

    Args:
        argv: the words after the program's name; the process's own if None.

    Returns:
        The exit code: 0, or 1 failed, 2 bad input, 130 interrupted, 143 terminated, 129 hung up.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help()
        return BAD_INPUT
    _set_up_messages(args)
    try:
        with _requests_to_end():
            code = int(args.run(args))
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader closed the pipe. That is fine; keep the flush at exit from raising.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as interrupt:
        return _say_ended(interrupt)
    except Exception as error:
        if (hidden := _interrupt_behind(error)) is not None:
            return _say_ended(hidden)
        explained = _explain(error)
        if explained is None or args.debug:
            raise
        message, code = explained
        print(f"maskstream: error: {message}", file=sys.stderr)
        return code


def _say_ended(interrupt: KeyboardInterrupt) -> int:
    told = for_command_line(str(interrupt))
    number: int = getattr(interrupt, "number", signal.SIGINT)  # of what has no number it was Ctrl-C
    print(f"maskstream: {_ENDED[number]}{f': {told}' if told else ''}", file=sys.stderr)
    return 128 + number


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that caused an error: libraries that are being imported turn it into an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _set_up_messages(args: argparse.Namespace) -> None:
    """Log as the options say; what jobs have to tell is shown unless they are to be quiet."""
    level = logging.DEBUG if args.debug else logging.INFO if args.verbose else logging.WARNING
    if args.quiet:
        level = logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Messages()])
    logging.getLogger("maskstream.jobs").setLevel(level if args.quiet else min(level, logging.INFO))


class _Messages(logging.Handler):
    """Lines on what standard error is at the moment: a progress bar puts itself in front of it.

    A warning is printed once, even if the file it is about is read twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._warnings: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = for_command_line(self.format(record))
        if record.levelno != logging.INFO:
            text = f"{record.levelname}: {text}"
        if text not in self._warnings:
            print(text, file=sys.stderr)
        if record.levelno == logging.WARNING:
            self._warnings.add(text)


@contextmanager
def _requests_to_end() -> Iterator[None]:
    """Let ``kill`` and a closed terminal end the block as Ctrl-C does, unless they are handled otherwise."""
    numbers = []
    if threading.current_thread() is threading.main_thread():
        numbers = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        is_ctrl_c = number == signal.SIGINT
        signal.signal(number, signal.default_int_handler if is_ctrl_c else end_as_ctrl_c_does)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def commands() -> list[Command]:
    """All commands, by the names of their files."""
    names = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    return [
        cast(Command, import_module(f"maskstream.cli.{name}")) for name in names if not name.startswith("_")
    ]


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="maskstream",
        description="Replace the background of any video or webcam, or follow any object through it.",
    )
    parser.add_argument("--version", action="version", version=version("maskstream"))
    parser.set_defaults(run=None)
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("messages")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no warnings")
    group.add_argument("-v", "--verbose", action="store_true", help="say more on the way")
    group.add_argument("--debug", action="store_true", help="say all, and show where an error comes from")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in commands():
        subparser = subparsers.add_parser(
            command.NAME, help=command.HELP, description=command.HELP, parents=[common]
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _explain(error: Exception) -> tuple[str, int] | None:
    """One line and the exit code for an error that a user can do something about; None for a bug."""
    match error:
        case InputError():
            return for_command_line(str(error)), BAD_INPUT
        case ModuleNotFoundError(name=str(name)) if name in EXTRAS:
            return f"this needs {name}; pip install 'maskstream[{EXTRAS[name]}]'", BAD_INPUT
        case OSError():
            told = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
            return for_command_line(told), FAILED
    return None


if __name__ == "__main__":
    sys.exit(main())
