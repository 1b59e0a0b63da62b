"""What PostgreSQL counts."""

from __future__ import annotations

from thplugins_dbmigration.measure.meaning import Meaning

REPORTED_COUNTERS = {
    "tup_returned": Meaning("rows", "live rows read by scans, and entries of indexes"),
    "tup_fetched": Meaning("rows", "live rows fetched through an index"),
    "tup_inserted": Meaning("rows", "rows inserted; a table rewrite does not count"),
    "tup_updated": Meaning("rows", "rows updated"),
    "tup_deleted": Meaning("rows", "rows deleted"),
    "blks_read": Meaning("blocks", "blocks read from disk or from the system's cache"),
    "blks_hit": Meaning("blocks", "blocks found in the server's own cache"),
    "temp_files": Meaning("files", "temporary files, of index builds too"),
    "temp_bytes": Meaning("bytes", "written to temporary files"),
    "xact_commit": Meaning("transactions", "transactions committed"),
    "xact_rollback": Meaning("transactions", "transactions rolled back"),
    "deadlocks": Meaning("deadlocks", "deadlocks found"),
}
"""Columns of pg_stat_database; the rows of the server's own catalogues are taken off, so that ``CREATE TABLE`` changes
none. A session reports them when it ends a transaction, and at most once a second: None while a session may have
something that it has not reported yet."""

SERVER_COUNTERS = {
    "wal_bytes": Meaning("bytes", "write-ahead log made; rewrites and index builds show here"),
    "database_bytes": Meaning("bytes", "size of the database on disk"),
}
"""Counters that are exact at any moment."""

SUMMED = {
    "blks_dirtied": Meaning(
        "blocks",
        "blocks changed that were clean, by the project's statements; a build of an index counts none of its own",
    ),
    "blks_written": Meaning(
        "blocks",
        "blocks that the project's statements wrote to files themselves: new ones at the end of a table, and others "
        "where memory was full. The rest is written later; a build of an index counts none of its own",
    ),
}
"""Sums of ``shared_blks_dirtied`` and ``shared_blks_written`` of pg_stat_statements over all statements of the project:
before PostgreSQL 16, which has pg_stat_io, the server tells them nowhere else, and what that has is of all sessions.
Known where the server has that library, around the steps that a change adds, unless a statement failed."""

NOT_OF_FAILED = "pg_stat_statements counts nothing of a statement that failed"
"""Why those are not known of a step in which one did."""

COUNTERS = REPORTED_COUNTERS | SERVER_COUNTERS | SUMMED

COUNTED = {
    "rows": Meaning("rows", "rows that the statement returned or changed"),
    "shared_blks_hit": Meaning("blocks", "blocks found in the server's own cache"),
    "shared_blks_read": Meaning("blocks", "blocks read from disk or from the system's cache"),
    "shared_blks_dirtied": Meaning("blocks", "blocks changed that were clean"),
    "shared_blks_written": Meaning("blocks", "blocks that the statement itself had to write"),
    "temp_blks_read": Meaning("blocks", "blocks read from temporary files"),
    "temp_blks_written": Meaning("blocks", "blocks written to temporary files"),
    "wal_records": Meaning("records", "records of the write-ahead log"),
    "wal_fpi": Meaning("pages", "whole pages in the write-ahead log, as builds of indexes write them"),
    "wal_bytes": Meaning("bytes", "write-ahead log made"),
}
"""Columns of pg_stat_statements, which counts for each statement. Known where the server has that library."""

LOGGED = {
    "temp_bytes": Meaning("bytes", "written to temporary files"),
    "lock_wait_ms": Meaning("milliseconds", "waited for locks of other sessions; waits of a millisecond or more"),
}
"""What the server's log tells for each statement."""

STATEMENT_COUNTERS = COUNTED | LOGGED
"""What is known of a single statement."""

NO_ROW_LOCKS = "PostgreSQL notes the lock of a row in the row itself, and counts none"
"""Why ``rows_locked`` is not known."""


def equivalents(delta: dict[str, int | None]) -> dict[str, int | None]:
    """turbo-hipster's two counters: rows read are ``tup_returned``, rows changed ``tup_inserted + tup_updated +
    tup_deleted``."""
    changed = [delta.get(name) for name in ("tup_inserted", "tup_updated", "tup_deleted")]
    known = [value for value in changed if value is not None]
    return {
        "Innodb_rows_read": delta.get("tup_returned"),
        "XInnodb_rows_changed": sum(known) if len(known) == len(changed) else None,
    }
