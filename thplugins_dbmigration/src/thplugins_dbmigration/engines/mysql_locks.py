"""The locks that sessions of a project have on tables and rows of MySQL and MariaDB.

Tables: MySQL tells them in performance_schema, MariaDB by its plugin metadata_lock_info. MariaDB's performance_schema
has them as well, but in the mode in which a lock was asked for, though ALTER TABLE raises it later.

Rows: InnoDB tells how many a transaction has locked, not which.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pymysql
from attrs import define, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.mysql_share import Share
from thplugins_dbmigration.engines.mysql_statements import kept
from thplugins_dbmigration.measure.lock_view import Against, Held

_PLUGIN, _INSTRUMENT = "metadata_lock_info", "wait/lock/metadata/sql/mdl"
MARIADB, MYSQL = f"--plugin-load-add={_PLUGIN}", f"--loose-performance-schema-instrument={_INSTRUMENT}=ON"
"""What a server is started with, so that it tells its locks. It does not mind when it has nothing of the kind."""
UNTOLD = "the server has nothing that tells locks: MariaDB's plugin metadata_lock_info is not installed"
TABLES_INTERVAL_S = 0.05
ROWS_INTERVAL_S = 0.12
_STALE_S = 0.1
"""InnoDB looks at its transactions again when nobody has asked for them for so long."""
MODES: Mapping[str, Against] = {
    "SHARED_UPGRADABLE": Against.SCHEMA,
    "SHARED_READ_ONLY": Against.WRITERS,
    "SHARED_NO_WRITE": Against.WRITERS,
    "SHARED_NO_READ_WRITE": Against.ALL,
    "EXCLUSIVE": Against.ALL,
}
"""Modes of locks on tables. Who reads or writes one has a weaker lock, which only changes of the schema wait for."""
WRITING = "SHARED_WRITE"
"""The mode of the lock on a table that goes with locks on its rows."""

_BY_LOCK_TABLES = frozenset({"SHARED_READ_ONLY", "SHARED_NO_READ_WRITE"})
"""Those that UNLOCK TABLES gives back. The others go with their statement."""
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
# What is instrumented are the sessions of others than the gate: see mysql_statements.leaving_out().
_LOCKS = """
SELECT t.processlist_id, l.{mode}, l.{table}, s.event_id
FROM {source} l
JOIN performance_schema.threads t ON {whose} AND t.instrumented = 'YES'
JOIN performance_schema.events_statements_current s ON s.thread_id = t.thread_id
WHERE {on_tables}
"""
_ROWS = """
SELECT x.trx_id, x.trx_rows_locked, l.{mode}, l.{table}
FROM information_schema.innodb_trx x
JOIN performance_schema.threads t ON t.processlist_id = x.trx_mysql_thread_id AND t.instrumented = 'YES'
JOIN {source} l ON {whose} AND {on_tables}
WHERE x.trx_rows_locked > 0
"""
_BY_PLUGIN = {
    "source": f"information_schema.{_PLUGIN}",
    "mode": "lock_mode",
    "table": "table_name",
    "whose": "l.thread_id = t.processlist_id",
    "on_tables": "l.table_schema = %s AND l.lock_type = 'Table metadata lock'",
}
_BY_INSTRUMENT = {
    "source": "performance_schema.metadata_locks",
    "mode": "lock_type",
    "table": "object_name",
    "whose": "l.owner_thread_id = t.thread_id",
    "on_tables": "l.object_schema = %s AND l.object_type = 'TABLE' AND l.lock_status = 'GRANTED'",
}


@frozen
class Session:
    """The administrator's, with the names of the tables that are there, from which ``share`` counts."""

    connection: Any
    cursor: Any
    database: str
    tables: frozenset[str]
    share: Share

    @classmethod
    def open(cls, connection: Any, database: str, cost: Mapping[str, int]) -> Session:
        """Without a ``connection`` there was none to be had; ``cost`` is what telling its own counters costs. Raises
        InfrastructureError."""
        if connection is None:
            raise InfrastructureError("mysql: no more sessions are to be had", code="server-not-answering")
        with _unbroken():
            cursor = connection.cursor()
            cursor.execute(_TABLES, (database,))
            tables = frozenset(str(name) for (name,) in cursor.fetchall())
            return cls(connection, cursor, database, tables, Share.begin(cursor, cost))

    def close(self) -> Mapping[str, int]:
        """End it, and tell its share. Raises InfrastructureError."""
        with _unbroken(), contextlib.closing(self.connection):
            return self.share.end()

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        """What the server answers about the database. Raises InfrastructureError."""
        with _unbroken():
            self.cursor.execute(question, (self.database,))
            return list(self.cursor.fetchall())


