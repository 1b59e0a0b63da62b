"""A project with Alembic migrations, changes to it, and a dataset of 200,000 rows with the oddities of real data."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

from thcore.testing.repository import Repository

from parts.alembic_project import AlembicProject

PROJECT = "example/shop"
USERS = 120_000
ORDERS = 90_000
DUPLICATES = 37
"""How many users have an address that somebody else has too."""

REQUIREMENTS = "alembic>=1.13\nPyMySQL>=1.1\nSQLAlchemy>=2\n"

GOOD = "refs/changes/45/12345/2"
BREAKS_ON_DATA = "refs/changes/46/12346/1"
ENDLESS = "refs/changes/47/12347/1"
NEEDS_MISSING_MODULE = "refs/changes/48/12348/1"


def make_repository(path: Path) -> Repository:
    """The project at version 0002, trunk at 0003, and four changes on top of it."""
    files = path.parent / f"{path.name}-files"
    project = AlembicProject(files)
    project.revision(
        "0001",
        None,
        "CREATE TABLE users (id BIGINT PRIMARY KEY, email VARCHAR(255), name VARCHAR(255), note TEXT)",
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, total DECIMAL(12, 2))",
    )
    project.revision("0002", "0001", "ALTER TABLE orders ADD COLUMN state VARCHAR(10)")
    project.revision("0003", "0002", "CREATE INDEX orders_user_id ON orders (user_id)")
    repository = Repository(path, {"requirements.txt": REQUIREMENTS, **contents(files)})
    changes = {
        GOOD: (
            "ALTER TABLE orders ADD COLUMN total_cents BIGINT",
            "UPDATE orders SET total_cents = total * 100 WHERE total IS NOT NULL",
        ),
        BREAKS_ON_DATA: ("CREATE UNIQUE INDEX users_email ON users (email)",),
        ENDLESS: ("UPDATE users SET note = SLEEP(1) WHERE id < 600",),
    }
    for ref, statements in changes.items():
        revision = AlembicProject(files.with_name(ref.replace("/", "-"))).revision("0004", "0003", *statements)
        repository.change(ref, contents(revision.path))
    importing = AlembicProject(files.with_name("importing")).revision("0004", "0003", top="import no_such_module")
    repository.change(NEEDS_MISSING_MODULE, contents(importing.path))
    return repository


def contents(directory: Path) -> dict[str, str]:
    """Every file below a directory."""
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*.*") if path.is_file()}


def write_seed(path: Path) -> None:
    """The seed at version 0002, in SQL that every engine takes."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(f"{line}\n" for line in _seed())


def make_dataset(root: Path, name: str, seed: Path, kind: str, **keys: object) -> Path:
    """A dataset of the seed."""
    directory = root / name
    directory.mkdir(parents=True)
    (directory / "seed.sql.gz").hardlink_to(seed)
    config = {
        "project": PROJECT,
        "type": kind,
        "database": "shop",
        "db_user": "shop",
        "db_pass": "shop",
        "seed_data": "seed.sql.gz",
        "maximum_migration_times": {"default": 120},
        "version": "2026-11",
        **keys,
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def _seed() -> Iterator[str]:
    numbers = random.Random(1)
    yield "CREATE TABLE users (id BIGINT PRIMARY KEY, email VARCHAR(255), name VARCHAR(255), note TEXT);"
    yield (
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, total DECIMAL(12, 2), state VARCHAR(10));"
    )
    yield "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);"
    yield "INSERT INTO alembic_version VALUES ('0002');"
    yield from _inserts("users", (_user(number, numbers) for number in range(1, USERS + 1)))
    yield from _inserts("orders", (_order(number, numbers) for number in range(1, ORDERS + 1)))


def _inserts(table: str, rows: Iterator[str]) -> Iterator[str]:
    batch: list[str] = []
    for row in rows:
        batch.append(row)
        if len(batch) == 1000:
            yield f"INSERT INTO {table} VALUES {', '.join(batch)};"
            batch.clear()
    if batch:
        yield f"INSERT INTO {table} VALUES {', '.join(batch)};"


def _user(number: int, numbers: random.Random) -> str:
    address = number - 1 if number % (USERS // DUPLICATES) == 0 else number
    name = numbers.choice(("'Zoë'", "'Ærø 🎈'", "NULL", "''", f"'{'w' * 255}'", "'O''Hara'"))
    note = f"'{'long ' * 400}'" if number % 1000 == 0 else "NULL"
    return f"({number}, 'user{address}@example.org', {name}, {note})"


def _order(number: int, numbers: random.Random) -> str:
    user = 7 if number % 20 == 0 else numbers.randint(1, USERS)
    total = "NULL" if number % 500 == 0 else f"{numbers.uniform(0, 5000):.2f}"
    state = numbers.choice(("NULL", "'paid'", "'sent'"))
    return f"({number}, {user}, {total}, {state})"
