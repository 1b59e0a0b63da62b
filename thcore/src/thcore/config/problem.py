"""What is wrong in a configuration, and where: values that become the text of a ConfigError."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from attrs import frozen

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of a document down to a value."""

_PLAIN_KEY = re.compile(r"[\w@+/-]+")
_LONGEST_VALUE = 60


@frozen
class Problem:
    """Something wrong at ``path``: ``text`` says what, and what to do."""

    path: KeyPath
    text: str

    def below(self, *prefix: str | int) -> Problem:
        """The same problem, seen from further up."""
        return Problem((*prefix, *self.path), self.text)


class WrongError(ValueError):
    """A value cannot be used: carries every problem, with paths relative to that value. ConfigError is made
    of it where the place of that value is known."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(*problems)

    @classmethod
    def here(cls, text: str) -> WrongError:
        """One problem of the value itself."""
        return cls(Problem((), text))

    @classmethod
    def expected(cls, words: str, value: object, hint: str = "") -> WrongError:
        """The value is of another kind than ``words`` say."""
        return cls.here(f"expected {words}, got {value_text(value)}" + (f"; {hint}" if hint else ""))


def at(where: str, path: Iterable[str | int]) -> str:
    """The place of ``path`` below ``where``: a file (``config.yaml``), or a file and a key path
    (``config.yaml: jobs[2]``)."""
    shown = where
    has_keys = ": " in where
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]" if has_keys else f": [{part}]"
        else:
            shown += ("." if has_keys else ": ") + key_text(part)
        has_keys = True
    return shown


def key_text(key: str) -> str:
    """A key as it is shown: quoted when it would not read as one word."""
    return key if _PLAIN_KEY.fullmatch(key) and key.isprintable() else json.dumps(key)


def value_text(value: object) -> str:
    """A value as problems show it: short, on one line, printable anywhere."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return kind_text(value)
    if isinstance(value, (str, bool, float)):
        text = json.dumps(value)
    elif isinstance(value, int):
        # str() refuses integers of thousands of digits
        text = str(value) if value.bit_length() < 256 else "a number of that many digits"
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 4]}…{text[-1]}"


def kind_text(value: object) -> str:
    """What kind of value it is, without showing it."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "nothing"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (dict, "a mapping"),
        ((list, tuple, set, frozenset), "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), f"a {type(value).__name__}")
