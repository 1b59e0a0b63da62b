"""How a dataset names the table that holds a schema's version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen


@frozen
class VersionTable:
    """``alembic_version``, ``schema.alembic_version``, or with the column that counts: ``migrate_version:version``.
    Several columns make a version together, with dots between: ``django_migrations:app+name``. Without a column the
    first one counts. Of a table that several share, the rows of one: ``migrate_version:version[repository_id=nova]``.
    """

    table: str
    schema: str | None = None
    columns: tuple[str, ...] = ()
    only: tuple[str, str] | None = None
    """A column, and the value that rows must have in it to count."""

    @classmethod
    def parse(cls, text: str) -> VersionTable:
        """Take such a name apart."""
        name, _, columns = text.partition(":")
        columns, _, rows = columns.removesuffix("]").partition("[")
        column, _, value = rows.partition("=")
        schema, _, table = name.rpartition(".")
        return cls(
            table, schema or None, tuple(columns.split("+")) if columns else (), (column, value) if rows else None
        )

    @property
    def counted(self) -> str:
        """The table as a census names it."""
        return self.table if self.schema in {None, "public"} else f"{self.schema}.{self.table}"

    @property
    def selected(self) -> tuple[str, ...]:
        """The columns to select, those of the version first; none: all that there are."""
        return (*self.columns, self.only[0]) if self.only else self.columns

    def selection(self, quote: str) -> str:
        """What to select, names quoted with ``quote``."""
        return ", ".join(quote + name.replace(quote, quote * 2) + quote for name in self.selected) or "*"

    def versions(self, rows: Iterable[Sequence[Any]]) -> frozenset[str]:
        """The versions that selected rows hold."""
        width = len(self.columns) or 1
        return frozenset(
            ".".join(str(value) for value in row[:width])
            for row in rows
            if self.only is None or str(row[width]) == self.only[1]
        )
