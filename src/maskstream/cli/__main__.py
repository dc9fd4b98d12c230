"""Find the command, run it, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Protocol, cast

from maskstream import cli
from maskstream.errors import InputError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130  #: exit codes; 130 is what shells give after Ctrl-C

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
        The exit code: 0, or 1 failed, 2 bad input, 130 interrupted.
    """
    words = parser()
    args = words.parse_args(argv)
    if args.run is None:
        words.print_help()
        return BAD_INPUT
    level = logging.DEBUG if args.debug else logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(
        level=logging.ERROR if args.quiet else level,
        format="%(levelname)s: %(message)s",
        handlers=[_Messages()],
    )
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read our output has gone, which is their right; the flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as interrupt:
        print(f"maskstream: interrupted{f': {interrupt}' if str(interrupt) else ''}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        explained = _explain(error)
        if explained is None or args.debug:
            raise
        message, code = explained
        print(f"maskstream: error: {message}", file=sys.stderr)
        return code


class _Messages(logging.Handler):
    """Lines on what standard error is at the moment: a progress bar puts itself before it.

    A warning is said once: a file that is read twice need not be complained of twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._warnings: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if text not in self._warnings:
            print(text, file=sys.stderr)
        if record.levelno == logging.WARNING:
            self._warnings.add(text)


def commands() -> list[Command]:
    """All commands, by the names of their files."""
    names = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    return [
        cast(Command, import_module(f"maskstream.cli.{name}")) for name in names if not name.startswith("_")
    ]


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    words = argparse.ArgumentParser(
        prog="maskstream", description="Mark any object in one frame of a video, get its mask in every frame."
    )
    words.add_argument("--version", action="version", version=version("maskstream"))
    words.set_defaults(run=None)
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("messages")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no warnings")
    group.add_argument("-v", "--verbose", action="store_true", help="say more on the way")
    group.add_argument("--debug", action="store_true", help="say all, and show where an error comes from")
    subparsers = words.add_subparsers(title="commands", metavar="COMMAND")
    for command in commands():
        subparser = subparsers.add_parser(
            command.NAME, help=command.HELP, description=command.HELP, parents=[common]
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return words


def _explain(error: Exception) -> tuple[str, int] | None:
    """One line and the exit code for an error that a user can do something about; None for a bug."""
    match error:
        case InputError():
            return str(error), BAD_INPUT
        case ModuleNotFoundError(name=str(name)) if name in EXTRAS:
            return f"this needs {name}; pip install 'maskstream[{EXTRAS[name]}]'", BAD_INPUT
        case OSError():
            return str(error), FAILED
    return None


if __name__ == "__main__":
    sys.exit(main())
