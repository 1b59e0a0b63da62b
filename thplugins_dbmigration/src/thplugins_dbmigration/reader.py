"""The strict reader of files that people write: every problem of a file at once, each with its key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import fields
from cattrs import Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError

_TEXTS = (tuple[str, ...], str | tuple[str, ...])


def strict() -> Converter:
    """A converter that takes texts for texts only, and no key that a class has not."""
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook_func(lambda kind: kind in _TEXTS, _texts)
    return converter


def problems(error: BaseException, renamed: Mapping[str, str] | None = None) -> Iterator[str]:
    """Everything that is wrong with a file, when structuring it raised ``error``. ``renamed`` has the keys that the
    file writes otherwise than the class."""
    names = renamed or {}

    def said(each: BaseException, _type: Any) -> str:
        if isinstance(each, ForbiddenExtraKeysError):
            known = tuple(names.get(entry.name, entry.name) for entry in fields(each.cl))
            return "; ".join(_unknown(key, known) for key in sorted(map(str, each.extra_fields)))
        if isinstance(each, KeyError):
            return "is missing"
        if isinstance(each, AttributeError):  # what cattrs meets where an object is wanted
            return "must be an object: {…}"
        return str(each) or type(each).__name__

    for line in transform_error(error, path="", format_exception=said):
        message, _, where = line.rpartition(" @ ")
        yield f"{_key(where, names)}{message}"


def _text(value: Any, _type: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be text, not {value!r}")
    return value


def _texts(value: Any, _type: Any) -> tuple[str, ...]:
    """A list of texts; a single one may stand alone."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise TypeError(f"must be a list of texts, not {value!r}")
    return tuple(_text(entry, str) for entry in value)


def _key(where: str, renamed: Mapping[str, str]) -> str:
    path = re.sub(r"\['([^']*)'\]", r".\1", where).strip(".")
    parts = [renamed.get(part, part) for part in path.split(".") if part]
    return ".".join(parts) + ": " if parts else ""


def _unknown(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
