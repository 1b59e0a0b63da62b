"""What a canary costs a step of a second or more: the same step with one and without, in turn, on clones.

THCORE_BENCH_ROWS is how many rows the table has (1000000: steps of one second and more), THCORE_BENCH_TABLES how many
others there are (20), THCORE_BENCH_ROUNDS how often each is done (5).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Wait
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.canary import Canary

from parts.servers import EMBEDDED, MARIADB, Ground, Kind, copied, ground, open_directory, query

ROWS = int(os.environ.get("THCORE_BENCH_ROWS", "1000000"))
TABLES = int(os.environ.get("THCORE_BENCH_TABLES", "20"))
ROUNDS = int(os.environ.get("THCORE_BENCH_ROUNDS", "5"))
GOAL = 1.10
LARGE = "CREATE TABLE large (id INTEGER PRIMARY KEY, name VARCHAR(80), n INTEGER)"
FIRST = "INSERT INTO large VALUES (1, 'a name that is as long as names tend to be', 1)"
STEPS = {
    "mysql": {
        "copy": "ALTER TABLE large MODIFY n BIGINT, ALGORITHM=COPY",
        "index": "CREATE INDEX by_name ON large (name, n)",
        "update": "UPDATE large SET n = n + 1",
    },
    "postgresql": {
        "rewrite": "ALTER TABLE large ALTER COLUMN n TYPE BIGINT",
        "index": "CREATE INDEX by_name ON large (name, n)",
        "update": "UPDATE large SET n = n + 1",
    },
}

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]


@pytest.fixture(params=[MARIADB, EMBEDDED], ids=str, scope="module")
def seeded(request: pytest.FixtureRequest) -> Iterator[Ground]:
    kind: Kind = request.param
    with open_directory() as directory, ground(directory, kind) as made:
        with made.server() as server:
            address = server.create("app", "app", "password")
            query(address, LARGE)
            query(address, FIRST)
            count = 1
            while count < ROWS:
                query(
                    address, f"INSERT INTO large SELECT id + {count}, name, n FROM large WHERE id <= {ROWS} - {count}"
                )
                count = min(ROWS, 2 * count)
            for number in range(TABLES):
                query(address, f"CREATE TABLE small{number} (id INTEGER PRIMARY KEY)")
                query(address, f"INSERT INTO small{number} VALUES (1), (2)")
            server.settle(address)
        yield made


@contextlib.contextmanager
def clone(seeded: Ground, name: str) -> Iterator[tuple[Server, Address]]:
    target: Path = seeded.data.with_name(name)
    copied(seeded.data, target)
    with seeded.engine.start(seeded.build, seeded.installation, target, log=seeded.log, kept=False) as server:
        yield server, server.address("app", "app", "password")
    shutil.rmtree(target)


def seconds(seeded: Ground, name: str, step: str, *, watched: bool) -> tuple[float, float, tuple[Wait, ...]]:
    """How long the step took, how long the canary took beside it, and what it found."""
    with clone(seeded, name) as (server, address):
        server.census(address)
        names = ("large", *(f"small{number}" for number in range(TABLES))) if watched else ()
        began = time.perf_counter()
        canary = Canary.start(server, address, names) if watched else None
        ready = time.perf_counter()
        if canary is not None:
            canary.begin()
        query(address, step)
        ended = time.perf_counter()
        waits = canary.stop() if canary is not None else ()
        return ended - ready, time.perf_counter() - ended + ready - began, waits


@pytest.mark.parametrize("number", range(3))
def test_a_canary_costs_less_than_a_tenth_of_a_step(seeded: Ground, number: int) -> None:
    name, step = list(STEPS[seeded.engine.name].items())[number]
    plain, watched, beside = [], [], []
    waits: tuple[Wait, ...] = ()
    for turn in range(ROUNDS):
        plain.append(seconds(seeded, f"{name}-{turn}-plain", step, watched=False)[0])
        took, more, waits = seconds(seeded, f"{name}-{turn}-watched", step, watched=True)
        watched.append(took)
        beside.append(more)
    without, with_one = statistics.median(plain), statistics.median(watched)
    found = ", ".join(f"{wait.kind} {wait.wait_s:.2f} s" for wait in waits) or "nobody"
    print(
        f"\n{seeded.engine.name:10} {name:8} alone {without:6.2f} s, with a canary {with_one:6.2f} s; ratio "
        f"{with_one / without:.3f}, with its start and end {(with_one + statistics.median(beside)) / without:.3f} "
        f"(goal: below {GOAL}); waited: {found}"
    )
    assert with_one / without < GOAL
