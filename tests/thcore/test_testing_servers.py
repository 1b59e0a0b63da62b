"""The servers that authors of plugins are given. What stands in for one does what the real one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gear
import psutil
import pytest
import requests
import sqlalchemy

from thcore.process import group
from thcore.testing.gearmand import FakeGearmand, Gearmand, GearmanServer
from thcore.testing.git_server import GitServer
from thcore.testing.mariadb import MariaDB
from thcore.testing.plugin import RunBuild
from thcore.testing.postgresql import PostgreSQL
from thcore.testing.swift import Swift

from parts.worker import words

pytestmark = pytest.mark.system


@pytest.fixture(scope="module", params=[Gearmand, FakeGearmand])
def gearman(request: pytest.FixtureRequest) -> Iterator[GearmanServer]:
    with request.param() as server:
        yield server


@pytest.fixture
def worker(gearman: GearmanServer) -> Iterator[gear.Worker]:
    made = gear.Worker("the-worker")
    made.addServer("127.0.0.1", gearman.port)
    made.waitForServer()
    made.registerFunction("build:job")
    yield made
    made.shutdown()


def test_a_gearman_server_knows_who_offers_what(gearman: GearmanServer, worker: gear.Worker) -> None:
    assert gearman.offered("the-worker", ["build:job"]) == ["build:job"]
    assert gearman.workers()["the-worker"] == ["build:job"]
    assert gearman.status()["build:job"] == (0, 0, 1)


def test_a_gearman_server_hands_a_job_to_a_worker_and_its_answer_back(
    gearman: GearmanServer, worker: gear.Worker
) -> None:
    client = gear.Client()
    client.addServer("127.0.0.1", gearman.port)
    client.waitForServer()
    job = gear.Job("build:job", b"{}", unique=b"one")
    client.submitJob(job)

    given = worker.getJob()
    assert (given.name, given.unique) == ("build:job", b"one")
    assert gearman.status()["build:job"] == (1, 1, 1)
    given.sendWorkComplete(b"done")
    while not job.complete:
        os.sched_yield()
    client.shutdown()

    assert job.data == [b"done"]


def test_a_gearman_server_keeps_its_address_over_a_restart_and_forgets_the_rest(gearman: GearmanServer) -> None:
    address = gearman.address

    gearman.restart()

    assert gearman.address == address
    assert gearman.workers() == {}


def test_the_server_of_tests_is_gearmand_where_it_is_installed(thcore_gearman: GearmanServer) -> None:
    assert isinstance(thcore_gearman, FakeGearmand if Gearmand.missing() else Gearmand)
    assert thcore_gearman.workers() == {}


@pytest.mark.slow
def test_the_swift_of_tests_answers(thcore_swift: Swift) -> None:
    assert requests.get(f"{thcore_swift.url}/healthcheck", timeout=30).text == "OK"


def test_a_change_is_fetched_from_a_git_server_and_an_outage_is_no_fault_of_it(
    thcore_git: GitServer, thcore_build: RunBuild
) -> None:
    repository = thcore_git.repository("example/project", {"app.py": "pass\n"})
    job = {"git": {"base_url": thcore_git.url, "retries": 0}}

    fetched = thcore_build(job)
    thcore_git.stop()
    outage = thcore_build(job)
    thcore_git.start()

    assert fetched.outcome.commit == repository.head()
    assert outage.finding("fetch-failed")
    assert outage.verdict.value == "UNVERIFIED"
    assert thcore_build(job).outcome.commit == repository.head()


@pytest.fixture(params=["thcore_postgresql", "thcore_mariadb"])
def database(request: pytest.FixtureRequest) -> PostgreSQL | MariaDB:
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    return server


def test_a_database_server_gives_each_test_an_empty_database(database: PostgreSQL | MariaDB) -> None:
    first, second = database.database(), database.database()
    names = [url.rpartition("/")[2] for url in (first, second)]

    database.execute("CREATE TABLE item (id INTEGER)", names[0])
    database.execute("INSERT INTO item VALUES (42)", names[0])

    assert first != second
    assert database.execute("SELECT id FROM item", names[0]) == "42"
    with pytest.raises(RuntimeError, match="item"):
        database.execute("SELECT id FROM item", names[1])


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_database_server_keeps_its_address_and_data_over_a_restart(
    database: PostgreSQL | MariaDB, crash: bool
) -> None:
    url = database.database()
    name = url.rpartition("/")[2]
    database.execute("CREATE TABLE item (id INTEGER)", name)

    (database.kill if crash else database.stop)()
    with pytest.raises(RuntimeError):
        database.execute("SELECT 1")
    database.start()

    assert database.execute("SELECT count(*) FROM item", name) == "0"


def test_the_url_of_a_database_is_good_for_a_driver(database: PostgreSQL | MariaDB) -> None:
    scheme = "postgresql+psycopg" if isinstance(database, PostgreSQL) else "mysql+pymysql"
    engine = sqlalchemy.create_engine(database.database(scheme=scheme))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    engine.dispose()


STRANGER = """
from thcore.testing.fakes import FakeAnalyser


def test_a_build(thcore_build):
    assert thcore_build(plugins={"mine": FakeAnalyser}).verdict.value == "SUCCESS"


def test_gearman(thcore_gearman):
    assert type(thcore_gearman).__name__ == "FakeGearmand"


def test_mariadb(thcore_mariadb):
    raise AssertionError("it is not there")
"""


@pytest.mark.parametrize(("required", "outcome"), [("", "2 passed, 1 skipped"), ("mariadb", "2 passed, 1 error")])
def test_a_server_that_is_missing_skips_a_test_and_says_what_to_install_unless_it_is_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["thcore.testing.plugin"]\n')
    (tmp_path / "test_mine.py").write_text(STRANGER)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rs",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "-o",
        "filterwarnings=error",
    ]

    ended = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "-o", f"thcore_require={required}", str(tmp_path)],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in ended.stdout, ended.stdout + ended.stderr
    assert "install MariaDB, for example apt-get install mariadb-server" in ended.stdout


def test_nothing_is_loaded_of_the_plugin_that_nobody_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys\n\ndef test_mine():\n    assert not [name for name in sys.modules if name.startswith('thcore')]\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)]

    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"gearmand (ended with status|does not answer)"), Gearmand("--no-such"):
        pass


def test_a_server_ends_with_the_tests_however_they_end(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from thcore.testing.gearmand import Gearmand\n"
        "with Gearmand() as server:\n"
        "    print(server.address, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    port = ended.stdout.strip().rpartition(":")[2]

    left = [process for process in psutil.process_iter() if port in words(process)]

    assert group.outlasting(left, 10.0) == set()


def test_a_server_that_does_not_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="gearmand"), Gearmand("--no-such-option"):
        raise AssertionError("it has started")
    assert list(tmp_path.iterdir()) == []
