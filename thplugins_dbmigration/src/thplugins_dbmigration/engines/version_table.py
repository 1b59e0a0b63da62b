"""How a dataset names the table that holds a schema's version."""

from __future__ import annotations

from attrs import frozen


@frozen
class VersionTable:
    """``alembic_version``, ``schema.alembic_version``, or with the column that counts: ``migrate_version:version``.
    Without one the first column counts."""

    table: str
    schema: str | None = None
    column: str | None = None

    @classmethod
    def parse(cls, text: str) -> VersionTable:
        """Take such a name apart."""
        name, _, column = text.partition(":")
        schema, _, table = name.rpartition(".")
        return cls(table, schema or None, column or None)

    def selection(self, quote: str) -> str:
        """What to select, its name quoted with ``quote``."""
        if self.column is None:
            return "*"
        return quote + self.column.replace(quote, quote * 2) + quote
