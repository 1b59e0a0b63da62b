"""How a dataset names the table that holds a schema's version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen


@frozen
class VersionTable:
    """``alembic_version``, ``schema.alembic_version``, or with the column that counts: ``migrate_version:version``.
    Several columns make a version together, with dots between: ``django_migrations:app+name``. Without a column the
    first one counts."""

    table: str
    schema: str | None = None
    columns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> VersionTable:
        """Take such a name apart."""
        name, _, columns = text.partition(":")
        schema, _, table = name.rpartition(".")
        return cls(table, schema or None, tuple(columns.split("+")) if columns else ())

    def selection(self, quote: str) -> str:
        """What to select, names quoted with ``quote``."""
        return ", ".join(quote + name.replace(quote, quote * 2) + quote for name in self.columns) or "*"

    def version(self, row: Sequence[Any]) -> str:
        """The version that a selected row holds."""
        return ".".join(str(value) for value in row[: len(self.columns) or 1])
