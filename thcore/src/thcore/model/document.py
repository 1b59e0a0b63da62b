"""result.json: an outcome as a document, and back."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any, TypeVar

from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import make_converter

from thcore.model.outcome import Outcome

__all__ = ["from_json", "to_json"]

T = TypeVar("T")

_converter = make_converter()
_strict = make_converter()


@_converter.register_structure_hook
def _moment(value: Any, _type: type[datetime.datetime]) -> datetime.datetime:
    at = datetime.datetime.fromisoformat(value)
    if at.tzinfo is None or not 1970 <= at.year < 9999:
        raise ValueError(f"{value} is no time of a build in UTC")
    return at


@_converter.register_structure_hook
def _number(value: Any, _type: type[float]) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return number


@_strict.register_structure_hook
def _text(value: Any, _type: type[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {type(value).__name__}")
    return value


def _lines(value: Any, _type: Any = None) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected lines of text, not {type(value).__name__}")
    return tuple(_text(line, str) for line in value)


# Text is a sequence of texts as well: without this, evidence="abc" would become three lines.
_strict.register_unstructure_hook_func(lambda cls: cls == tuple[str, ...], _lines)
_strict.register_structure_hook_func(lambda cls: cls == tuple[str, ...], _lines)


# What a record holds is between the executor and the analysers.
_strict.register_structure_hook_func(lambda cls: cls is object, lambda value, _type: value)


def to_json(outcome: Outcome, *, compact: bool = False) -> str:
    """The outcome as result.json: two-space indented, keys in the order of the classes. ``compact``: in one line, for
    programs, which costs a tenth of the time.

    It can be encoded as UTF-8: bytes of file names that are none have become question marks.
    """
    indent = None if compact else 2
    text = json.dumps(_converter.unstructure(outcome), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def from_json(text: str) -> Outcome:
    """Read a result.json. Raises ValueError when it is not one, or of a later schema version."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or "schema_version" not in data:
            raise ValueError("it has no schema_version")
        if data["schema_version"] > Outcome.__attrs_attrs__.schema_version.default:
            raise ValueError(f"its schema version {data['schema_version']} is newer than this thcore")
        return _converter.structure(data, Outcome)
    except BaseValidationError as error:
        raise ValueError(f"not a result.json: {'; '.join(transform_error(error))}") from error
    except Exception as error:
        raise ValueError(f"not a result.json: {error}") from error


def checked(value: T) -> T:
    """A value of the model with the types that its class names: a list becomes a tuple, a name the member of its enum.

    Raises ValueError for what could not be written to a result.json. attrs does not look at types by itself, and a
    wrong one would surface far from whoever made it.
    """
    cls = type(value)
    try:
        plain = _strict.unstructure(value, cls)
        json.dumps(plain, allow_nan=False)
    except Exception as error:
        raise ValueError(f"a {cls.__name__} that cannot be written as JSON: {error}") from error
    try:
        return _strict.structure(plain, cls)
    except Exception as error:
        raise ValueError(f"a {cls.__name__} of wrong types: {'; '.join(transform_error(error))}") from error
