"""The examples in docstrings run, each module's in a folder with the files that they name."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import maskstream

SRC = Path(next(iter(maskstream.__path__)))
NEEDS_TORCH = {"network", "clips", "training", "judging", "ablation"}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
#: Examples that can't run in a test, and why.
SKIPPED = {
    "maskstream.jobs.evaluate": "needs DAVIS",
    "maskstream.jobs.score": "needs DAVIS",
    "maskstream.judging.train": "trains for an hour",
    "maskstream.runtime.export": "needs a trained network",
}


class AnySystem(doctest.OutputChecker):
    """Expected output as on POSIX."""

    def check_output(self, want, got, optionflags):
        return super().check_output(want, got.replace("WindowsPath", "PosixPath"), optionflags)


def examples():
    """Every docstring with examples, as (module, name); found in the sources, without importing them."""
    for module in pkgutil.walk_packages([str(SRC)], "maskstream."):
        path = SRC.joinpath(*module.name.split(".")[1:])
        file = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if ">>>" in file.read_text(encoding="utf-8"):
            needs_torch = module.name.split(".")[1] in NEEDS_TORCH
            if module.name not in SKIPPED:
                yield pytest.param(module.name, marks=pytest.mark.torch if needs_torch else ())


@pytest.mark.parametrize("name", list(examples()))
def test_examples_run(name, examples_folder, frames_of_examples) -> None:
    module = importlib.import_module(name)
    public = {name: getattr(maskstream, name) for name in maskstream.__all__}
    runner = doctest.DocTestRunner(checker=AnySystem(), optionflags=OPTIONS)
    said = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        test.globs = {**public, **vars(module), **frames_of_examples}
        runner.run(test, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)


def test_no_other_example_is_skipped() -> None:
    skipping = {path for path in SRC.rglob("*.py") if "+SKIP" in path.read_text(encoding="utf-8")}
    assert skipping == {SRC.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in SKIPPED}
