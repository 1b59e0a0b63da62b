"""The locks that sessions of a project have on tables of PostgreSQL, from its list of all locks.

The look is taken from another database, so that it has no lock, no transaction and no count in the one that is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg
from attrs import define, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.measure.lock_view import Against, Held

INTERVAL_S = 0.05
MODES: Mapping[str, tuple[str, Against]] = {
    "RowShareLock": ("ROW SHARE", Against.ROWS),
    "RowExclusiveLock": ("ROW EXCLUSIVE", Against.ROWS),
    "ShareUpdateExclusiveLock": ("SHARE UPDATE EXCLUSIVE", Against.SCHEMA),
    "ShareLock": ("SHARE", Against.WRITERS),
    "ShareRowExclusiveLock": ("SHARE ROW EXCLUSIVE", Against.WRITERS),
    "ExclusiveLock": ("EXCLUSIVE", Against.WRITERS),
    "AccessExclusiveLock": ("ACCESS EXCLUSIVE", Against.ALL),
}
"""The modes as pg_locks and as LOCK TABLE call them, but for ACCESS SHARE, which reading takes."""
# Whoever reads a table needs the locks of its indexes too.
_RELATIONS = """
SELECT c.oid, CASE n.nspname WHEN 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
    CASE WHEN i.indexrelid IS NULL THEN '' ELSE c.relname END
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
JOIN pg_class t ON t.oid = coalesce(i.indrelid, c.oid)
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p', 'm') AND t.relpersistence <> 't' AND n.nspname <> 'information_schema'
AND n.nspname !~ '^pg_'
"""
# Nobody but the gate has the administrator's account. A transaction that was prepared is nobody's session.
_LOCKS = """
SELECT l.relation, l.mode, coalesce(a.pid || ' ' || a.xact_start, l.virtualtransaction), a.pid || ' ' || a.query_start
FROM pg_lock_status() l LEFT JOIN pg_stat_get_activity(NULL) a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.database = %s AND l.granted AND l.relation >= 16384 AND l.mode <> 'AccessShareLock'
AND (l.pid IS NULL OR a.usesysid <> %s)
"""


@frozen
class _Relation:
    """A table that is there before the step, or one of its indexes."""

    table: str
    index: str


@define
class PostgreSQLLocks:
    """Of one database. ``outside`` is a session of the administrator in another one, which ``leave`` takes back."""

    outside: Any
    leave: Callable[[Any], None]
    _database: int
    _administrator: int
    _relations: Mapping[int, _Relation]
    interval_s: float = INTERVAL_S

    @classmethod
    def open(cls, outside: Any, leave: Callable[[Any], None], inside: Any) -> PostgreSQLLocks:
        """``inside`` is a session in the database, which knows its tables. ``outside`` is None where there was none to
        be had. Raises InfrastructureError."""
        if outside is None:
            raise InfrastructureError("postgresql: no more sessions are to be had", code="server-not-answering")
        relations = {
            int(oid): _Relation(str(table), str(index)) for oid, table, index in inside.execute(_RELATIONS).fetchall()
        }
        ((database,),) = inside.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
        ((administrator,),) = outside.execute("SELECT oid FROM pg_roles WHERE rolname = current_user").fetchall()
        view = cls(outside, leave, int(database), int(administrator), relations)
        view.look()  # the first question takes a session long
        return view

    def look(self) -> Collection[Held]:
        try:
            rows = self.outside.execute(_LOCKS, (self._database, self._administrator)).fetchall()
        except psycopg.Error as error:
            told = f"postgresql: the session that looks at locks broke: {error}"
            raise InfrastructureError(told, code="server-not-answering") from error
        found = [self._held(int(oid), str(mode), transaction, statement) for oid, mode, transaction, statement in rows]
        return [held for held in found if held is not None]

    def close(self) -> Mapping[str, int]:
        self.leave(self.outside)
        return {}

    def _held(self, oid: int, mode: str, transaction: str | None, statement: str | None) -> Held | None:
        relation = self._relations.get(oid)
        name, against = MODES.get(mode, (mode, Against.SCHEMA))
        # What writes a table has all of its indexes in a mode that says no more.
        if relation is None or (relation.index and against is not Against.ALL):
            return None
        # CREATE INDEX CONCURRENTLY keeps its lock from one transaction to the next. A procedure that ends transactions
        # in its middle keeps no lock of rows.
        holders = {transaction} if against is Against.ROWS else {transaction, f"statement {statement}"}
        return Held(relation.table, name, against, frozenset(map(str, holders)), relation.index)
