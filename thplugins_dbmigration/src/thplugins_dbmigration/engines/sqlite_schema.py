"""What a database of SQLite is made of.

Tables are described by what SQLite has understood, not by the text that made them: that is another one after each
``ALTER TABLE``.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from thplugins_dbmigration.schema import Part, Schema

_MADE = re.compile(r"sqlite_autoindex_.*")
"""Indexes that SQLite makes for constraints, numbered in the order in which it meets them."""
_TOKENS = re.compile(
    r"""\bCHECK\b|[()]|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/""",
    re.IGNORECASE | re.DOTALL,
)
_ON = re.compile(r"\s+ON\s+", re.IGNORECASE)
_ORIGINS = {"pk": "primary key ", "u": "unique "}


def taken(connection: sqlite3.Connection) -> Schema:
    """The schema of the database that the connection is for."""
    found: dict[Part, str] = {}
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    for kind, name, table, text in rows.fetchall():
        if kind == "table":
            found[Part("table", name)] = _options(text)
            found.update(_parts(connection, name, text))
        elif kind == "view":
            found[Part("view", name)] = _plain(text)
        elif kind == "trigger":
            found[Part("trigger", table, name)] = _plain(text)
    return found


def _parts(connection: sqlite3.Connection, table: str, text: str) -> Iterator[tuple[Part, str]]:
    for row in _pragma(connection, "table_xinfo", table):
        _number, name, kind, required, default, key, hidden = row
        yield Part("column", table, name), _column(kind, required, default, key, hidden)
    yield from _indexes(connection, table)
    yield from _foreign_keys(connection, table)
    for number, check in enumerate(sorted(_checks(text)), 1):
        yield Part("constraint", table, f"check {number}"), check


def _column(kind: str, required: int, default: str | None, key: int, hidden: int) -> str:
    words = [kind.lower() or "of no type"]
    words += ["primary key"] if key else []
    words += ["not null"] if required else []
    words += [f"default {default}"] if default is not None else []
    words += ["generated"] if hidden in {2, 3} else []
    return " ".join(words)


def _indexes(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Part, str]]:
    unnamed: list[str] = []
    for row in _pragma(connection, "index_list", table):
        name, unique, origin, partial = row[1:5]
        columns = [
            f"{column[2] or 'an expression'}{' desc' * column[3]}"
            + (f" collate {column[4]}" if column[4] != "BINARY" else "")
            for column in _pragma(connection, "index_xinfo", name)
            if column[5]
        ]
        words = f"{_ORIGINS.get(origin, 'unique ' if unique else '')}({', '.join(columns)})"
        if _MADE.fullmatch(name):
            unnamed.append(words)
            continue
        made = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if partial or "an expression" in words:  # only the text says which
            words = _plain(_ON.split(made[0], 1)[-1])
        yield Part("index", table, name), words
    for words in sorted(unnamed):
        yield Part("constraint", table, words), words


def _foreign_keys(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Part, str]]:
    keys: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in _pragma(connection, "foreign_key_list", table):
        keys[row[0]].append(row)
    for rows in keys.values():
        columns = ", ".join(str(row[3]) for row in rows)
        targets = ", ".join(str(row[4]) for row in rows if row[4] is not None)
        _, _, target, _, _, update, delete, _ = rows[0]
        words = f"({columns}) to {target}" + (f" ({targets})" if targets else "")
        words += f" on update {update}" * (update != "NO ACTION") + f" on delete {delete}" * (delete != "NO ACTION")
        yield Part("foreign key", table, f"of {columns}"), words.lower()


def _checks(text: str) -> Iterator[str]:
    """The conditions of CHECK constraints, which no pragma tells."""
    depth, starts = 0, dict[int, int]()
    word = ""
    for token in _TOKENS.finditer(text):
        if token[0] == "(":
            depth += 1
            if word.lower() == "check":
                starts[depth] = token.end()
        elif token[0] == ")":
            if depth in starts:
                yield _plain(text[starts.pop(depth) : token.start()])
            depth -= 1
        word = token[0]


def _options(text: str) -> str:
    """What stands behind a table's columns: ``STRICT``, ``WITHOUT ROWID``."""
    return _plain(text.rpartition(")")[2]).lower() or "ordinary"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _pragma(connection: sqlite3.Connection, name: str, what: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM pragma_{name}(?)", (what,)).fetchall()  # noqa: S608 - ours
