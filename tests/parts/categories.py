"""What a measurement of a step has to tell, category by category, on each engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from thcore.model import Measurement

CATEGORIES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "rows read": {"mysql": ("Innodb_rows_read",), "postgresql": ("tup_returned",), "sqlite": ("rows_read",)},
    "rows inserted": {"mysql": ("Handler_write",), "postgresql": ("tup_inserted",), "sqlite": ("rows_inserted",)},
    "rows updated": {"mysql": ("Handler_update",), "postgresql": ("tup_updated",), "sqlite": ("rows_updated",)},
    "rows deleted": {"mysql": ("Handler_delete",), "postgresql": ("tup_deleted",), "sqlite": ("rows_deleted",)},
    "rows changed": dict.fromkeys(("mysql", "postgresql", "sqlite"), ("XInnodb_rows_changed",)),
    "WAL or redo log": {"mysql": ("Innodb_lsn_current",), "postgresql": ("wal_bytes",), "sqlite": ("wal_bytes",)},
    "binary log": {"mysql": ("Binlog_bytes_written",)},
    "pages touched": {
        "mysql": ("Innodb_buffer_pool_read_requests",),
        "postgresql": ("blks_hit",),
        "sqlite": ("page_hits",),
    },
    "pages changed": {
        "mysql": ("Innodb_buffer_pool_write_requests",),
        "postgresql": ("blks_dirtied",),
        "sqlite": ("pages_written",),
    },
    "pages written": {
        "mysql": ("Innodb_pages_written",),
        "postgresql": ("blks_written",),
        "sqlite": ("pages_written",),
    },
    "temporary files": {
        "mysql": ("Created_tmp_files", "temporary_bytes"),
        "postgresql": ("temp_files", "temp_bytes", "temporary_bytes"),
        "sqlite": ("temporary_bytes",),
    },
    "size of tables": dict.fromkeys(
        ("mysql", "postgresql", "sqlite"), ("table_bytes_before", "peak_bytes", "table_bytes_after")
    ),
    "size of indexes": dict.fromkeys(("mysql", "postgresql", "sqlite"), ("index_bytes_before", "index_bytes_after")),
    "tables rewritten": dict.fromkeys(("mysql", "postgresql", "sqlite"), ("tables_rewritten",)),
    "rows locked": dict.fromkeys(("mysql", "postgresql", "sqlite"), ("rows_locked",)),
    "steps of the machine": {"sqlite": ("vm_steps",)},
}
"""The counters of each category, by engine."""


def silent(engine: str, measurement: Measurement) -> Iterator[str]:
    """The categories in which a step that moves every one of them has moved nothing, and nobody says why."""
    for category, names in CATEGORIES.items():
        for name in names.get(engine, ()):
            value = measurement.counters.get(name)
            if not (value > 0 if value is not None else measurement.unknown.get(name)):
                yield f"{category}: {name} is {value}"
    if measurement.wall_s <= 0:
        yield "wall time"
    if not any(lock.at_most_s > 0 for lock in measurement.locks):
        yield "locks held and how long"
    if not measurement.statements:
        yield "statements"


def unknown(engine: str, measurement: Measurement) -> set[str]:
    """The counters of all categories that the engine could not tell."""
    names = {name for each in CATEGORIES.values() for name in each.get(engine, ())}
    return {name for name in names if measurement.counters.get(name) is None}
