"""What a server's error says: of which kind the rows at fault can be, and what it names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

_CODES: Mapping[str, Mapping[str, str]] = {
    "mysql": {
        "duplicate": "1022 1062 1586",
        "null": "1048 1138 1263 1265 1364",
        "too-long": "1265 1406",
        "out-of-range": "1264 1265 1690",
        "orphan": "1216 1217 1451 1452",
        "check": "3819 4025",
        "invalid-date": "1265 1292",
        "invalid-text": "1265 1292 1366 1977 3140 3854 4025",
    },
    "postgresql": {
        "duplicate": "23505",
        "null": "23502",
        "too-long": "22001",
        "out-of-range": "22003",
        "orphan": "23503",
        "check": "23514",
        "invalid-date": "22007 22008",
        "invalid-text": "22018 22021 22030 22032 22P02 22P03 22P05",
    },
}
"""What rows at fault can be, with the server's codes for that."""
_WORDS: Mapping[str, str] = {
    "duplicate": "Duplicate entry|could not create unique index|duplicate key value|UNIQUE constraint failed",
    "null": "cannot be null|Invalid use of NULL|null values?|NOT NULL constraint failed|NOT NULL column with default",
    "too-long": "Data too long|value too long",
    "out-of-range": "out of range|field overflow",
    "orphan": "a foreign key constraint fails|violates foreign key constraint|FOREIGN KEY constraint failed|"
    "has an invalid foreign key",
    "check": "violates check constraint|check constraint .* is violated|CHECK constraint failed",
    "invalid-date": "Incorrect (date|datetime|timestamp|time) value|date/time field",
    "invalid-text": "Incorrect .* value|invalid input (syntax|value)|Invalid JSON|datatype mismatch|cannot store",
}
"""The same where an error comes without a code, as all of SQLite's do."""
_CODE = {"mysql": r"(?:\w{5}: )?\(?(\d{4})\b", "postgresql": r"\[?([0-9A-Z]{5})\b\]?:"}
_COLUMNS = (
    r"\bcolumn [`'\"]((?:[^`'\"]|``|`\.`)+)[`'\"]",  # "db"."table"."column" as well
    r"\bconstraint failed: ((?:[^\s,.]+\.[^\s,.]+)(?:, [^\s,.]+\.[^\s,.]+)*)",
    r"\bKey \(([^)=]+)\)=\(",
)
_CONSTRAINTS = (
    r"\bfor key [`'\"](?:\w+\.)?([^`'\"]+)[`'\"]",
    r"\bconstraint [`'\"]([^`'\"]+)[`'\"]",
    r"\bunique index [`'\"]([^`'\"]+)[`'\"]",
    r"\bCHECK constraint failed: (\S.*)",
)
_TABLE = r'\b(?:on table|of relation) "([^"]+)"'


@frozen
class Failure:
    """``kinds`` as an Offence has them, none where the error is not about rows. ``columns`` and ``constraints`` are
    what the error names, and ``table`` is where it says that they are."""

    kinds: frozenset[str]
    columns: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    table: str = ""


def failure(dialect: str, error: str) -> Failure:
    """Read the code and the words of a server's error."""
    code = re.match(_CODE.get(dialect, r"(?!)"), error)
    if code is not None:
        kinds = {kind for kind, codes in _CODES[dialect].items() if code[1] in codes.split()}
    else:
        kinds = {kind for kind, words in _WORDS.items() if re.search(words, error, re.IGNORECASE)}
    columns = [part.strip(" `'\"") for each in _found(_COLUMNS, error) for part in each.split(",")]
    names = tuple(re.split(r"`?\.`?", column)[-1] for column in columns)
    table = next(iter(_found((_TABLE,), error)), "")
    return Failure(frozenset(kinds), names, tuple(_found(_CONSTRAINTS, error)), table)


def _found(patterns: tuple[str, ...], error: str) -> list[str]:
    return [match.group(1) for pattern in patterns for match in re.finditer(pattern, error, re.IGNORECASE)]
