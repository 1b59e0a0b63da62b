"""What a reader or a writer of one row asks PostgreSQL for, as text.

First the table's lock, with LOCK TABLE: a statement that waits for it has nothing, not even a snapshot, that others
might wait for. Then a SELECT: a reader's reads no row, for no row is ever locked against reading, but needs the locks
of the indexes. A writer's looks at who has locked a row; only where somebody has, or had, the lock itself is asked for,
and never waited for. So nothing is written but where a row was locked before. Rows are addressed by their place, for
what looks into an index may clean up the page that it leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from psycopg import sql

from thplugins_dbmigration.measure.probes import LEAST_S, Kind

ROWS = 3
"""How many rows of a table are asked for: one in its first, one in its middle and one in its last block."""
LINES = 300
"""As many rows as a block can have, and some more."""
MODES = {Kind.READ: sql.SQL("ACCESS SHARE"), Kind.WRITE: sql.SQL("ROW EXCLUSIVE")}
# Whether somebody may have locked a row. Who has is told in one column, which can be the number of one transaction or
# that of several together; there are fewer of those, and so it cannot be theirs where it is larger than the last.
_LOCKED = sql.SQL(
    "CASE WHEN xmax::text = '0' THEN false WHEN mxid_age(xmax) > 0 THEN true "
    "ELSE NOT pg_visible_in_snapshot(xmax::text::xid8, pg_current_snapshot()) END"
)
WARM = ""
"""The name of a table of the server's own."""


@define
class Questions:
    """About the tables of one database. They are for sessions that look for names among the server's own first."""

    names: dict[str, sql.Identifier] = field(factory=lambda: {WARM: sql.Identifier("pg_catalog", "pg_am")})
    """Of the tables, by their names in a census."""
    _made: dict[tuple[str, Kind, str], tuple[tuple[str, ...], bytes]] = field(factory=dict)
    """As they were put together last, and for which rows: to do that again takes longer than the answer."""

    def lock(self, kind: Kind, table: str, *, patient: bool) -> sql.Composed:
        """What asks for the table's lock."""
        lock = sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(self.names[table], MODES[kind])
        if not patient:
            return lock + sql.SQL(" NOWAIT; ")
        patience = sql.SQL("SET LOCAL lock_timeout = {}; ").format(sql.Literal(int(LEAST_S * 1000)))
        return patience + lock + sql.SQL("; SET LOCAL lock_timeout TO DEFAULT; ")

    def question(self, kind: Kind, table: str, rows: tuple[str, ...], *, patient: bool) -> bytes:
        """What asks for the table and all that is wanted of it. A writer's is answered as by ``look`` where there are
        ``rows``, and else with the number of the table's blocks: an empty one is not searched."""

        def make() -> sql.Composed:
            wanted = self.look(table, rows) if rows else self._touch(kind, table)
            return self.lock(kind, table, patient=patient) + wanted

        return self._once("patient" if patient else "impatient", kind, table, rows, make)

    def glance(self, kind: Kind, table: str, rows: tuple[str, ...]) -> bytes:
        """The same without patience, in a transaction of its own, and answered in half of the time: for each of the
        ``rows`` that is there with its ``xmax``, which is 0 where nobody has ever locked it."""

        def make() -> sql.Composed:
            glance = sql.SQL("SELECT xmax FROM ONLY {} WHERE ctid = ANY ({})")
            wanted = glance.format(self.names[table], _places(rows)) if rows else self._touch(kind, table)
            return sql.SQL("BEGIN; ") + self.lock(kind, table, patient=False) + wanted + sql.SQL("; COMMIT; ")

        return self._once("glance", kind, table, rows, make)

    def row_lock(self, kind: Kind, table: str, row: str) -> bytes:
        """What asks for a row's lock, and says whether it was to be had and what was written for it. It is undone."""

        def make() -> sql.Composed:
            take = sql.SQL("SELECT FROM ONLY {} WHERE ctid = {}::tid FOR NO KEY UPDATE SKIP LOCKED")
            explain = sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) ")
            wanted = explain + take.format(self.names[table], sql.Literal(row))
            return sql.SQL("BEGIN; ") + self.lock(kind, table, patient=False) + wanted + sql.SQL("; ROLLBACK")

        return self._once("row", kind, table, (row,), make)

    def _once(
        self, what: str, kind: Kind, table: str, rows: tuple[str, ...], make: Callable[[], sql.Composed]
    ) -> bytes:
        made = self._made.get((what, kind, table))
        if made is None or made[0] != rows:
            made = self._made[what, kind, table] = rows, make().as_bytes(None)
        return made[1]

    def look(self, table: str, rows: Sequence[str]) -> sql.Composed:
        """What tells which of these rows are there, and whether somebody may have locked them."""
        return self._look(table, _places(rows))

    def _touch(self, kind: Kind, table: str) -> sql.Composed:
        """What needs the locks of the table and its indexes, and no row; a writer is told how many blocks it has."""
        touch = sql.SQL("SELECT FROM ONLY {} LIMIT 0").format(self.names[table])
        if kind is Kind.READ:
            return touch
        size = sql.SQL("; SELECT pg_relation_size({}) / current_setting('block_size')::int")
        return touch + size.format(sql.Literal(self.names[table].as_string()))

    def search(self, table: str, blocks: int) -> sql.Composed:
        """What finds a row each in some blocks that lie as far from each other as can be, as ``look`` tells them, and
        rather one that nobody has ever locked."""
        numbers = sorted({(blocks - 1) * part // (ROWS - 1) for part in range(ROWS)})
        places = sql.SQL("ARRAY(SELECT format('(%s,%s)', block, line)::tid FROM generate_series(1, {}) line)")
        each = self._look(table, places.format(sql.Literal(LINES))) + sql.SQL(
            " ORDER BY locked, xmax::text <> '0' LIMIT 1"
        )
        parts = sql.SQL("SELECT row, locked FROM unnest({}) block, LATERAL ({}) found")
        return parts.format(sql.Literal(numbers), each)

    def _look(self, table: str, places: sql.Composable) -> sql.Composed:
        look = sql.SQL("SELECT ctid::text AS row, {} AS locked FROM ONLY {} WHERE ctid = ANY ({})")
        return look.format(_LOCKED, self.names[table], places)


def _places(rows: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::tid[]").format(sql.Literal(list(rows)))
