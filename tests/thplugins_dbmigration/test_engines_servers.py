"""Private servers of every engine: what all of them promise."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.sockets import remove_sockets, server_directory, socket_directory
from thplugins_dbmigration.measure import measured

from parts.servers import (
    ALL,
    BROKEN_SEED,
    EMBEDDED,
    MARIADB,
    ON_MARIADB,
    SEED,
    SQLITE,
    SYSTEM,
    WITH_SERVER,
    Choice,
    Ground,
    Kind,
    copied,
    ground,
    open_directory,
    processes,
    query,
)

pytestmark = pytest.mark.system

PROGRAM = {"mysql": "mariadbd" if ON_MARIADB else "mysqld", "postgresql": "postgres"}


Started = Callable[[str], set[psutil.Process]]


@pytest.fixture
def started() -> Started:
    """The processes of a name that a test has started. Others may have servers that live as long as the run."""
    before = {name: processes(name) for name in PROGRAM.values()}
    return lambda name: processes(name) - before[name]


@pytest.fixture(params=ALL, ids=str)
def any_ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, request.param) as made:
        yield made


@pytest.fixture(params=WITH_SERVER, ids=str)
def server_ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, request.param) as made:
        yield made


def test_a_seed_is_loaded_and_a_clone_of_it_serves_the_same_data(any_ground: Ground) -> None:
    with any_ground.server() as server:
        address = server.create("app", "app", "pass:word/1")
        server.load(any_ground.build, address, any_ground.seed(SEED))
        server.settle(address)
    any_ground.engine.freeze(any_ground.build, any_ground.installation, any_ground.data)
    target = any_ground.data.with_name("clone")
    copied(any_ground.data, target)
    with any_ground.engine.start(any_ground.build, any_ground.installation, target, log=any_ground.log) as server:
        address = server.address("app", "app", "pass:word/1")
        assert query(address, "SELECT name FROM things ORDER BY id") == [("one",), ("two; three",)]
        assert server.versions(address, "alembic_version") == frozenset({"abc"})
        query(address, "INSERT INTO things VALUES (3, 'new')")
    with any_ground.server() as server:
        assert query(server.address("app", "app", "pass:word/1"), "SELECT count(*) FROM things") == [(2,)]


def test_versions_are_read_from_any_column_and_a_missing_table_is_none(any_ground: Ground) -> None:
    with any_ground.server() as server:
        address = server.create("app", "app", "password")
        seed = "CREATE TABLE migrate_version (repository VARCHAR(9), version INTEGER);\n"
        server.load(any_ground.build, address, any_ground.seed(seed))
        assert server.versions(address, "migrate_version") == frozenset()
        query(address, "INSERT INTO migrate_version VALUES ('nova', 254), ('nova', 255)")
        assert server.versions(address, "migrate_version:version") == frozenset({"254", "255"})
        assert server.versions(address, "migrate_version") == frozenset({"nova"})
        assert server.versions(address, "migrate_version:repository+version") == frozenset({"nova.254", "nova.255"})
        assert server.versions(address, "migrate_version:version[repository=nova]") == frozenset({"254", "255"})
        assert server.versions(address, "migrate_version:version[repository=nova_api]") == frozenset()
        assert server.versions(address, "alembic_version") is None


@pytest.mark.parametrize("kind", [EMBEDDED, SYSTEM], ids=str)
def test_a_dump_of_postgresql_does_not_fill_the_log_with_the_numbers_of_its_sequences(
    kind: Kind, tmp_path: Path
) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "pw")
        dump = "CREATE SEQUENCE numbers;\nSELECT pg_catalog.setval('numbers', 4711, true);\n"
        server.load(made.build, address, made.seed(dump))
        assert query(address, "SELECT last_value FROM numbers") == [(4711,)]
    log = made.build.workspace.log.read_text()
    assert "server | " in log
    assert "4711" not in log


def test_a_seed_with_an_error_names_the_line(any_ground: Ground) -> None:
    with any_ground.server() as server:
        address = server.create("app", "app", "password")
        with pytest.raises(InfrastructureError, match=r"seed\.sql cannot be loaded: .*\D3\b.*nowhere") as caught:
            server.load(any_ground.build, address, any_ground.seed(BROKEN_SEED))
        assert caught.value.code == "seed-not-loaded"
        assert server.versions(address, "good") == frozenset()
        assert server.versions(address, "later") is None


def test_rows_that_a_step_changes_are_counted_exactly(server_ground: Ground) -> None:
    with server_ground.server() as server:
        address = server.create("app", "app", "password")
        server.load(server_ground.build, address, server_ground.seed(SEED))
        engine = server_ground.engine.name
        still = server.counters(address)
        before = server.counters(address)
        assert measured(engine, still, before)["XInnodb_rows_changed"] == 0
        assert measured(engine, still, before)["Innodb_rows_read"] == 0
        query(address, "INSERT INTO things VALUES (10, 'ten'), (11, 'eleven'), (12, 'twelve')")
        query(address, "UPDATE things SET name = 'changed'")
        delta = measured(engine, before, server.counters(address))
        assert delta["XInnodb_rows_changed"] == 8
        read = delta["Innodb_rows_read"]
        assert read is not None
        assert 5 <= read <= 8
        log = delta["wal_bytes" if engine == "postgresql" else "Innodb_lsn_current"]
        assert log is not None
        assert 100 < log < 100_000


def test_nothing_listens_on_the_network(server_ground: Ground, started: Started) -> None:
    with server_ground.server():
        found = started(PROGRAM[server_ground.engine.name])
        assert found
        for process in found:
            assert [entry.laddr for entry in process.net_connections("inet")] == []


def test_the_server_does_not_run_as_root_and_no_other_account_can_reach_its_socket(
    server_ground: Ground, started: Started
) -> None:
    with server_ground.server():
        (process,) = [one for one in started(PROGRAM[server_ground.engine.name]) if one.ppid() == os.getpid()]
        inside = Path(f"/proc/{process.pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
        assert inside or process.uids().real != 0
        parent = socket_directory(server_ground.build.id, server_ground.build.attempt)
        (sockets,) = parent.iterdir()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert stat.S_IMODE(parent.stat().st_mode) == 0o711
    assert not parent.exists()


class OwnError(Exception):
    """What the body raises."""


def test_no_process_is_left_when_the_body_raises(server_ground: Ground, started: Started) -> None:
    name = PROGRAM[server_ground.engine.name]

    def fail() -> None:
        with server_ground.server():
            assert started(name)
            raise OwnError

    with pytest.raises(OwnError):
        fail()
    assert not started(name)
    with server_ground.server() as server:  # it was stopped cleanly: it starts again at once
        assert server.version


@pytest.mark.parametrize(
    ("kind", "words"), [(MARIADB, "innodb_fast_shutdown=2"), (SYSTEM, "immediate shutdown")], ids=str
)
def test_a_server_whose_data_nobody_wants_stops_without_writing_them(
    kind: Kind, words: str, tmp_path: Path, started: Started
) -> None:
    with ground(tmp_path, kind) as made:
        if PROGRAM[kind.type] == "mysqld":
            pytest.skip("MySQL does not say how it stops")
        with made.server():
            pass
        assert words not in made.log.read_text()
        with made.engine.start(made.build, made.installation, made.data, log=made.log, kept=False):
            pass
        assert words in made.log.read_text()
        assert not started(PROGRAM[kind.type])


@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED], ids=str)
def test_a_cancelled_build_leaves_no_server(kind: Kind, tmp_path: Path, started: Started) -> None:
    def be_cancelled() -> None:
        with Interrupt() as interrupt, ground(tmp_path, kind, interrupt=interrupt) as made, made.server():
            interrupt.cancel("enough")
            made.build.check()

    with pytest.raises(CancelledError):
        be_cancelled()
    assert not started(PROGRAM[kind.type])


def test_a_server_that_dies_is_told_as_such_whatever_its_death_made_of_the_step(
    server_ground: Ground, started: Started
) -> None:
    def crash() -> None:
        with server_ground.server():
            (process,) = [one for one in started(PROGRAM[server_ground.engine.name]) if one.ppid() == os.getpid()]
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is not ours to reap
            raise OwnError("lost connection")

    with pytest.raises(InfrastructureError, match="ended by itself: killed by SIGKILL") as caught:
        crash()
    assert caught.value.code == "server-died"
    assert isinstance(caught.value.__cause__, OwnError)


def test_a_broken_data_directory_is_told_in_the_words_of_the_server(server_ground: Ground) -> None:
    with server_ground.server():
        pass
    broken, words = {
        "mysql": ("ibdata1", "InnoDB"),
        "postgresql": ("global/pg_control", "pg_control"),
    }[server_ground.engine.name]
    (server_ground.data / broken).write_bytes(b"no more")
    with pytest.raises(InfrastructureError, match=words) as caught, server_ground.server():
        pytest.fail("it must not start")
    assert caught.value.code == "server-not-started"


@pytest.mark.parametrize("kind", [MARIADB, SYSTEM], ids=str)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run servers as another account")
def test_in_an_open_directory_the_server_runs_as_an_account_of_its_own(kind: Kind) -> None:
    with open_directory() as directory, ground(directory, kind) as made:
        assert not made.installation.namespace
        assert made.installation.account in {"mysql", "postgres"}
        with made.server() as server:
            address = server.create("app", "app", "password")
            server.load(made.build, address, made.seed(SEED))
            assert server.versions(address, "alembic_version") == frozenset({"abc"})
            assert made.data.owner() == made.installation.account


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run servers as another account")
def test_the_account_can_be_chosen() -> None:
    with open_directory() as directory, ground(directory, Kind("mysql", Choice(account="nobody"))) as made:
        assert made.installation.account == "nobody"
        with made.server():
            assert made.data.owner() == "nobody"


def test_two_servers_of_one_build_do_not_meet(tmp_path: Path) -> None:
    with ground(tmp_path, EMBEDDED) as made, made.server() as first:
        first.create("app", "app", "password")
        other = made.data.with_name("other")
        made.engine.initialise(made.build, made.installation, other)
        with made.engine.start(made.build, made.installation, other, log=made.log) as second:
            address = second.create("app", "app", "another")
            assert query(address, "SELECT 1") == [(1,)]


def test_servers_that_come_and_go_at_once_do_not_take_each_others_directory_along(tmp_path: Path) -> None:
    with make_build(tmp_path, build_id=tmp_path.name) as build, ThreadPoolExecutor(4) as pool:

        def come_and_go(number: int) -> None:
            for _ in range(300):
                with server_directory(build, Installation("none", "1"), tmp_path / str(number)) as path:
                    assert path.is_dir()

        for done in [pool.submit(come_and_go, number) for number in range(4)]:
            done.result()
    assert not socket_directory(build.id, build.attempt).exists()


def test_what_a_killed_worker_left_of_its_sockets_can_be_removed_by_ids_alone() -> None:
    left = socket_directory("left-over", 3)
    (left / "server").mkdir(parents=True)
    (left / "server" / "mysql.sock").touch()
    remove_sockets("left-over", 3)
    assert not left.exists()
    remove_sockets("left-over", 3)


def test_loading_ends_with_the_build(tmp_path: Path) -> None:
    with Interrupt() as interrupt, ground(tmp_path, SQLITE, interrupt=interrupt) as made, made.server() as server:
        address = server.create("app", "", "")
        endless = made.seed(
            "CREATE TABLE a AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;\n"
        )
        timer = threading.Timer(0.3, interrupt.cancel, ("enough",))
        timer.start()
        with pytest.raises(CancelledError):
            server.load(made.build, address, endless)
        timer.join()
