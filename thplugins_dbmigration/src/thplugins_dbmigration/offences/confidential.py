"""Columns that hold what nobody is to read: a dataset's ``confidential``, tables with their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

Confidential = Mapping[str, tuple[str, ...]]
MASK = "***"

_VALUES = (
    # MySQL and MariaDB
    r"(Duplicate entry )'.*?'( for key)",
    r"((?:Incorrect|Truncated incorrect) [\w ]*value: )'.*?'( for column|\s*$|\"|\))",
    # PostgreSQL
    r"(Key \([^\n=]*\)=)\(.*?\)( already exists| is duplicated| is not present| is still ref| conflicts)",
    r"(Failing row contains )\(.*?\)(\.\s*$|\.\"|\.\\n)",
    r"(invalid input (?:syntax|value) for [^:\n]+: )\".*?\"(\s*$|\s*LINE |\s*CONTEXT|\\n)",
    r"(date/time field value out of range: )\".*?\"(\s*$|\s*LINE |\s*CONTEXT|\\n)",
    r"(value )\".*?\"( is out of range for type)",
    # SQLAlchemy
    r"(\[parameters: ).*?(\]\s*$)",
)
"""What stands around the values in the words of servers."""


def is_confidential(confidential: Confidential, table: str, column: str) -> bool:
    """Whether a column is marked; ``table`` may have its schema in front."""
    return column.lower() in _columns(confidential, table)


def touches(confidential: Confidential, tables: Collection[str]) -> bool:
    """Whether any of these tables has a column that is marked."""
    return any(_columns(confidential, table) for table in tables)


def masked(lines: Sequence[str], confidential: Confidential) -> tuple[str, ...]:
    """Lines of an error as anybody may read them."""
    return without_values(lines) if confidential and lines else tuple(lines)


def without_values(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines of an error, with what servers quote of rows masked."""
    text = "\n".join(lines)
    for pattern in _VALUES:
        text = re.sub(pattern, lambda found: f"{found[1]}{MASK}{found[2] or ''}", text, flags=re.MULTILINE | re.DOTALL)
    return tuple(text.split("\n"))


def _columns(confidential: Confidential, table: str) -> set[str]:
    last = table.rpartition(".")[2].lower()
    return {
        column.lower()
        for name, columns in confidential.items()
        if name.lower() in {table.lower(), last} or name.rpartition(".")[2].lower() == last
        for column in columns
    }