@frozen
class MySQLTableLocks:
    """Locks on tables. ``words`` are those of the server for its list of locks."""

    session: Session
    words: Mapping[str, str]
    interval_s: float = TABLES_INTERVAL_S

    def look(self) -> Collection[Held]:
        return [
            Held(table, mode, MODES[mode], frozenset({_holder(thread, mode, statement)}))
            for thread, told, table, statement in self.session.asked(_LOCKS.format(**self.words))
            if (mode := _plain(told)) in MODES and table in self.session.tables
        ]

    def close(self) -> Mapping[str, int]:
        return self.session.close()


@define
class MySQLRowLocks:
    """Locks on rows, of each table that their transaction writes."""

    session: Session
    words: Mapping[str, str]
    interval_s: float = ROWS_INTERVAL_S
    _looked_s: float = 0.0
    """When it last did, on the clock of ``time.monotonic``."""

    def look(self) -> Collection[Held] | None:
        if time.monotonic() - self._looked_s <= _STALE_S:
            return None
        found = self.session.asked(_ROWS.format(**self.words))
        self._looked_s = time.monotonic()
        return [
            Held(table, WRITING, Against.ROWS, frozenset({str(transaction)}), rows=int(rows))
            for transaction, rows, mode, table in found
            if _plain(mode) == WRITING and table in self.session.tables
        ]

    def close(self) -> Mapping[str, int]:
        return self.session.close()


View = MySQLTableLocks | MySQLRowLocks


def views(cursor: Any, database: str, connect: Callable[[], Any], cost: Mapping[str, int]) -> tuple[View, ...]:
    """Those of a server, each with a session of its own; none where it does not tell. ``connect`` answers a session of
    the administrator, None when there is none to be had; ``cost`` is what telling its own counters costs one. Raises
    InfrastructureError."""
    words = told_by(cursor)
    if words is None:
        return ()
    tables, rows = (Session.open(connect(), database, cost) for _ in range(2))
    return MySQLTableLocks(tables, words), MySQLRowLocks(rows, words)


def told_by(cursor: Any) -> Mapping[str, str] | None:
    """The server's words for its list of locks. None where it has none, or does not know whose they are."""
    if not kept(cursor):
        return None
    cursor.execute("SELECT 1 FROM information_schema.plugins WHERE plugin_name = %s", (_PLUGIN,))
    if cursor.fetchone() is not None:
        return _BY_PLUGIN
    question = "SELECT 1 FROM performance_schema.setup_instruments WHERE name = %s AND enabled = 'YES'"
    cursor.execute(question, (_INSTRUMENT,))
    return None if cursor.fetchone() is None else _BY_INSTRUMENT


def _plain(mode: object) -> str:
    return str(mode).removeprefix("MDL_")


def _holder(thread: int, mode: str, statement: object) -> str:
    return str(thread) if mode in _BY_LOCK_TABLES else f"{thread} {statement}"


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    try:
        yield
    except (pymysql.MySQLError, OSError) as error:
        told = f"mysql: the session that looks at locks broke: {error}"
        raise InfrastructureError(told, code="server-not-answering") from error
