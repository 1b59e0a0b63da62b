"""What MySQL and MariaDB count."""

from __future__ import annotations

from thplugins_dbmigration.measure.meaning import Meaning

SESSION_COUNTERS = {
    "Handler_read_first": Meaning("requests", "reads of the first entry of an index: full index scans"),
    "Handler_read_key": Meaning("requests", "rows read by key"),
    "Handler_read_last": Meaning("requests", "reads of the last entry of an index"),
    "Handler_read_next": Meaning("requests", "rows read in index order"),
    "Handler_read_prev": Meaning("requests", "rows read in descending index order"),
    "Handler_read_rnd": Meaning("requests", "rows read by position, as after a sort"),
    "Handler_read_rnd_next": Meaning("requests", "rows read in a table scan"),
    "Handler_write": Meaning("rows", "rows written; a table that is copied counts with all its rows"),
    "Handler_update": Meaning("rows", "rows updated"),
    "Handler_delete": Meaning("rows", "rows deleted"),
    "Rows_read": Meaning("rows", "rows read from tables that are not temporary (MariaDB)"),
    "Created_tmp_disk_tables": Meaning("tables", "temporary tables that went to disk"),
    "Sort_merge_passes": Meaning("passes", "merge passes of sorts that did not fit into memory"),
    "Sort_rows": Meaning("rows", "rows sorted"),
}
"""Counters that the server keeps for each session as well as in total."""

SERVER_COUNTERS = {
    "Created_tmp_files": Meaning("files", "temporary files"),
    "Innodb_rows_read": Meaning("rows", "rows read from InnoDB tables (MySQL, MariaDB before 10.9)"),
    "Innodb_rows_inserted": Meaning("rows", "rows inserted into InnoDB tables (MySQL, MariaDB before 10.9)"),
    "Innodb_rows_updated": Meaning("rows", "rows updated in InnoDB tables (MySQL, MariaDB before 10.9)"),
    "Innodb_rows_deleted": Meaning("rows", "rows deleted from InnoDB tables (MySQL, MariaDB before 10.9)"),
    "Innodb_os_log_written": Meaning("bytes", "redo log written; index builds and rebuilds show only here"),
    "Innodb_lsn_current": Meaning("bytes", "redo log made, whether written yet or not"),
    "Innodb_buffer_pool_read_requests": Meaning("pages", "pages looked at in memory"),
    "Innodb_buffer_pool_write_requests": Meaning("pages", "pages changed in memory"),
    "Innodb_pages_created": Meaning("pages", "pages made"),
    "Innodb_pages_read": Meaning("pages", "pages read from files, of those that were not in memory"),
    "Innodb_pages_written": Meaning("pages", "pages written to files so far; the rest is written later"),
    "Innodb_buffer_pool_pages_dirty": Meaning(
        "pages", "pages in memory that are still to be written, more than before the step; fewer are negative"
    ),
    "Innodb_deadlocks": Meaning("deadlocks", "deadlocks found (MariaDB)"),
    "Innodb_row_lock_waits": Meaning("waits", "waits for a lock on a row"),
    "Innodb_row_lock_time": Meaning("milliseconds", "time that was waited for locks on rows"),
}
"""Counters of the whole server. The measuring itself does not touch InnoDB tables."""

ALSO_CALLED = {"Innodb_lsn_current": "Innodb_redo_log_current_lsn"}
"""What MySQL calls a counter that has MariaDB's name here."""

MISSING_COUNTERS = {
    "Binlog_bytes_written": Meaning("bytes", "binary log; always unknown, because the gate's servers keep none"),
}
"""What the server would tell as 0, and is not."""

COUNTERS = SESSION_COUNTERS | SERVER_COUNTERS | MISSING_COUNTERS

STATEMENT_COUNTERS = {
    "rows_affected": Meaning("rows", "rows that it changed; a table that is copied by DDL counts with all its rows"),
    "rows_sent": Meaning("rows", "rows that it answered"),
    "rows_examined": Meaning("rows", "rows that it looked at; DDL counts none"),
    "created_tmp_tables": Meaning("tables", "temporary tables of its own"),
    "created_tmp_disk_tables": Meaning("tables", "those of them that went to disk"),
    "sort_rows": Meaning("rows", "rows that it sorted"),
    "sort_merge_passes": Meaning("passes", "merge passes of sorts that did not fit into memory"),
    "lock_time_us": Meaning("microseconds", "time that it waited for locks on tables; unknown of DDL"),
    "Innodb_lsn_current": Meaning("bytes", "redo log; always unknown, because it is counted for the whole server only"),
}
"""Counters of one statement, columns of performance_schema.events_statements_history_long but for the last."""

_READS = tuple(name for name in SESSION_COUNTERS if name.startswith("Handler_read_"))


def equivalents(delta: dict[str, int | None]) -> dict[str, int | None]:
    """turbo-hipster's two counters. Rows read fall back to ``Rows_read``, then to the sum of ``Handler_read_*``; rows
    changed to ``Handler_write + Handler_update + Handler_delete``."""
    read = delta.get("Innodb_rows_read")
    if read is None:
        read = delta.get("Rows_read")
    if read is None:
        read = total(delta, *_READS)
    changed = total(delta, "Innodb_rows_inserted", "Innodb_rows_updated", "Innodb_rows_deleted")
    if changed is None:
        changed = total(delta, "Handler_write", "Handler_update", "Handler_delete")
    return {"Innodb_rows_read": read, "XInnodb_rows_changed": changed}


def total(delta: dict[str, int | None], *names: str) -> int | None:
    """The sum of some counters; None when one of them is not known."""
    values = [delta.get(name) for name in names]
    return None if any(value is None for value in values) else sum(value for value in values if value is not None)
