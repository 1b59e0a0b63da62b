"""Names and texts as a server takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from thplugins_dbmigration.offences.clause import Name

Quote = Callable[[str], str]
"""Quotes one name."""


def quoting(dialect: str) -> Quote:
    """How ``mysql``, ``postgresql`` or ``sqlite`` quotes names.

    SQLite takes a name in double quotes that it does not know for a text, and would answer for every row.
    """
    return partial(_quoted, '"' if dialect == "postgresql" else "`")


def _quoted(mark: str, name: str) -> str:
    return mark + name.replace(mark, mark * 2) + mark


def table(dialect: str, name: Name) -> str:
    """A table's name."""
    return ".".join(map(quoting(dialect), name.parts))


def text(dialect: str, value: str) -> str:
    """A text as a literal."""
    doubled = value.replace("'", "''")
    return "'" + (doubled.replace("\\", "\\\\") if dialect == "mysql" else doubled) + "'"
