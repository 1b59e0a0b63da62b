"""What noting statements and looking at locks costs on PostgreSQL, beside the same step on a server that notes nothing:
of the step's own time, and of all that it takes until its statements are told; and what of that the looks are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import postgresql, postgresql_counts, postgresql_log, postgresql_noting
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.postgresql_statements import TELL_COUNTS
from thplugins_dbmigration.measure.locks import Locks
from thplugins_dbmigration.measure.watch import Watch

from parts.servers import SYSTEM, ground, query

ROUNDS = 7
ROWS = 600_000
MOST = 1.10
"""How much longer a step of a second or more may take."""
TABLES = 300
BY_ROW = tuple(f"UPDATE large SET name = 'x' WHERE id = {row}" for row in range(20_000))
STEPS = {
    "backfill in one statement": ("UPDATE large SET note = 'note ' || id",),
    "backfill row by row": ("BEGIN", *BY_ROW, "COMMIT"),
    "rewrite with many locks": (
        "BEGIN",
        *(f"ALTER TABLE small{number} ADD more int" for number in range(TABLES)),
        "ALTER TABLE large ALTER id TYPE bigint",
        "ALTER TABLE large ALTER id TYPE int",
        "ROLLBACK",
    ),
    "rewrite and index": ("ALTER TABLE large ALTER id TYPE bigint", "CREATE INDEX by_name ON large (name)"),
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
        with ground(root, SYSTEM) as made, made.server() as server:
            patch.undo()  # for the other server
            address = server.create("app", "app", "password")
            for number in range(TABLES):
                query(address, f"CREATE TABLE small{number} (id int PRIMARY KEY)")
            yield server, address


def seconds(server: Server, address: Address, step: tuple[str, ...], *, closely: bool) -> tuple[float, float]:
    """How long a step takes itself, and with all that is around it but the loading of its table."""
    session = psycopg.connect(
        host=str(address.socket),
        dbname="app",
        user="app",
        password="password",
        autocommit=True,
        cursor_factory=psycopg.ClientCursor,
    )
    with contextlib.closing(session):
        session.execute("DROP TABLE IF EXISTS large")
        session.execute("CREATE TABLE large (id int PRIMARY KEY, name text, note text)")
        session.execute(f"INSERT INTO large SELECT n, 'n' || n FROM generate_series(1, {ROWS}) n".encode())
        session.execute(TELL_COUNTS)
        began = time.perf_counter()
        watch = None
        if closely:
            watch = Watch.start(
                "postgresql", server, address, lambda: server.counters(address), closely=True, canary=True
            )
        starts = time.perf_counter()
        for statement in step:
            session.execute(statement.encode())
        session.execute(TELL_COUNTS)  # as the observers do, else the gate waits for the counts
        ends = time.perf_counter()
        if watch is not None:
            assert sum(each.calls for each in watch.stop().statements) >= len(step)
        return ends - starts, time.perf_counter() - began


@pytest.mark.system
@pytest.mark.timeout(900)
def test_a_step_of_a_second_takes_little_longer_when_postgresql_notes_it(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "noting").mkdir()
    with (
        served(tmp_path / "noting", noting=True) as (noting, address),
        served(tmp_path / "plain", noting=False) as (plain, plain_address),
    ):
        print()
        ratios = []
        for name, step in STEPS.items():
            bare, watched, unlocked = [], [], []
            for _ in range(ROUNDS):
                bare.append(seconds(plain, plain_address, step, closely=False))
                watched.append(seconds(noting, address, step, closely=True))
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Locks, "start", lambda *_: Locks(()))
                    unlocked.append(seconds(noting, address, step, closely=True))
            for what, *each in zip(("its own", "in all"), _least(bare), _least(watched), _least(unlocked), strict=True):
                alone, told, without = each
                ratios.append(told / alone)
                print(
                    f"  {name:26} {what:7} alone {alone:5.2f} s, watched {told:5.2f} s, ratio {ratios[-1]:.3f}; "
                    f"without looks at locks {without:5.2f} s"
                )
        assert max(ratios) < MOST


def _least(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    return min(own for own, _ in rounds), min(whole for _, whole in rounds)
