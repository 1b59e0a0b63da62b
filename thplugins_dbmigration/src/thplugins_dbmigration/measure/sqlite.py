"""What can be told of an SQLite file from outside."""

from __future__ import annotations

from thplugins_dbmigration.measure.meaning import Meaning

COUNTERS = {
    "database_bytes": Meaning("bytes", "size of the database: page count times page size"),
    "freelist_bytes": Meaning("bytes", "pages in the file that hold nothing"),
    "rows_read": Meaning("rows", "SQLite does not count rows for others; always unknown"),
    "rows_changed": Meaning("rows", "SQLite does not count rows for others; always unknown"),
}


def equivalents(delta: dict[str, int | None]) -> dict[str, int | None]:
    """turbo-hipster's two counters, which nobody counts here."""
    return {"Innodb_rows_read": delta.get("rows_read"), "XInnodb_rows_changed": delta.get("rows_changed")}
