"""The page on the command line names every command and option."""

import argparse
import re
from pathlib import Path

import pytest

from maskstream.cli.__main__ import commands

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def section(name):
    found = re.search(rf"^## maskstream {name}$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE.name} has no section '## maskstream {name}'"
    return found[1]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.NAME)
def test_every_option_is_explained(command) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    text = section(command.NAME)
    options = [option for action in parser._actions for option in action.option_strings]
    assert [option for option in options if f"`{option}" not in text] == []
