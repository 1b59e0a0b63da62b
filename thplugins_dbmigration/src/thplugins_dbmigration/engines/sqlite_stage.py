"""What statements do to tables of SQLite: which of them its programs go through, and where they write."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from attrs import define, frozen

from thplugins_dbmigration.engines.stage import TIME_LIMIT_S, Change, Effect, Layout, RefusedError, Relation, changes
from thplugins_dbmigration.engines.wording import bare, verb

LONGEST = 10_000_000
"""Bytes that a value or a statement may have: it is somebody else's statement, and our memory."""
STEPS = 100_000
_HARMLESS = re.compile(
    r"PRAGMA\s+(foreign_keys|legacy_alter_table|defer_foreign_keys|recursive_triggers)\b", re.IGNORECASE
)
_IN_REGISTER = 0x10
"""P5 of OpenWrite: the root page is that of what the program has just made."""


@frozen
class _Scene:
    """``texts`` are the tables' definitions, ``owners`` the tables of root pages, their indexes' included."""

    layout: Layout
    texts: Mapping[str, str]
    owners: Mapping[int, str]


@define
class SQLiteStage:
    """See Stage."""

    connection: sqlite3.Connection
    rewriting: str = "copy"
    settles: bool = False
    until: float = 0.0
    """When the running statement has to be done, by the monotonic clock."""

    def play(self, text: str, *, undone: bool = False) -> tuple[Effect, ...]:
        statement = bare(text)
        if verb(statement) == "PRAGMA" and not _HARMLESS.match(statement):
            return ()
        self.until = time.monotonic() + TIME_LIMIT_S
        before = self._look()
        try:
            program = self.connection.execute(f"EXPLAIN {statement}").fetchall()
            if undone:
                self.connection.execute("SAVEPOINT rehearsal")
            try:
                self.connection.execute(statement).close()
                after = self._look()
            finally:
                if undone:
                    self.connection.execute("ROLLBACK TO rehearsal")
                    self.connection.execute("RELEASE rehearsal")
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise RefusedError(str(error)) from error
        return _effects(statement, _Passes.of(program, before.owners), before, after)

    def tables(self) -> Collection[str]:
        return self._look().layout

    def _look(self) -> _Scene:
        rows = self.connection.execute(
            "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master "
            "WHERE type IN ('table', 'index') AND rootpage > 0 AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        indexes: dict[str, set[str]] = {}
        for kind, _, table, root, _ in rows:
            if kind == "index":
                indexes.setdefault(table, set()).add(str(root))
        tables = {name: (root, text) for kind, name, _, root, text in rows if kind == "table"}
        return _Scene(
            {
                name: Relation(frozenset({str(root)}), frozenset(indexes.get(name, ())))
                for name, (root, _) in tables.items()
            },
            {name: str(text) for name, (_, text) in tables.items()},
            {int(root): str(table) for _, _, table, root, _ in rows},
        )


@contextlib.contextmanager
def stage(path: str, authorize: Callable[..., int], check: Callable[[], int]) -> Iterator[SQLiteStage]:
    """Open the file. ``authorize`` says what statements may do; ``check`` answers whether the build is over."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        made = SQLiteStage(connection)
        connection.execute("PRAGMA synchronous = OFF")
        connection.set_authorizer(authorize)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        connection.set_progress_handler(lambda: check() or int(time.monotonic() > made.until), STEPS)
        yield made


@frozen
class _Passes:
    """What a program of SQLite's machine goes through from one end to the other: ``read`` are the tables, ``written``
    those that it puts rows into, ``indexing`` whether it puts anything into an index, ``checking`` whether it looks for
    rows that a constraint forbids."""

    read: frozenset[str]
    written: frozenset[str]
    indexing: bool
    checking: bool

    @classmethod
    def of(cls, program: list[tuple[object, ...]], owners: Mapping[int, str]) -> _Passes:
        cursors: dict[object, str] = {}
        found: dict[str, set[str]] = {"Rewind": set(), "Insert": set()}
        codes = {str(row[1]) for row in program}
        for _, code, cursor, root, _, _, flags, *_ in program:
            if code in {"OpenRead", "OpenWrite", "ReopenIdx"} and not int(str(flags)) & _IN_REGISTER:
                cursors[cursor] = owners.get(int(str(root)), "")
            elif code in {"Rewind", "Last", "Insert"} and cursors.get(cursor):
                found["Insert" if code == "Insert" else "Rewind"].add(cursors[cursor])
        return cls(
            frozenset(found["Rewind"]),
            frozenset(found["Insert"]),
            bool(codes & {"IdxInsert", "SorterInsert"}),
            "VFilter" in codes,
        )


def _effects(statement: str, passes: _Passes, before: _Scene, after: _Scene) -> tuple[Effect, ...]:
    if verb(statement) == "VACUUM":
        return tuple(Effect(name, name, "copy", "the whole file is written anew", anew=True) for name in after.layout)
    found = {change.table: change for change in changes(before.layout, after.layout)}
    for table in (*passes.read, *(name for name in after.texts if after.texts[name] != before.texts.get(name))):
        known = any(table in {change.table, change.was} for change in found.values())
        if not known and table in after.layout:
            found[table] = Change(table, table)
    return tuple(_effect(statement, change, passes) for change in found.values())


def _effect(statement: str, change: Change, passes: _Passes) -> Effect:
    if change.gone or change.was is None:
        kind, how = "metadata", "the table is dropped" if change.gone else "the table is new"
    elif change.was in passes.read and change.was in passes.written:
        kind, how = "rebuild", "its rows are read and written again where they are"
    elif change.was in passes.read and passes.written:
        kind, how = "copy", "its rows are written to another table"
    elif change.was in passes.read and passes.indexing:
        kind, how = "index", "its rows are read and entered into an index"
    elif change.was in passes.read:
        kind, how = "scan", "its rows are read"
    elif passes.checking and verb(statement) == "ALTER":
        kind, how = "scan", "its rows are checked"
    else:
        kind, how = "metadata", "its rows are not read"
    return Effect(change.table, change.was, kind, how)
