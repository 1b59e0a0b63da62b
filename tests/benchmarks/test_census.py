"""What it costs to count the rows and values of a large table, beside counting its rows alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thplugins_dbmigration.census import TableCensus

from parts.servers import EMBEDDED, MARIADB, SQLITE, Kind, ground, query

ROWS = 1_000_000
ROUNDS = 3
COLUMNS = (
    "id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name VARCHAR(40), note VARCHAR(200), amount INTEGER, day INTEGER"
)
DOUBLE = (
    "INSERT INTO large SELECT id + {count}, owner, name, note, amount, day FROM large WHERE id <= {limit} - {count}"
)


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED, SQLITE], ids=str)
def test_a_census_takes_a_few_times_what_counting_the_rows_takes(kind: Kind, tmp_path: Path) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        query(address, f"CREATE TABLE large ({COLUMNS})")
        query(address, "INSERT INTO large VALUES (1, 7, 'a name of some length', 'what is to be said of it', NULL, 20)")
        count = 1
        while count < ROWS:
            query(address, DOUBLE.format(count=count, limit=ROWS))
            count = min(ROWS, 2 * count)
        server.settle(address)
        found = server.census(address)
        assert found["large"] == TableCensus(
            ROWS, {"id": ROWS, "owner": ROWS, "name": ROWS, "note": ROWS, "amount": 0, "day": ROWS}
        )
        census_s = seconds(lambda: server.census(address))
        rows_s = seconds(lambda: query(address, "SELECT count(*) FROM large"))
    print(
        f"\n{kind!s:22} census of {ROWS:,} rows: {census_s * 1000:6.0f} ms;"
        f" count(*) alone: {rows_s * 1000:6.0f} ms; ratio {census_s / rows_s:.1f}"
    )
