"""What statements do to tables of PostgreSQL: which files are new afterwards, what was read, which locks were held."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psycopg
from attrs import define, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.postgresql_census import OURS
from thplugins_dbmigration.engines.stage import TIME_LIMIT_S, Change, Effect, RefusedError, Relation, changes
from thplugins_dbmigration.engines.wording import bare, verb

# Scans count from when they were last told to the server, so only their difference in a transaction says something.
_TABLES = f"""
SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END, c.oid,
    coalesce(nullif(pg_relation_filenode(c.oid), 0), c.oid)::text,
    array(SELECT coalesce(pg_relation_filenode(i.indexrelid), i.indexrelid)::text
        FROM pg_index i WHERE i.indrelid = c.oid),
    pg_stat_get_xact_numscans(c.oid) + coalesce(
        (SELECT sum(pg_stat_get_xact_numscans(i.indexrelid)) FROM pg_index i WHERE i.indrelid = c.oid), 0),
    coalesce(l.modes, '{{}}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT relation, array_agg(mode ORDER BY mode) modes FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation'
    AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
    GROUP BY relation
) l ON l.relation = c.oid
WHERE c.relkind IN ('r', 'p', 'm') AND {OURS}
"""  # noqa: S608 - constants
_FOREIGN_KEYS = "SELECT oid, confrelid FROM pg_constraint WHERE contype = 'f' AND convalidated"


@frozen
class _Seen:
    """A table in the middle of a transaction. ``locks`` are those that it holds and that keep others out."""

    oid: int
    relation: Relation
    scans: int
    locks: tuple[str, ...]


@frozen
class _Scene:
    """All tables, and the foreign keys that are known to hold, by their number: which table they refer to."""

    tables: dict[str, _Seen]
    references: dict[int, int]


@define
class PostgreSQLStage:
    """See Stage."""

    session: Any
    rewriting: str = "copy"
    settles: bool = True

    def play(self, text: str, *, undone: bool = False) -> tuple[Effect, ...]:
        statement = bare(text)
        try:
            return self._inside(statement, undone=undone)
        except psycopg.errors.ActiveSqlTransaction:  # CONCURRENTLY, VACUUM
            return self._outside(statement)
        except psycopg.Error as error:
            raise self._told(error) from error

    def tables(self) -> Collection[str]:
        return self._look().tables

    def _inside(self, statement: str, *, undone: bool) -> tuple[Effect, ...]:
        """In a transaction of its own, which knows what it has read and locked."""
        ending = "ROLLBACK"
        self.session.execute("BEGIN")
        try:
            before = self._look()
            self.session.execute(statement)
            after = self._look()
            ending = ending if undone else "COMMIT"
        finally:
            if not self.session.closed:
                self.session.execute(ending)
        return _effects(statement, before, after)

    def _outside(self, statement: str) -> tuple[Effect, ...]:
        before = self._look()
        try:
            self.session.execute(statement)
        except psycopg.Error as error:
            raise self._told(error) from error
        after = self._look()
        return _effects(statement, before, after, alone=True)

    def _told(self, error: psycopg.Error) -> Exception:
        if self.session.closed:
            return InfrastructureError(f"the server of the rehearsal has gone: {error}", code="server-died")
        return RefusedError(f"{error.sqlstate}: {(error.diag.message_primary or str(error)).strip()}")

    def _look(self) -> _Scene:
        tables = {
            str(name): _Seen(int(oid), Relation(frozenset({file}), frozenset(indexes)), int(scans), tuple(locks))
            for name, oid, file, indexes, scans, locks in self.session.execute(_TABLES).fetchall()
        }
        return _Scene(tables, dict(self.session.execute(_FOREIGN_KEYS).fetchall()))


@contextlib.contextmanager
def stage(socket: Path, address: Address) -> Iterator[PostgreSQLStage]:
    """Open a session of the project's account. ``socket`` is the directory of the server's socket."""
    session = psycopg.connect(
        host=str(socket),
        dbname=address.database,
        user=address.user,
        password=address.password.reveal(),
        connect_timeout=5,
        autocommit=True,
        prepare_threshold=None,
        options=f"-c statement_timeout={TIME_LIMIT_S}s -c client_min_messages=error",
    )
    with contextlib.closing(session):
        yield PostgreSQLStage(session)


def _effects(statement: str, before: _Scene, after: _Scene, *, alone: bool = False) -> tuple[Effect, ...]:
    was = {name: seen.relation for name, seen in before.tables.items()}
    now = {name: seen.relation for name, seen in after.tables.items()}
    found = {change.table: change for change in changes(was, now)}
    referred = {oid for key, oid in after.references.items() if key not in before.references}
    told = []
    for name, seen in after.tables.items():
        differs = name in found
        change = found.pop(name, Change(name, name))
        scans = seen.scans - (before.tables[change.was].scans if change.was in before.tables else 0)
        if alone or seen.oid in referred:  # what a foreign key refers to is looked up, not checked
            scans = 0
        if differs or scans or seen.locks:
            told.append(_effect(statement, change, scans, seen.locks))
    return (*told, *(Effect(name, name, "metadata", "the table is dropped") for name in found))


def _effect(statement: str, change: Change, scans: int, locks: tuple[str, ...]) -> Effect:
    if change.was is None:
        kind, how = "metadata", "the table is new"
    elif change.anew and verb(statement) == "TRUNCATE":
        kind, how = "metadata", "an empty file takes its place"
    elif change.anew:
        kind, how = "copy", "its rows are in another file afterwards"
    elif change.indexed:
        kind, how = "index", "an index has a new file"
    elif scans:
        kind, how = "scan", "same file; it is read from its beginning to its end"
    else:
        kind, how = "metadata", "same file, which is not read"
    return Effect(change.table, change.was, kind, "; ".join((how, *locks)), anew=change.anew)
