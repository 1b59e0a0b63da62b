"""Keys of the configuration in words: what type, which default, an example."""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from thcore.model import Bytes, Seconds, Secret

_UNITS = {
    Seconds: (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)),
    Bytes: (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)),
}


def keys(cls: type[Any], prefix: str) -> Iterator[tuple[str, attrs.Attribute[Any], Any]]:
    """Every key of an attrs class and of the classes inside it: its full name, its field, its type."""
    hints = typing.get_type_hints(cls)
    for field in attrs.fields(cls):
        if not field.init or field.metadata.get("internal"):
            continue
        kind = hints.get(field.name, field.type)
        name = f"{prefix}{field.alias or field.name}"
        yield name, field, kind
        inner, many = inner_class(kind)
        if inner is not None:
            yield from keys(inner, f"{name}{'[]' if many else ''}.")


def inner_class(kind: Any) -> tuple[type[Any] | None, bool]:
    """The attrs class in a type such as ``X | None`` or ``tuple[X, ...]``, and whether there can be many."""
    for part in (kind, *typing.get_args(kind)):
        if isinstance(part, type) and attrs.has(part) and part is not Secret:
            return part, typing.get_origin(kind) is tuple
    return None, False


def words(kind: Any) -> str:
    """A type in words."""
    named = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        Path: "path",
        Secret: "secret",
        Seconds: "duration, such as `90s` or `1h30m`; seconds where no unit is given",
        Bytes: "size, such as `64MiB`; bytes where no unit is given",
        Any: "anything",
    }
    match typing.get_origin(kind), typing.get_args(kind):
        case _ if kind in named:
            text = named[kind]
        case ((typing.Union | types.UnionType), parts):
            text = " or ".join(words(part) for part in parts if part is not type(None))
        case typing.Literal, values:
            text = one_of(values)
        case (origin, (first, *_)) if origin is tuple:
            inner = words(first)
            text = f"list of {inner}s" if inner in {"mapping", "path"} else f"list of {inner}"
        case (origin, (_, value)) if inspect.isclass(origin) and issubclass(origin, Mapping) and value is not Any:
            text = f"mapping of names to {words(value)}"
        case _ if inspect.isclass(kind) and issubclass(kind, enum.Enum):
            text = one_of([member.value for member in kind])
        case _:
            text = "mapping"
    return text


def default(field: attrs.Attribute[Any], kind: Any) -> str:
    """The default of a key as it would be written."""
    value = _plain_default(field)
    if value is attrs.NOTHING:
        return "none, it is required"
    return "none" if value is None else f"`{_written(value, kind)}`"


def example(field: attrs.Attribute[Any], kind: Any) -> str:
    """A value that one might write, as YAML. Raises LookupError where the option itself must give one, and does not."""
    given = field.metadata.get("example")
    if given is not None:
        return str(given)
    value = _plain_default(field)
    if isinstance(value, bool):
        return json.dumps(not value)
    for choice in _choices(kind):
        if choice != value:
            return str(choice)
    if value in (attrs.NOTHING, None, {}, []):
        raise LookupError(f"{field.name}: neither its default nor its type says what to write; give it an example")
    return _written(value, kind)


def one_of(values: typing.Iterable[object]) -> str:
    """``red``, ``green`` or ``blue``."""
    texts = [f"`{value}`" for value in values]
    return f"{', '.join(texts[:-1])} or {texts[-1]}"


def _choices(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return tuple(member.value for member in kind)
    return ()


def _plain_default(field: attrs.Attribute[Any]) -> Any:
    value: Any = field.default
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type] # it is a class
        value = value.factory()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _written(value: Any, kind: Any) -> str:
    if isinstance(value, str):
        return value
    for unit, size in _units(kind):
        if value and value % size == 0:
            return f"{value / size:g}{unit}"
    return json.dumps(value)


def _units(kind: Any) -> tuple[tuple[str, int], ...]:
    return next((units for each, units in _UNITS.items() if each in (kind, *typing.get_args(kind))), ())
