"""What PostgreSQL counts for each statement: the view pg_stat_statements, where the server has its library.

The view shows all databases, so it is made where no project looks: in the database ``template1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from attrs import field, frozen

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.measure.postgresql import COUNTED, SUMMED

LIBRARY = "pg_stat_statements"
KEPT = 5000
"""How many statements that differ in more than values the server keeps counts of."""
WITHOUT = f"this server's programs come without {LIBRARY}"
SETTINGS = {
    "shared_preload_libraries": LIBRARY,
    "pg_stat_statements.max": str(KEPT),
    # What functions and DO run for a statement is in its own counts.
    "pg_stat_statements.track": "top",
    "pg_stat_statements.track_utility": "on",
    "pg_stat_statements.save": "off",
}
"""What a server that has the library is told."""

_PLACES = ("lib", "lib/postgresql", "lib64", "lib64/postgresql", "lib/pgsql", "lib64/pgsql")
"""Where the server's libraries are, seen from the directory above its programs."""
_VIEW = (
    f"SELECT queryid, min(query), sum(calls), sum(total_exec_time), {', '.join(f'sum({name})' for name in COUNTED)} "  # noqa: S608 - constants
    "FROM pg_stat_statements(true) JOIN pg_database ON pg_database.oid = dbid JOIN pg_roles ON pg_roles.oid = userid "
    "WHERE datname = %s AND rolname = %s GROUP BY queryid"
)


_BLOCKS = (
    "SELECT (SELECT dealloc FROM pg_stat_statements_info), "
    "coalesce(sum(shared_blks_dirtied), 0), coalesce(sum(shared_blks_written), 0) FROM pg_stat_statements(false) "
    "JOIN pg_database ON pg_database.oid = dbid JOIN pg_roles ON pg_roles.oid = userid "
    "WHERE datname = %s AND rolname = %s"
)


@frozen
class Count:
    """How often statements that differ in values only were run to their end, and what that cost: ``values`` are those
    of ``COUNTED``. ``text`` has numbers in place of the values."""

    text: str
    calls: int
    wall_s: float
    values: tuple[int, ...]

    def since(self, earlier: Count | None) -> Count:
        """What has come since then."""
        if earlier is None:
            return self
        values = tuple(now - then for now, then in zip(self.values, earlier.values, strict=True))
        return Count(self.text, self.calls - earlier.calls, self.wall_s - earlier.wall_s, values)


@frozen
class Counts:
    """The counts by the server's number for statements that differ in values only. ``reason`` says why there are none,
    for people; ``lost`` how often the server forgot some."""

    all: Mapping[int, Count] = field(factory=dict)
    reason: str = ""
    lost: int = 0

    def since(self, earlier: Counts) -> Counts:
        """What has come since then."""
        counts = {number: count.since(earlier.all.get(number)) for number, count in self.all.items()}
        fresh = {number: count for number, count in counts.items() if count.calls}
        return Counts(fresh, self.reason or earlier.reason, self.lost - earlier.lost)


def total(counts: Iterable[Count]) -> dict[str, int | None]:
    """What they cost together, by name."""
    sums = map(sum, zip(*(count.values for count in counts), strict=True))
    return dict(zip(COUNTED, sums, strict=True))


def has_library(programs: Path | None) -> bool:
    """Whether the server with these programs can load it."""
    if programs is None:
        return False
    return any((programs.resolve().parent / place / f"{LIBRARY}.so").is_file() for place in _PLACES)


def blocks(connection: Any, address: Address) -> dict[str, int | None]:
    """What statements of the project have dirtied and written so far; None where nobody counts that, or where the
    server has forgotten some of it. ``connection`` is as for ``counted``, which makes the view."""
    unknown = dict[str, int | None].fromkeys(SUMMED)
    try:
        if not _loaded(connection):
            return unknown
        (made,) = connection.execute("SELECT to_regprocedure('pg_stat_statements(boolean)')").fetchone()
        if made is None:
            return unknown
        lost, *sums = connection.execute(_BLOCKS, (address.database, address.user)).fetchone()
    except psycopg.Error:
        if connection.closed:
            raise
        return unknown
    return unknown if lost else dict(zip(SUMMED, map(int, sums), strict=True))


def untold(connection: Any) -> dict[str, str]:
    """Why ``blocks`` are not known, where they are not."""
    forgotten = f"{LIBRARY} does not answer, or has forgotten some statements"
    return dict.fromkeys(SUMMED, forgotten if _loaded(connection) else WITHOUT)


def _loaded(connection: Any) -> bool:
    (loaded,) = connection.execute("SHOW shared_preload_libraries").fetchone()
    return LIBRARY in loaded


def counted(connection: Any, address: Address, *, first: bool = False) -> Counts:
    """The counts so far, of statements of the project. ``connection`` is to the database ``template1``; the ``first``
    time, the view is made."""
    try:
        if not _loaded(connection):
            return Counts(reason=WITHOUT)
        if first:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {LIBRARY}")
        (lost,) = connection.execute("SELECT dealloc FROM pg_stat_statements_info").fetchone()
        rows = connection.execute(_VIEW, (address.database, address.user)).fetchall()
    except psycopg.Error as error:
        if connection.closed:
            raise
        return Counts(reason=f"{LIBRARY} does not answer: {error.diag.message_primary or error}")
    counts = {
        int(number): Count(text, int(calls), float(wall_ms) / 1000, tuple(map(int, values)))
        for number, text, calls, wall_ms, *values in rows
    }
    return Counts(counts, lost=int(lost))
