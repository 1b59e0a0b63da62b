"""Datasets of any size, made: a compute service's tables, dumped as each engine's own tool writes it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from thplugins_dbmigration.datasets import Dataset

from parts.dataset import as_read, write_dataset

TABLES = {
    "instances": (
        (0.25, 216),
        ("uuid", "host, state, created_at", "project_id, state", "project_id, created_at", "created_at"),
    ),
    "actions": ((0.45, 158), ("instance_uuid, created_at", "request_id", "action, created_at", "created_at")),
    "caches": ((0.30, 750), ("instance_uuid",)),
}
"""Share of the bytes and about how many a row has in the shortest of the dumps, and the columns of each index: as many
as such a service's own tables have."""
COLUMNS = {
    "instances": (
        ("id", "INTEGER NOT NULL"),
        ("uuid", "VARCHAR(36) NOT NULL"),
        ("host", "VARCHAR(64)"),
        ("project_id", "VARCHAR(32)"),
        ("state", "VARCHAR(20)"),
        ("created_at", "TIMESTAMP NULL"),
        ("description", "VARCHAR(255)"),
    ),
    "actions": (
        ("id", "INTEGER NOT NULL"),
        ("instance_uuid", "VARCHAR(36) NOT NULL"),
        ("request_id", "VARCHAR(40)"),
        ("action", "VARCHAR(30)"),
        ("created_at", "TIMESTAMP NULL"),
        ("message", "VARCHAR(255)"),
    ),
    "caches": (("id", "INTEGER NOT NULL"), ("instance_uuid", "VARCHAR(36) NOT NULL"), ("network_info", "TEXT")),
}
_ROWS_OF_AN_INSERT = 1500
"""About what makes the statements of mysqldump, a megabyte at most."""
_HEAD = {
    "mysql": "SET FOREIGN_KEY_CHECKS=0;\nSET UNIQUE_CHECKS=0;\n",
    "postgresql": "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n",
    "sqlite": "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
}


@frozen
class Writer:
    """Writes the dump of one engine: ``kind`` is a dataset's type."""

    kind: str
    megabytes: int

    def lines(self) -> Iterator[str]:
        """All of it."""
        yield _HEAD[self.kind]
        for table in TABLES:
            yield from self._table(table)
        if self.kind == "sqlite":
            yield "COMMIT;\n"

    def _table(self, table: str) -> Iterator[str]:
        (share, row_bytes), indexes = TABLES[table]
        count = int(self.megabytes * 1_000_000 * share / row_bytes)
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS[table])
        named = [(f"{table}_{indexed.replace(', ', '_')}", indexed) for indexed in indexes]
        keys = "".join(f", KEY {name} ({indexed})" for name, indexed in named) if self.kind == "mysql" else ""
        primary = "" if self.kind == "postgresql" else ", PRIMARY KEY (id)"
        yield f"CREATE TABLE {table} ({columns}{primary}{keys});\n"
        yield from self._rows(table, count)
        if self.kind == "postgresql":
            yield f"ALTER TABLE ONLY {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id);\n"
        if self.kind != "mysql":
            yield from (f"CREATE INDEX {name} ON {table} ({indexed});\n" for name, indexed in named)

    def _rows(self, table: str, count: int) -> Iterator[str]:
        rows = (_row(table, number) for number in range(count))
        if self.kind == "postgresql":
            yield f"COPY {table} FROM stdin;\n"
            yield from ("\t".join(row) + "\n" for row in rows)
            yield "\\.\n"
        elif self.kind == "sqlite":
            yield from (f"INSERT INTO {table} VALUES({_values(row)});\n" for row in rows)
        else:
            yield f"LOCK TABLES {table} WRITE;\n"
            for number, row in enumerate(rows):
                first, last = number % _ROWS_OF_AN_INSERT == 0, (number + 1) % _ROWS_OF_AN_INSERT == 0
                start = f"INSERT INTO {table} VALUES " if first else ","
                end = ";\n" if last or number + 1 == count else ""
                yield f"{start}({_values(row)}){end}"
            yield "UNLOCK TABLES;\n"


def made_dataset(directory: Path, kind: str, megabytes: int) -> Dataset:
    """A dataset whose dump has about so many megabytes (of a million bytes). One that is there is taken as it is."""
    seed = directory / "seed.sql"
    if seed.exists() and seed.stat().st_size:
        return as_read(directory)
    account = {"database": "app", "db_user": "app", "db_pass": "password"}
    write_dataset(directory.parent, directory.name, "", type=kind, project="example/compute", **account)
    new = directory / "seed.new"
    with new.open("w", encoding="utf-8") as stream:
        stream.writelines(Writer(kind, megabytes).lines())
    new.replace(seed)
    return as_read(directory)


def _row(table: str, number: int) -> tuple[str, ...]:
    chance = random.Random(f"{table} {number}")
    uuid = f"{chance.getrandbits(128):032x}"
    shown = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
    at = f"2013-11-{1 + number % 28:02d} 12:{number // 60 % 60:02d}:{number % 60:02d}"
    words = f"{chance.getrandbits(160):040x}"
    if table == "instances":
        owner = f"{chance.getrandbits(128):032x}"
        return (str(number), shown, f"host-{number % 997}", owner, "active", at, words * 2)
    if table == "actions":
        return (str(number), shown, f"req-{words[:36]}", "reboot", at, words)
    return (str(number), shown, f"[{words * 20}]")


def _values(row: tuple[str, ...]) -> str:
    return ",".join((row[0], *(f"'{value}'" for value in row[1:])))
