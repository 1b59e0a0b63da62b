"""A dataset like a real shop's after some years, with the oddities that break migrations: PostgreSQL, version 0002."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

CUSTOMERS = 20_000
ORDERS = 60_000
SEED = 20_140_112
"""Of the random numbers: every quickstart judges the same rows."""

CONFIG = {
    "project": "example/shop",
    "type": "postgresql",
    "database": "shop",
    "db_user": "shop",
    "db_pass": "shop",
    "seed_data": "seed.sql.gz",
    "maximum_migration_times": {"default": 60},
}

_NAMES = ("Ada", "Björk", "陳", "Øyvind", "Zoë", "Nikolaj", "Ines", "Olu", "Màiri", "Jean-Luc")


def write(directory: Path) -> None:
    """Write the dataset: config.json and seed.sql.gz."""
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    with gzip.open(directory / "seed.sql.gz", "wt", encoding="utf-8", compresslevel=6) as file:
        file.writelines(f"{line}\n" for line in _seed())


def _seed() -> Iterator[str]:
    numbers = random.Random(SEED)  # noqa: S311 - sample data
    yield "CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL, name text, created_at timestamptz);"
    yield (
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers,"
        " total numeric(12,2), note text, placed_at timestamptz, status text);"
    )
    yield "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
    yield "INSERT INTO alembic_version VALUES ('0002');"
    yield "COPY customers (id, email, name, created_at) FROM stdin;"
    yield from (_customer(number, numbers) for number in range(1, CUSTOMERS + 1))
    yield "\\."
    yield "COPY orders (id, customer_id, total, note, placed_at, status) FROM stdin;"
    yield from (_order(number, numbers) for number in range(1, ORDERS + 1))
    yield "\\."


def _customer(number: int, numbers: random.Random) -> str:
    # An import of an older shop brought a few hundred people in for the second time.
    address = number - 7_000 if number % 97 == 0 and number > 7_000 else number
    email = f"customer{address}@example.com" if number % 1_000 else ""
    name = (
        "\\N" if numbers.random() < 0.02 else f"{numbers.choice(_NAMES)} {'x' * 250 if number % 5_000 == 1 else number}"
    )
    created = "\\N" if number < 20 else f"{2009 + number // 2_000}-{1 + number % 12:02d}-{1 + number % 28:02d} 12:00+00"
    return f"{number}\t{email}\t{name}\t{created}"


def _order(number: int, numbers: random.Random) -> str:
    # One wholesaler has a tenth of all orders; some orders never got a total.
    customer = 42 if number % 10 == 0 else numbers.randint(1, CUSTOMERS)
    total = "\\N" if number % 333 == 0 else f"{numbers.lognormvariate(3.5, 1.2):.2f}"
    note = "\\N" if number % 3 else numbers.choice(("", "please ring twice", "🎁 gift", "x" * 2_000))
    placed = f"{2010 + number // 5_000}-{1 + number % 12:02d}-{1 + number % 28:02d} 08:30+00"
    return f"{number}\t{customer}\t{total}\t{note}\t{placed}\t{numbers.choice(('paid', 'sent', 'open'))}"
