"""What can be told of an SQLite file: from outside, and by the observer in the project's interpreter."""

from __future__ import annotations

from thplugins_dbmigration.measure.meaning import Meaning

FILE = {
    "database_bytes": Meaning("bytes", "size of the database: page count times page size"),
    "freelist_bytes": Meaning("bytes", "pages in the file that hold nothing"),
    "rows_read": Meaning("rows", "SQLite does not count rows that are read; always unknown"),
}
"""What everybody can tell."""

UNCOUNTED = {
    **dict.fromkeys(
        ("rows_inserted", "rows_updated", "rows_deleted"), "SQLite counts changed rows together; limit rows_changed"
    ),
    "temporary_bytes": "SQLite's temporary files have no name, and belong to a process of the project",
    "wal_bytes": "SQLite does not count what it writes to its journal or WAL; limit pages_written",
}
"""Why these counters, which other engines have, are never known."""

MISSING = {
    name: Meaning(unit, f"always unknown: {UNCOUNTED[name]}")
    for name, unit in {
        "rows_inserted": "rows",
        "rows_updated": "rows",
        "rows_deleted": "rows",
        "wal_bytes": "bytes",
    }.items()
}
"""What nobody can tell."""

PAGES = {
    "page_hits": Meaning("pages", "pages that connections of the project looked at in their memory"),
    "page_misses": Meaning("pages", "pages that they read from the file"),
    "pages_written": Meaning("pages", "pages that they wrote, to the file or its WAL; those of temporary tables too"),
    "pages_spilled": Meaning("pages", "pages that they wrote before the transaction ended, as memory was full"),
}

OBSERVED = {
    "rows_changed": Meaning(
        "rows",
        "rows inserted, updated and deleted, by triggers too, whether that was taken back or not; a change of the "
        "schema counts none",
    ),
    "vm_steps": Meaning(
        "steps",
        "steps of SQLite's machine, its measure of work: reading a row takes a few. Counted in thousands; what a "
        "prepared statement makes beyond its last full thousand is not in it",
    ),
    **PAGES,
}
"""What is observed in the project's interpreter: what is done through Python's module ``sqlite3``."""

COUNTERS = FILE | OBSERVED | MISSING

NO_ROW_LOCKS = "SQLite locks the whole file, and no row"
"""Why ``rows_locked`` is not known."""


def equivalents(delta: dict[str, int | None]) -> dict[str, int | None]:
    """turbo-hipster's two counters. Rows changed are ``rows_changed``; rows read are counted by nobody here."""
    return {"Innodb_rows_read": delta.get("rows_read"), "XInnodb_rows_changed": delta.get("rows_changed")}
