"""What watching a step closely costs, beside the same step on a server that notes nothing, with the clock alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy
from attrs import frozen

from benchmarks.pairs import Ratio, in_turn, span
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql, mysql_statements
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.watch import Watch

from parts.servers import MARIADB, ground

ROUNDS = 10
ROWS = 400_000
LOOPS = 15_000
MOST = 1.10
"""How much longer a step of a second or more may take."""


def row_by_row(connection: sqlalchemy.Connection) -> None:
    """As migrations in Python do it: every statement goes through SQLAlchemy."""
    for row in range(1, LOOPS + 1):
        connection.execute(sqlalchemy.text("UPDATE large SET name = :name WHERE id = :id"), {"name": "x", "id": row})


def at_once(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("UPDATE large SET note = concat('note ', id)")


def copy_and_index(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE large MODIFY id BIGINT")
    connection.exec_driver_sql("CREATE INDEX by_name ON large (name)")


STEPS = (row_by_row, at_once, copy_and_index)


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


@frozen
class Cost:
    """What a step took with all that is around it, in seconds: of the clock, and of processors in server and client."""

    wall_s: float
    processor_s: float


def cost(server: Any, address: Address, step: Callable[[sqlalchemy.Connection], None], *, closely: bool) -> Cost:
    engine = sqlalchemy.create_engine(address.url("pymysql"), poolclass=sqlalchemy.pool.NullPool)
    process = psutil.Process(server.service.pid)

    def used() -> float:
        times = process.cpu_times()
        return times.user + times.system + time.process_time()

    with contextlib.closing(engine.connect()) as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS large")
        connection.exec_driver_sql("CREATE TABLE large (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(200))")
        connection.exec_driver_sql(f"INSERT INTO large SELECT seq, concat('n', seq), NULL FROM seq_1_to_{ROWS}")
        connection.commit()
        began, used_s = time.perf_counter(), used()
        watch = (
            Watch.start("mysql", server, address, partial(server.counters, address), closely=True, canary=True)
            if closely
            else None
        )
        step(connection)
        connection.commit()
        if watch is not None:
            assert watch.stop().statements
        return Cost(time.perf_counter() - began, used() - used_s)


@pytest.mark.system
@pytest.mark.timeout(1800)
def test_a_step_of_a_second_takes_little_longer_when_it_is_watched(tmp_path: Path) -> None:
    with (
        served(tmp_path / "plain", noting=False) as (plain, plain_address, plain_start),
        served(tmp_path / "noting", noting=True) as (noting, address, start),
    ):
        print(f"\nstart of a server: {plain_start:.2f} s; of one that notes statements: {start:.2f} s")
        ratios = {}
        for step in STEPS:
            bare, watched = in_turn(
                ROUNDS,
                partial(cost, plain, plain_address, step, closely=False),
                partial(cost, noting, address, step, closely=True),
            )
            alone, told = ([each.wall_s for each in costs] for costs in (bare, watched))
            ratio = Ratio.of(told, alone)
            ratios[step.__name__] = ratio.median
            processors = Ratio.of([each.processor_s for each in watched], [each.processor_s for each in bare])
            print(
                f"  {step.__name__:14} alone {span(alone)}, watched {span(told)}; ratio {ratio};"
                f" of the processors' time {processors}"
            )
        assert max(ratios.values()) < MOST, ratios
