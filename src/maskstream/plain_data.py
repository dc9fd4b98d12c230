"""Plain data, such as a JSON file holds, and frozen dataclasses from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from maskstream.errors import InputError, one_line

Config = TypeVar("Config")


def read_json(path: Path, remedy: str = "give a JSON file that holds an object of fields") -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: the file.
        remedy: what to do when it can't be read, for the message.

    Raises:
        InputError: there is no such file, or it holds something else; ``NaN`` and infinities are no JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({one_line(error)}); {remedy}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no JSON object; {remedy}")
    return content


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def from_plain(kind: type[Config], data: dict[str, Any], where: str) -> Config:
    """A frozen dataclass from plain data as JSON gives it: lists become tuples, objects nested dataclasses.

    Args:
        kind: the dataclass; its fields are numbers, strings, tuples, dicts or dataclasses, or these or None.
        data: its fields; missing ones keep their defaults.
        where: what error messages call it.

    Raises:
        InputError: a field is unknown, is missing and has no default, or is of another type.
    """
    hints = get_type_hints(kind)
    if unknown := sorted(set(data) - set(hints)):
        raise InputError(f"{where}: no field is called {unknown[0]!r} (a newer maskstream may have it)")
    try:
        return kind(**{name: _typed(value, hints[name], f"{where}: {name}") for name, value in data.items()})
    except TypeError as error:
        raise InputError(f"{where}: {str(error).partition(' ')[2]}") from error


def _typed(value: Any, kind: Any, where: str) -> Any:
    """A value as a field of this type holds it."""
    arguments = get_args(kind)
    if get_origin(kind) in (UnionType, Union):
        if value is None and NoneType in arguments:
            return None
        return _typed_as_any(value, [kind for kind in arguments if kind is not NoneType], where)
    if is_dataclass(kind) and isinstance(value, dict):
        return from_plain(kind, value, where)  # type: ignore[arg-type]
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        if len(value) == len(kinds):
            return tuple(_typed(v, k, where) for v, k in zip(value, kinds, strict=True))
    if get_origin(kind) is Literal and value in arguments:
        return value
    if get_origin(kind) is dict and isinstance(value, dict):
        return value
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise InputError(f"{where} is {value!r}; give {_described(kind)}")


def _typed_as_any(value: Any, kinds: Sequence[Any], where: str) -> Any:
    """A value as the first of several types that it fits; the error is the first one's."""
    errors = []
    for kind in kinds:
        try:
            return _typed(value, kind, where)
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _described(kind: Any) -> str:
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if get_origin(kind) is tuple:
        count = "a list" if arguments[-1] is ... else f"a list of {len(arguments)}"
        return f"{count}, each {_described(arguments[0])}"
    if is_dataclass(kind) or get_origin(kind) is dict:
        return "an object of its fields"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a text")
