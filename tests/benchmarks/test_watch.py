"""What watching a step closely costs, beside the same step on a server that notes nothing, with the clock alone."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql, mysql_statements
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.watch import Watch

from parts.servers import MARIADB, ground

ROUNDS = 5
ROWS = 600_000
MOST = 1.10
"""How much longer a step of a second or more may take."""
BY_ROW = tuple(f"UPDATE large SET name = 'x' WHERE id = {row}" for row in range(40_000))
STEPS = {
    "backfill in one statement": ("UPDATE large SET note = concat('note ', id)",),
    "backfill row by row": ("BEGIN", *BY_ROW, "COMMIT"),
    "copy and index": ("ALTER TABLE large MODIFY id BIGINT", "CREATE INDEX by_name ON large (name)"),
}


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


def seconds(server: Server, address: Address, step: tuple[str, ...], *, closely: bool) -> float:
    """How long a step takes with all that is around it but the loading of its table."""
    place = {"unix_socket": str(address.socket), "database": "app", "ssl_disabled": True}
    connection: Any = pymysql.connect(user="app", password="password", autocommit=True, **place)
    with contextlib.closing(connection):
        cursor = connection.cursor()
        cursor.execute("DROP TABLE IF EXISTS large")
        cursor.execute("CREATE TABLE large (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(200))")
        cursor.execute(f"INSERT INTO large SELECT seq, concat('n', seq), NULL FROM seq_1_to_{ROWS}")
        began = time.perf_counter()
        watch = (
            Watch.start("mysql", server, address, lambda: server.counters(address), closely=True) if closely else None
        )
        for statement in step:
            cursor.execute(statement)
        if watch is not None:
            assert watch.stop().statements
        return time.perf_counter() - began


@pytest.mark.system
@pytest.mark.timeout(900)
def test_a_step_of_a_second_takes_little_longer_when_it_is_watched(tmp_path: Path) -> None:
    with (
        served(tmp_path / "plain", noting=False) as (plain, plain_address, plain_start),
        served(tmp_path / "noting", noting=True) as (noting, address, start),
    ):
        print(f"\nstart of a server: {plain_start:.2f} s; of one that notes statements: {start:.2f} s")
        for name, step in STEPS.items():
            bare, watched = [], []
            for _ in range(ROUNDS):
                bare.append(seconds(plain, plain_address, step, closely=False))
                watched.append(seconds(noting, address, step, closely=True))
            ratio = statistics.median(watched) / statistics.median(bare)
            print(
                f"  {name:26} alone {statistics.median(bare):5.2f} s, watched {statistics.median(watched):5.2f} s, "
                f"ratio {ratio:.3f} (least {min(watched) / min(bare):.3f})"
            )
            assert min(watched) / min(bare) < MOST
