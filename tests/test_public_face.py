"""What `import maskstream` and its rooms offer: one list of names, told to type checkers, and all is real."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import maskstream

HOUSE = Path(maskstream.__file__).parent
FACES = ["maskstream", *(f"maskstream.{path.parent.name}" for path in sorted(HOUSE.glob("*/__init__.pyi")))]


def stub_of(package):
    return ast.parse(Path(import_module(package).__file__).with_suffix(".pyi").read_text())


@pytest.mark.parametrize("package", FACES)
def test_type_checkers_are_told_of_the_same_names(package) -> None:
    imported = {
        alias.name: node.module
        for node in stub_of(package).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name  # which exports a name from a stub
    }
    module = import_module(package)
    homes = {
        name: home if not home.startswith(".") else package + home for name, home in module._HOMES.items()
    }
    assert imported == homes


@pytest.mark.parametrize("package", FACES)
def test_every_name_is_there_and_listed(package) -> None:
    module = import_module(package)
    assert module.__all__ == sorted(module._HOMES)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert not inspect.ismodule(getattr(module, name)), f"{name} is a file of {package}, too"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", FACES)
def test_a_face_imports_nothing_heavy(package, heavy_imports) -> None:
    assert heavy_imports(f"import {package}") == []


@pytest.mark.parametrize("name", ["segment_video", "replace_background", "detect_subject"])
def test_what_is_not_obvious_by_its_place_is_called_by_its_name(name) -> None:
    parameters = list(inspect.signature(getattr(maskstream, name)).parameters.values())
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert len(positional) <= 3
    assert set(positional) <= {"source", "background", "output"}


def test_there_is_a_version_and_a_program() -> None:
    assert maskstream.__version__.count(".") == 2
    done = subprocess.run(
        [sys.executable, "-m", "maskstream", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, maskstream.__version__)
