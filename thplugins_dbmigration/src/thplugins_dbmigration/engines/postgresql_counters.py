"""The counters of a PostgreSQL server, and whether its sessions have told theirs."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.postgresql_counts import untold
from thplugins_dbmigration.measure.postgresql import NO_ROW_LOCKS, REPORTED_COUNTERS

REPORT_DELAY_S = 10
"""How long a session that is idle may keep its counts to itself (PGSTAT_IDLE_INTERVAL)."""

_SESSIONS = (
    "SELECT count(*) FILTER (WHERE state <> 'idle' AND NOT (state = 'idle in transaction' "
    # When counting starts, a transaction that has locked no table of the project has neither read nor written any.
    "AND coalesce(state_change < %(since)s::timestamptz, NOT EXISTS (SELECT FROM pg_locks "
    "WHERE pg_locks.pid = pg_stat_activity.pid AND locktype = 'relation' AND relation >= 16384)))), "
    # The observer's last statement in a session that it leaves open.
    "count(*) FILTER (WHERE state = 'idle' AND query <> 'SELECT pg_stat_force_next_flush()' "
    "AND clock_timestamp() - state_change < make_interval(secs => %(delay)s)), clock_timestamp() "
    "FROM pg_stat_activity "
    "WHERE datname = %(database)s AND usename = %(user)s AND backend_type = 'client backend'"
)
_ACTIVE = (
    "SELECT to_hex(extract(epoch FROM date_trunc('second', backend_start))::bigint) || '.' || to_hex(pid) "
    "FROM pg_stat_activity WHERE datname = %s AND usename = %s AND state = 'active'"
)
_CATALOGUE = ("tup_returned", "tup_fetched", "tup_inserted", "tup_updated", "tup_deleted")
# Objects of the server's own have the numbers below. The shared ones do not count for any database.
_OWN = (
    "SELECT coalesce(sum(pg_stat_get_tuples_returned(oid)), 0), coalesce(sum(pg_stat_get_tuples_fetched(oid)), 0), "
    "coalesce(sum(pg_stat_get_tuples_inserted(oid)), 0), coalesce(sum(pg_stat_get_tuples_updated(oid)), 0), "
    "coalesce(sum(pg_stat_get_tuples_deleted(oid)), 0) FROM pg_class WHERE oid < 16384 AND NOT relisshared"
)


def sessions(connection: Any, address: Address, since: Any) -> tuple[int, int, Any]:
    """How many sessions of the project are at work, how many have ended theirs but may not have told what it
    was, and the time on the server's clock. One that holds a transaction open and does nothing in it, such as a lock,
    has nothing to tell; ``since`` is when it was last so that nobody had, None when that is not known."""
    values = {"database": address.database, "user": address.user, "since": since, "delay": REPORT_DELAY_S + 1}
    working, idle, now = connection.execute(_SESSIONS, values).fetchone()
    return int(working), int(idle), now


def active(connection: Any, address: Address) -> frozenset[str]:
    """The sessions of the project that are at work, as the server's log calls them."""
    return frozenset(name for (name,) in connection.execute(_ACTIVE, (address.database, address.user)).fetchall())


def read(connection: Any, *, settled: bool) -> dict[str, int | None]:
    """The totals of the database that the session is in. Those that sessions report are None unless all have
    (``settled``)."""
    counters: dict[str, int | None] = dict.fromkeys(REPORTED_COUNTERS)
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in REPORTED_COUNTERS)
    wal, size = connection.execute(
        "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_database_size(current_database())"
    ).fetchone()
    total = connection.execute(
        sql.SQL("SELECT {} FROM pg_stat_database WHERE datname = current_database()").format(columns)
    ).fetchone()
    own = dict(zip(_CATALOGUE, connection.execute(_OWN).fetchone(), strict=True))
    if settled:
        for name, value in zip(REPORTED_COUNTERS, total, strict=True):
            counters[name] = int(value) - int(own.get(name, 0))
    return {**counters, "wal_bytes": int(wal), "database_bytes": int(size)}


def reasons(connection: Any) -> dict[str, str]:
    """Why counters are not known, where they are not. ``connection`` is to the database ``template1``."""
    kept_back = "a session may have counted something that it has not told yet"
    return {**dict.fromkeys(REPORTED_COUNTERS, kept_back), **untold(connection), "rows_locked": NO_ROW_LOCKS}
