"""The values that stand in a statement: strings, numbers, and what is written in hexadecimal or between dollars."""

from __future__ import annotations

import re
from collections.abc import Mapping

from thplugins_dbmigration.engines import postgresql_text

_NUMBER = r"(?<![\w$])\d[\w.]*"
# As in PostgreSQL's, what is not closed goes on to the end. What MySQL runs of a comment (/*!40101 … */) is none.
_TOKENS: Mapping[str, re.Pattern[str]] = {
    "postgresql": postgresql_text.TOKEN,
    "mysql": re.compile(
        rf"""
        (?P<nothing> \s+ | --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*(?!M?!).*?(?:\*/|\Z) )
        | (?P<value> [bBnNxX]?'(?:[^'\\]|\\.|'')*(?:'|\\?\Z) | "(?:[^"\\]|\\.|"")*(?:"|\\?\Z) | {_NUMBER} )
        | (?P<name> `(?:[^`]|``)*(?:`|\Z) | [^\W\d][\w$]* )
        | (?P<sign> . )
        """,
        re.VERBOSE | re.DOTALL,
    ),
    # What stands in double quotes is a string where SQLite knows no such name; what looks like one is taken for one.
    "sqlite": re.compile(
        rf"""
        (?P<nothing> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
        | (?P<name> "\w+" | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z) | (?![xX]')[^\W\d][\w$]* )
        | (?P<value> [xX]?'(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | {_NUMBER} )
        | (?P<sign> . )
        """,
        re.VERBOSE | re.DOTALL,
    ),
}


def literals(dialect: str, text: str) -> frozenset[str]:
    """The values in a statement of ``mysql``, ``postgresql`` or ``sqlite``, as they are written there. Other dialects
    are read like PostgreSQL's, which is nearest to the standard."""
    return frozenset(found["value"] for found in _tokens(dialect).finditer(text) if found["value"])


def without_literals(dialect: str, text: str) -> str:
    """The statement with a question mark for each value, and without comments, which may hold any."""
    return _tokens(dialect).sub(_shown, text).strip()


def _tokens(dialect: str) -> re.Pattern[str]:
    return _TOKENS.get(dialect, postgresql_text.TOKEN)


def _shown(found: re.Match[str]) -> str:
    if found["value"]:
        return "?"
    return " " if found["nothing"] and not found[0].isspace() else found[0]
