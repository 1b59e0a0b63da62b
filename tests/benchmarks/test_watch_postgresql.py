"""What noting statements, a canary and looking at locks cost on PostgreSQL, beside the same step on a server that notes
nothing: of the step's own time, and of all that it takes until its statements are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen

from benchmarks.pairs import in_turn, told
from benchmarks.watched import timed
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import postgresql, postgresql_counts, postgresql_log, postgresql_noting
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.postgresql_statements import TELL_COUNTS
from thplugins_dbmigration.measure.watch import Watch

from parts.servers import SYSTEM, ground, open_directory, query

MOST = 1.10
"""How much longer a step of a second or more may take, with all that is around it."""
TABLES = 300
BY_ROW = tuple(f"UPDATE large SET name = 'x' WHERE id = {row}" for row in range(40_000))


@frozen
class Step:
    """Some statements, and how many rows the table has before them. A loop's pace changes more than a single
    statement's, and takes more ``rounds``."""

    statements: tuple[str, ...]
    rows: int = 1_500_000
    rounds: int = 10


STEPS = {
    "backfill in one statement": Step(("UPDATE large SET note = 'note ' || id",)),
    "backfill row by row": Step(("BEGIN", *BY_ROW, "COMMIT"), rows=100_000, rounds=24),
    "rewrite with many locks": Step(
        (
            "BEGIN",
            *(f"ALTER TABLE small{number} ADD more int" for number in range(TABLES)),
            "ALTER TABLE large ALTER id TYPE bigint",
            "ALTER TABLE large ALTER id TYPE int",
            "ROLLBACK",
        )
    ),
    "rewrite and index": Step(("ALTER TABLE large ALTER id TYPE bigint", "CREATE INDEX by_name ON large (name)")),
}


@contextlib.contextmanager
def served(root: Path, *, noting: bool) -> Iterator[tuple[Server, Address]]:
    """A server of its own."""
    with pytest.MonkeyPatch.context() as patch:
        if not noting:
            kept = {name: value for name, value in postgresql.SETTINGS.items() if name not in postgresql_log.SETTINGS}
            patch.setattr(postgresql, "SETTINGS", kept)
            patch.setattr(postgresql_noting, "EACH", {})
            patch.setattr(postgresql_counts, "has_library", lambda _programs: False)
        with ground(root, SYSTEM) as made:
            with made.server() as server:
                address = server.create("app", "app", "password")
                for number in range(TABLES):
                    query(address, f"CREATE TABLE small{number} (id int PRIMARY KEY)")
            made.engine.freeze(made.build, made.installation, made.data)  # as that of a snapshot is
            with made.server() as server:
                patch.undo()  # for the other server
                yield server, server.address("app", "app", "password")


PROGRAM = """
import json, time
import psycopg

socket, tell, *statements = json.loads(input())
login = {"host": socket, "dbname": "app", "user": "app", "password": "password"}
with psycopg.connect(**login, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
    session.execute(tell)
    print("ready", flush=True)
    input()
    began = time.perf_counter()
    for statement in [*statements, tell]:
        session.execute(statement.encode())
    print(time.perf_counter() - began, flush=True)
"""


def seconds(server: Server, address: Address, step: Step, *, closely: bool) -> tuple[float, float]:
    """How long a step takes itself, and with all that is around it but the loading of its table."""
    query(address, "DROP TABLE IF EXISTS large")
    query(address, "CREATE TABLE large (id INT PRIMARY KEY, name text, note text)")
    query(address, f"INSERT INTO large SELECT n, 'n' || n FROM generate_series(1, {step.rows}) n")
    count = partial(server.counters, address)
    start = partial(Watch.start, "postgresql", server, address, count, closely=True, canary=True)
    # It tells its counts before and after a step, as the observers do, else the gate waits for them.
    words = [str(address.socket), TELL_COUNTS, *step.statements]
    taken, measurement = timed(PROGRAM, words, start if closely else None)
    if measurement is not None:
        assert sum(each.calls for each in measurement.statements) >= len(step.statements)
    return taken


@pytest.mark.system
@pytest.mark.timeout(1800)
def test_a_step_of_a_second_takes_little_longer_when_postgresql_notes_it() -> None:
    with (
        open_directory() as root,
        open_directory() as bare_root,
        served(root, noting=True) as (noting, address),
        served(bare_root, noting=False) as (plain, plain_address),
    ):
        print()
        ratios = {}
        for name, step in STEPS.items():
            bare, watched = in_turn(
                step.rounds,
                partial(seconds, plain, plain_address, step, closely=False),
                partial(seconds, noting, address, step, closely=True),
            )
            ratios[name] = told(name, watched, bare)
        assert {name: ratio for name, ratio in ratios.items() if max(ratio.values()) >= MOST} == {}
