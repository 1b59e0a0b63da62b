"""Whether a step can have taken anything from the database at all: to count all rows again is to read all of them.

Where it is certain that it cannot, what was counted before the step holds afterwards. That takes two witnesses who know
nothing of each other: every statement is of a kind that takes nothing away, and the server has counted no row that was
updated or deleted, but for the tool's own book-keeping. When in doubt, the answer is no.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from thcore.model import Measurement, Statement
from thplugins_dbmigration.census import keeps_versions

LONGEST = 4000
"""Letters of a statement that are read: a longer one may have been cut."""
_NAME = r"[\w.`\"\[\]]+"
_SESSION = re.compile(
    r"(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW|SELECT|DESCRIBE|DESC|EXPLAIN)\b",
    re.IGNORECASE,
)
_ADDING = re.compile(
    "(CREATE (UNIQUE |FULLTEXT )?INDEX|DROP INDEX|CREATE TABLE|COMMENT ON"
    rf"|ALTER TABLE (ONLY |IF EXISTS )*{_NAME} ADD)\b",
    re.IGNORECASE,
)
_TAKING = re.compile(
    r"\b(DROP (?!INDEX)|MODIFY|CHANGE|RENAME|ALTER (?!TABLE)|CONVERT|TRUNCATE|EXCHANGE|DISCARD|REORGANIZE|IGNORE"
    r"|REPLACE)",
    re.IGNORECASE,
)
_BOOK = re.compile(rf"(INSERT INTO|UPDATE|DELETE FROM) ({_NAME})", re.IGNORECASE)
_CHANGED = (("Handler_update", "Handler_delete"), ("tup_updated", "tup_deleted"), ("rows_changed",))
"""The counters of rows that were updated or deleted, by engine; SQLite's has the inserted ones as well."""


def takes_nothing(measurement: Measurement, books: Collection[str] = ()) -> bool:
    """Whether it is certain that a step that ended well has left all rows and values. ``books`` are tables in which the
    tool keeps its versions, beside those that are known by their names."""
    statements = measurement.statements
    kept = [_writes_book(statement, books) for statement in statements]
    if not statements or not all(
        book or _harmless(statement) for statement, book in zip(statements, kept, strict=True)
    ):
        return False
    allowed = sum(statement.calls for statement, book in zip(statements, kept, strict=True) if book)
    changed = _changed(measurement)
    return changed is not None and changed <= allowed


def _changed(measurement: Measurement) -> int | None:
    for names in _CHANGED:
        if all(name in measurement.counters for name in names):
            values = [measurement.counters[name] for name in names]
            return None if None in values else sum(value for value in values if value is not None)
    return None


def _harmless(statement: Statement) -> bool:
    text = _one(statement)
    if text is None:
        return False
    if _SESSION.match(text):
        return "(" not in text  # a function may do anything, and TRUNCATE counts no rows
    return _ADDING.match(text) is not None and _TAKING.search(text) is None


def _writes_book(statement: Statement, books: Iterable[str]) -> bool:
    text = _one(statement)
    found = _BOOK.match(text) if text is not None else None
    if found is None:
        return False
    table = re.sub(r"[`\"\[\]]", "", found[2])
    return keeps_versions(table) or table.rpartition(".")[2] in {book.rpartition(".")[2] for book in books}


def _one(statement: Statement) -> str | None:
    """The text where it is one whole statement, with single spaces."""
    text = " ".join(statement.text.split()).rstrip("; ")
    return None if statement.error or len(statement.text) > LONGEST or ";" in text else text
