"""What adapting needs beside the base install."""

from __future__ import annotations

from importlib.util import find_spec

from maskstream.errors import InputError


def check_installed() -> None:
    """Refuse to adapt where the train extra is not installed.

    Raises:
        InputError: a library is missing.
    """
    if missing := [name for name in ("torch", "safetensors") if find_spec(name) is None]:
        raise InputError(f"adapting needs {missing[0]}; pip install 'maskstream[train]'")
