"""What statements do to tables of MySQL and MariaDB: which ALGORITHM they can do with, and what InnoDB stores anew."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pymysql
from attrs import define, field

from thcore.errors import InfrastructureError
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.mysql_innodb import stored
from thplugins_dbmigration.engines.stage import TIME_LIMIT_S, Change, Effect, Layout, RefusedError, Relation, changes
from thplugins_dbmigration.engines.wording import about, bare, verb

LADDER = {True: ("INSTANT", "NOCOPY", "INPLACE", "COPY"), False: ("INSTANT", "INPLACE", "COPY")}
"""The algorithms from the lightest to the heaviest, of MariaDB (True) and of MySQL."""
_TOO_LIGHT = frozenset({1845, 1846, 1221, 4092})
"""The algorithm cannot do that; of MySQL also: INSTANT does not go with what the statement says of LOCK, or has been
used on the table as often as it can."""
_SYNTAX = 1064
_GONE = frozenset({2006, 2013})
_ON_A_LADDER = re.compile(
    r"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\b|(?:CREATE|DROP)\s[^()]*?\bINDEX\b", re.IGNORECASE
)
_ALGORITHM = re.compile(r"\bALGORITHM\s*=?\s*(INSTANT|NOCOPY|INPLACE|COPY)\b", re.IGNORECASE)
_CLUSTERED = 1
"""The bit in the type of an index that is the table itself."""
_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_INDEXES = "SELECT table_id, index_id, type FROM information_schema.innodb_{kind}indexes"


@define
class MySQLStage:
    """See Stage. ``session`` is the project's, ``admin`` a cursor that may look at what InnoDB keeps."""

    session: Any
    admin: Any
    database: str
    mariadb: bool
    rewriting: str = "rebuild"
    settles: bool = True
    _layout: Layout | None = field(default=None)
    """How the tables are now, where that is known."""

    def play(self, text: str, *, undone: bool = False) -> tuple[Effect, ...]:  # noqa: ARG002 - DDL cannot be undone
        statement = bare(text)
        before = self._known()
        self._layout = None
        rung = self._run(statement)
        after = self._known()
        found = {change.table: change for change in changes(before, after)}
        for table in about(statement, after):
            found.setdefault(table, Change(table, table))
        return tuple(_effect(statement, change, rung) for change in found.values())

    def tables(self) -> Collection[str]:
        return self._known()

    def _known(self) -> Layout:
        if self._layout is None:
            self._layout = self._look()
        return self._layout

    def _run(self, statement: str) -> str:
        """Run it with the lightest algorithm that can do it, and answer that, or the one that it says itself; empty
        where there is none to choose."""
        said = _ALGORITHM.search(statement)
        if said is not None or not _ON_A_LADDER.match(statement):
            self._execute(statement)
            return said[1].upper() if said else ""
        # On a line of its own: the statement may end with a comment.
        clause = "\n, ALGORITHM=" if verb(statement) == "ALTER" else "\nALGORITHM="
        for rung in LADDER[self.mariadb]:
            try:
                self._execute(statement + clause + rung)
            except _CannotError as error:
                if error.code == _SYNTAX:  # such as of partitions
                    break
                if error.code not in _TOO_LIGHT or rung == "COPY":
                    raise
            else:
                return rung
        self._execute(statement)
        return ""

    def _execute(self, statement: str) -> None:
        try:
            with self.session.cursor() as cursor:
                cursor.execute(statement)
        except pymysql.MySQLError as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            if code in _GONE:
                raise InfrastructureError(
                    f"the server of the rehearsal has gone: {error}", code="server-died"
                ) from error
            raise _CannotError(code, f"{code}: {error.args[-1]}") from error

    def _look(self) -> Layout:
        self.admin.execute(_TABLES, (self.database,))
        tables = [str(name) for (name,) in self.admin.fetchall()]
        self.admin.execute(_INDEXES.format(kind="sys_" if self.mariadb else ""))
        indexes: dict[int, set[str]] = {}
        for table, index, kind in self.admin.fetchall():
            if not int(kind) & _CLUSTERED:
                indexes.setdefault(int(table), set()).add(str(index))
        parts = stored(self.admin, self.database, tables, mariadb=self.mariadb)
        # Of a table of another storage engine nothing is known but the name.
        return {
            name: Relation(
                frozenset(str(part.table) for part in parts.get(name, ())) or frozenset({name}),
                frozenset(index for part in parts.get(name, ()) for index in indexes.get(part.table, ())),
            )
            for name in tables
        }


@contextlib.contextmanager
def stage(path: Path, address: Address, admin: Any, *, mariadb: bool) -> Iterator[MySQLStage]:
    """Open a session of the project's account. ``path`` is the server's socket."""
    session = pymysql.connect(
        unix_socket=str(path),
        user=address.user,
        password=address.password.reveal(),
        database=address.database,
        autocommit=True,
        charset="utf8mb4",
        connect_timeout=5,
        read_timeout=3 * TIME_LIMIT_S,
        ssl_disabled=True,
    )
    with contextlib.closing(session):
        if mariadb:
            session.cursor().execute(f"SET max_statement_time = {TIME_LIMIT_S}")
        yield MySQLStage(session, admin, address.database, mariadb)


class _CannotError(RefusedError):
    def __init__(self, code: int, told: str) -> None:
        self.code = code
        super().__init__(told)


def _effect(statement: str, change: Change, rung: str) -> Effect:
    least = f"ALGORITHM={rung} is the lightest that the server takes" if rung else ""
    if change.was is None or change.gone:
        kind, how = "metadata", "the table is dropped" if change.gone else "the table is new"
    elif rung == "COPY":
        kind, how = "copy", ""
    elif change.anew and verb(statement) == "TRUNCATE":
        kind, how = "metadata", "an empty table takes its place"
    elif change.anew:
        # A change of the engine copies, whatever the statement asks for.
        in_place = rung in {"NOCOPY", "INPLACE"} or verb(statement) == "OPTIMIZE"
        kind, how = "rebuild" if in_place else "copy", "the table has another id in InnoDB, or none"
    elif change.indexed:
        kind, how = "index", "an index has a new id in InnoDB"
    else:
        kind, how = "metadata", "the table and its indexes keep their ids in InnoDB"
    told = "; ".join(part for part in (least, how) if part)
    return Effect(change.table, change.was, kind, told, anew=change.anew)
