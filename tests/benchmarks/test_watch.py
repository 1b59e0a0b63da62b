"""What watching a step closely costs on MariaDB, beside the same step on a server that notes nothing: of the step's own
time, and of all that it takes until its statements are told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy

from benchmarks.pairs import in_turn, told
from benchmarks.watched import timed
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql, mysql_statements
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.watch import Watch

from parts.servers import MARIADB, ground, open_directory

ROUNDS = 10
ROUNDS_OF_A_LOOP = 24
"""Its pace changes more than a single statement's."""
ROWS = 400_000
MOST = 1.10
"""How much longer a step of a second or more may take, with all that is around it."""
STEPS = {
    "row by row": (("UPDATE large SET name = :name WHERE id = :id", 15_000),),
    "at once": (("UPDATE large SET note = concat('note ', id)", 0),),
    "copy and index": (("ALTER TABLE large MODIFY id BIGINT", 0), ("CREATE INDEX by_name ON large (name)", 0)),
}
"""Statements, each with the number of the rows that it is run for; 0 where it is run once, for none."""

PROGRAM = """
import json, time
import sqlalchemy

url, statements = json.loads(input())
with sqlalchemy.create_engine(url).connect() as connection:
    connection.exec_driver_sql("SELECT 1")
    print("ready", flush=True)
    input()
    began = time.perf_counter()
    for statement, rows in statements:
        if not rows:
            connection.exec_driver_sql(statement)
        for row in range(1, rows + 1):  # as migrations in Python do it
            connection.execute(sqlalchemy.text(statement), {"name": "x", "id": row})
    connection.commit()
    print(time.perf_counter() - began, flush=True)
"""


def without_notes(settings: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(setting for setting in settings if setting not in mysql_statements.SETTINGS)
    return (*kept, "--performance-schema=OFF")


@contextlib.contextmanager
def served(root: Path, *, noting: bool) -> Iterator[tuple[Server, Address, float]]:
    """A server, and the seconds that its start took."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        if not noting:
            patch.setattr(mysql, "SETTINGS", without_notes(mysql.SETTINGS))
        made = stack.enter_context(ground(root, MARIADB))
        with made.server():
            """The first start makes the log."""
        began = time.perf_counter()
        server = stack.enter_context(made.server())
        took = time.perf_counter() - began
        patch.undo()
        yield server, server.create("app", "app", "password"), took


def seconds(server: Server, address: Address, step: str, *, closely: bool) -> tuple[float, float]:
    """How long a step takes itself, and with all that is around it but the loading of its table."""
    url = address.url("pymysql")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS large")
        connection.exec_driver_sql("CREATE TABLE large (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(200))")
        connection.exec_driver_sql(f"INSERT INTO large SELECT seq, concat('n', seq), NULL FROM seq_1_to_{ROWS}")
    count = partial(server.counters, address)
    start = partial(Watch.start, "mysql", server, address, count, closely=True, canary=True)
    words = [url, STEPS[step]]
    taken, measurement = timed(PROGRAM, words, start if closely else None)
    if measurement is not None:
        assert measurement.statements
    return taken


@pytest.mark.system
@pytest.mark.timeout(1800)
def test_a_step_of_a_second_takes_little_longer_when_it_is_watched() -> None:
    with (
        open_directory() as bare_root,
        open_directory() as root,
        served(bare_root, noting=False) as (plain, plain_address, plain_start),
        served(root, noting=True) as (noting, address, start),
    ):
        print(f"\nstart of a server: {plain_start:.2f} s; of one that notes statements: {start:.2f} s")
        ratios = {}
        for step in STEPS:
            bare, watched = in_turn(
                ROUNDS_OF_A_LOOP if step == "row by row" else ROUNDS,
                partial(seconds, plain, plain_address, step, closely=False),
                partial(seconds, noting, address, step, closely=True),
            )
            ratios[step] = told(step, watched, bare)
        assert {step: ratio for step, ratio in ratios.items() if max(ratio.values()) >= MOST} == {}
