"""Single values, read without coercing anything: text, numbers, paths, durations, sizes, secrets."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from thcore.config.problem import WrongError
from thcore.config.secret import read_secret
from thcore.model import Bytes, Seconds, Secret
from thcore.model.quantity import parse_duration, parse_size


def _text(value: Any, words: str = "text") -> str:
    if not isinstance(value, str):
        quotable = isinstance(value, (int, float))
        raise WrongError.expected(words, value, "put quotes around it" if quotable else "")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise WrongError.expected(words, value, "it holds characters that no program or file name can take")
    return value


def _path(value: Any) -> Path:
    text = _text(value, "a path")
    if not text:
        raise WrongError.expected("a path", value, "write a path or remove the key")
    return Path(text)


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongError.expected("a whole number", value, _unquote(value))
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongError.expected("a number", value, _unquote(value))
    return _finite(value)


def _unquote(value: object) -> str:
    quoted_number = isinstance(value, str) and value.replace(".", "", 1).isdecimal()
    return "remove the quotes" if quoted_number else ""


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise WrongError.here("expected a finite number; write a smaller one")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongError.expected("true or false", value)
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise WrongError.expected("nothing", value)


def _duration(value: Any) -> Seconds:
    return Seconds(_finite(_quantity(value, parse_duration, "a duration", "90s or 2h")))


def _size(value: Any) -> Bytes:
    return Bytes(_whole_number(_quantity(value, parse_size, "a size", "64MiB")))


def _quantity(value: Any, parse: Callable[[str], float], words: str, example: str) -> Any:
    if isinstance(value, str):
        try:
            return parse(value)
        except OverflowError as error:
            raise WrongError.here("expected a finite number; write a smaller one") from error
        except ValueError as error:
            raise WrongError.here(str(error)) from error
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongError.expected(words, value, f"write for example {example}")
    if value < 0:
        raise WrongError.expected(words, value, "it cannot be negative")
    return value


def _anything(value: Any) -> Any:
    return value


SCALARS: Mapping[Any, tuple[Callable[[Any], Any], str]] = {
    str: (_text, "text"),
    int: (_whole_number, "a whole number"),
    float: (_number, "a number"),
    bool: (_flag, "true or false"),
    types.NoneType: (_nothing, "nothing"),
    Path: (_path, "a path"),
    Secret: (read_secret, "a secret"),
    Seconds: (_duration, "a duration"),
    Bytes: (_size, "a size"),
    Any: (_anything, "any value"),
    object: (_anything, "any value"),
}
"""Per type: how to read a value of it, raising WrongError, and what it is in words."""
