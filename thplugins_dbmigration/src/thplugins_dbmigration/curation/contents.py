"""What is in a dataset's database: its tables, how large they are, and which versions it says it is at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from attrs import frozen

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.walk.ground import Ground

if TYPE_CHECKING:
    import sqlalchemy

VERSION_TABLES: Mapping[str, str] = {
    r"alembic_version\w*": "",
    "migrate_version": ":version",
    "django_migrations": ":app+name",
    r"\w*_yoyo_migration": ":migration_id",
}
"""Where tools keep the versions that a database is at, and what to read there."""
HISTORIES = re.compile(r"(.*\.)?(django_migrations|\w*_yoyo_migration)")
"""Those which list all versions that the database has been through."""


@frozen
class Table:
    """A table; ``size`` is what it takes on the disk with its indexes, in bytes, None when the server does not tell."""

    name: str
    rows: int
    size: int | None = None


@frozen
class Contents:
    """What is in a database. ``server`` is its engine and version; ``versions`` are by the table that they are read
    from."""

    server: str
    tables: tuple[Table, ...]
    versions: Mapping[str, tuple[str, ...]]

    @property
    def rows(self) -> Mapping[str, int]:
        """How many rows each table has."""
        return {table.name: table.rows for table in self.tables}


def contents(ground: Ground, options: DbmigrationOptions, tool_options: Mapping[str, Any]) -> Contents:
    """Look at the database of a server that runs: counts every row. The options may name version tables."""
    census = ground.server.census(ground.address)
    sizes = _sizes(ground.address)
    versions = {}
    for table in _candidates(census, options, tool_options):
        found = ground.server.versions(ground.address, table)
        if found is not None:
            versions[table.partition(":")[0]] = tuple(sorted(found))
    tables = (Table(name, found.rows, sizes.get(name)) for name, found in sorted(census.items()))
    return Contents(f"{ground.address.dialect} {ground.server.version}", tuple(tables), versions)


def disagreement(start: Iterable[str], versions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """In what a database that lists ``versions`` is not where a config.json says that it starts, in lines."""
    wanted: dict[str, set[str]] = {}
    for text in start:
        chain, _, version = text.rpartition(":")
        wanted.setdefault(chain, set()).add(version)
    lines = []
    for chain, expected in wanted.items():
        if "." in chain and chain not in versions:
            continue  # it is in another database
        listed = [(name, set(found)) for name, found in versions.items() if chain in {"", name}]
        if not any(found == expected or (HISTORIES.fullmatch(name) and expected <= found) for name, found in listed):
            there = "; ".join(f"{name}: {', '.join(sorted(found)) or 'nothing'}" for name, found in listed)
            where = f"{chain}:" if chain else ""
            lines.append(
                f"config.json says start: {', '.join(sorted(where + version for version in expected))}, but the "
                f"database is at {there or 'no version of any tool that is known'}"
            )
    return tuple(lines)


def _candidates(census: Iterable[str], options: DbmigrationOptions, tool_options: Mapping[str, Any]) -> tuple[str, ...]:
    found = [
        f"{name}{columns}"
        for name in census
        for pattern, columns in VERSION_TABLES.items()
        if re.fullmatch(pattern, name.rpartition(".")[2])
    ]
    named = [getattr(getattr(options, field.name), "version_table", None) for field in attrs.fields(type(options))]
    known = {name.partition(":")[0] for name in found}
    more = {str(name) for name in (*named, tool_options.get("version_table")) if name}
    return (*found, *sorted(name for name in more if name.partition(":")[0] not in known))


_SIZES = {
    "mysql": "SELECT table_name, data_length + index_length FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    "postgresql": "SELECT CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END, "
    "pg_total_relation_size(pg_class.oid) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE relkind IN ('r', 'p')",
    "sqlite": "SELECT coalesce(tbl_name, dbstat.name), sum(pgsize) FROM dbstat "
    "LEFT JOIN sqlite_master ON sqlite_master.name = dbstat.name GROUP BY 1",
}
_DRIVERS = {"mysql": "pymysql", "postgresql": "psycopg"}


def _sizes(address: Address) -> dict[str, int]:
    """Bytes by table; empty when the server does not tell."""
    from sqlalchemy.exc import SQLAlchemyError

    statement = _SIZES.get(address.dialect)
    if statement is None:
        return {}
    try:
        with _connected(address) as connection:
            return {str(name): int(size) for name, size in connection.exec_driver_sql(statement) if size is not None}
    except SQLAlchemyError:  # an SQLite without dbstat
        return {}


@contextmanager
def _connected(address: Address) -> Iterator[sqlalchemy.Connection]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(address.url(_DRIVERS.get(address.dialect)), poolclass=sqlalchemy.pool.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
