"""The few words of an SQL statement that tell what it is about. What it does is found out by running it."""

from __future__ import annotations

import re
from collections.abc import Collection

SCHEMA = frozenset({
    "ALTER", "CALL", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "EXECUTE", "OPTIMIZE", "REFRESH", "REINDEX",
    "RENAME", "REPAIR", "TRUNCATE", "VACUUM",
})  # fmt: skip
"""Verbs of statements that may change a schema, or how tables are stored."""
SETTINGS = frozenset({"DEALLOCATE", "PRAGMA", "PREPARE", "RESET", "SET"})
"""Verbs of statements that others after them in the same session depend on."""

_SKIPPED = re.compile(r"\s+|/\*(?!!).*?\*/|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_PART = r'(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+)'
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_PARTS = re.compile(_PART)
_MANY = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_ABOUT = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?({_NAME})",
        rf"(?:CREATE|DROP)\s[^()]*?\bINDEX\b[^()]*?\bON\s+(?:ONLY\s+)?({_NAME})",
        rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?({_MANY})",
        rf"RENAME\s+TABLES?\s+({_NAME})",
    )
)
_RENAMES = re.compile(r"RENAME\s+TABLE|ALTER\s.*\bRENAME\s+(?!COLUMN|INDEX|KEY|CONSTRAINT)", re.IGNORECASE | re.DOTALL)
_INTO = re.compile(rf"INSERT\s[^()]*?\bINTO\s+({_NAME})", re.IGNORECASE)
_SELECT = re.compile(r"\bSELECT\b", re.IGNORECASE)
_FROM = re.compile(rf"\bFROM\s+(?:ONLY\s+)?({_NAME})", re.IGNORECASE)


def bare(text: str) -> str:
    """A statement without the comments in front of it and the semicolon behind it."""
    start = 0
    while found := _SKIPPED.match(text, start):
        start = found.end()
    return text[start:].rstrip().rstrip(";").rstrip()


def verb(text: str) -> str:
    """Its first word, in capitals; empty where it has none."""
    found = _WORD.match(bare(text))
    return found[0].upper() if found else ""


def changes_schema(text: str) -> bool:
    """Whether it may change a schema, or how tables are stored."""
    return verb(text) in SCHEMA


def about(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The tables that a statement of DDL names as those it is about, of those that are ``known``."""
    statement = bare(text)
    found = next((match[1] for pattern in _ABOUT if (match := pattern.match(statement))), "")
    return tuple(name for written in re.findall(_NAME, found) if (name := _meant(written, known)))


def takes_away(text: str, table: str) -> bool:
    """Whether a statement drops a table, or gives it another name."""
    statement = bare(text)
    drops = verb(statement) == "DROP" or _RENAMES.match(statement) is not None
    return drops and table in about(statement, (table,))


def filled_from(text: str, known: Collection[str]) -> tuple[str, str] | None:
    """Of ``INSERT INTO a … SELECT … FROM b`` both tables, where they are ``known``."""
    statement = bare(text)
    into = _INTO.match(statement)
    selection = _SELECT.search(statement, into.end()) if into else None
    source = _FROM.search(statement, selection.end()) if selection else None
    if into is None or source is None:
        return None
    names = _meant(into[1], known), _meant(source[1], known)
    return (names[0], names[1]) if names[0] and names[1] else None


def _meant(written: str, known: Collection[str]) -> str | None:
    """The table that is meant, whatever case its name is written in, with its schema or without."""
    parts = [_unquoted(part) for part in _PARTS.findall(written)]
    for candidate in (".".join(parts[-2:]), parts[-1]):
        if candidate in known:
            return candidate
        folded = next((name for name in known if name.lower() == candidate.lower()), None)
        if folded is not None:
            return folded
    return None


def _unquoted(part: str) -> str:
    if part[0] in '"`':
        return part[1:-1].replace(part[0] * 2, part[0])
    return part[1:-1] if part[0] == "[" else part
