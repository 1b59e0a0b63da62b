"""Migrations of the history: they make what the code expects, once, for one worker at a time."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import evolve
from sqlalchemy import URL

from thcore.errors import ExitCode, InfrastructureError
from thcore.history import database, revision
from thcore.history.revision import HEAD, REVISIONS, TABLE, Standing, standing_of
from thcore.history.schema import metadata
from thcore.history.store import History
from thcore.history.upgrade import _LOCK, alembic_config, upgrade
from thcore.model import Answered, DatasetRun, Severity
from thcore.testing.postgresql import PASSWORD, PostgreSQL

from parts.history import configuration, counted
from parts.outcomes import BUILD, passing


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of an empty database."""
    given = request.getfixturevalue("server").database() if request.param == "postgresql" else None
    return database.address(configuration(tmp_path, given))


def old(run: DatasetRun) -> DatasetRun:
    """What an older revision kept of a dataset's run: not when its steps began."""
    steps = (evolve(step, measurement=step.measurement and evolve(step.measurement, began=None)) for step in run.steps)
    return evolve(run, steps=tuple(steps))


def started(url: URL) -> subprocess.Popen[bytes]:
    """An upgrade in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "thcore.history.upgrade"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    with process.stdin:
        pickle.dump(url, process.stdin)
    process.stdin = None
    return process


def test_the_worker_knows_the_revisions_that_alembic_has() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
    engine.dispose()

    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
    assert scripts.get_heads() == [HEAD]


def test_the_migrations_make_the_tables_that_the_code_expects(url: URL) -> None:
    upgrade(url)

    engine = database.engine_for(url)
    with engine.connect() as connection:
        options = {"version_table": TABLE, "compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        without_rowid = (
            [
                name
                for name in metadata.tables
                if "WITHOUT ROWID"
                in str(connection.scalar(sqlalchemy.text(f"SELECT sql FROM sqlite_master WHERE name = '{name}'")))
            ]
            if url.get_backend_name() == "sqlite"
            else []
        )
    engine.dispose()

    assert differences == []
    if url.get_backend_name() == "sqlite":
        assert without_rowid == [name for name, table in metadata.tables.items() if table.kwargs]


@pytest.mark.parametrize("target", ["base", *REVISIONS[:-1]])
def test_every_revision_can_be_taken_back_and_made_again(url: URL, target: str) -> None:
    upgrade(url)
    engine = database.engine_for(url, create=True)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), target)
    with engine.connect() as connection:
        left = set(sqlalchemy.inspect(connection).get_table_names())
    engine.dispose()

    if target == "base":
        assert left == {TABLE}
    assert standing_of(url) is (Standing.EMPTY if target == "base" else Standing.OUTDATED)
    upgrade(url)
    assert standing_of(url) is Standing.CURRENT


def test_what_was_recorded_before_conditions_were_is_kept_without_any(url: URL) -> None:
    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)
    engine = database.engine_for(url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    engine.dispose()

    upgrade(url)

    (found,) = history.build(BUILD)
    history.close()
    assert found.datasets == tuple(map(old, passing().datasets))
    assert {(step.leg, step.step.chain) for dataset in found.datasets for step in dataset.steps} == {("", "")}


def test_a_limit_that_was_recorded_before_more_was_known_of_limits_is_about_a_whole_step(url: URL) -> None:
    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)
    engine = database.engine_for(url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0002")
    engine.dispose()

    upgrade(url)

    (found,) = history.build(BUILD)
    history.close()
    assert found.datasets == tuple(map(old, passing().datasets))
    limits = {limit for dataset in found.datasets for step in dataset.steps for limit in step.limits}
    assert {(limit.table, limit.severity, limit.value) for limit in limits} == {("", Severity.FAILURE, None)}


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(url: URL) -> None:
    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)
    before = counted(url)

    upgrade(url)

    assert counted(url) == before
    assert len(history.build(BUILD)) == 1
    history.close()


def test_two_workers_that_upgrade_at_the_same_time_do_not_collide(url: URL) -> None:
    processes = [started(url) for _ in range(4)]

    assert [(process.communicate(timeout=60), process.returncode) for process in processes] == [((b"", b""), 0)] * 4
    assert standing_of(url) is Standing.CURRENT


@pytest.mark.system
def test_an_upgrade_waits_for_another_workers_and_shows_no_password_meanwhile(
    server: PostgreSQL, tmp_path: Path
) -> None:
    given = server.database()
    url = database.address(configuration(tmp_path, given))
    with psycopg.connect(server.url(str(url.database)), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        process = started(url)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(waiting).fetchone() != (1,):
            assert process.poll() is None
        assert standing_of(url) is Standing.EMPTY
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        other.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    assert (process.communicate(timeout=60), process.returncode) == ((b"", b""), 0)
    assert standing_of(url) is Standing.CURRENT
    assert b"thcore.history.upgrade" in arguments
    assert quote(PASSWORD, safe="").encode() not in arguments
    assert PASSWORD.encode() not in arguments


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = database.engine_for(url, create=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE findings (own INTEGER)")  # the last one that the migration makes
    engine.dispose()

    with pytest.raises(InfrastructureError, match=r"cannot be used: .*already exists"):
        upgrade(url)

    engine = database.engine_for(url)
    with engine.connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == ["findings"]
    engine.dispose()


def test_a_database_of_a_newer_thcore_is_left_alone(url: URL) -> None:
    upgrade(url)
    engine = database.engine_for(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {TABLE} SET version_num = '9999'")
    engine.dispose()
    process = started(url)
    _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.UNVERIFIED
    assert said.decode().count("\n") == 1
    for refused in (upgrade, History.open, History.peek, standing_of):
        with pytest.raises(InfrastructureError) as caught:
            refused(url)
        assert caught.value.code == "history-unavailable"
        for text in (str(caught.value), said.decode()):
            assert "the history is of a newer thcore (its revision is 9999, this one knows" in text
            assert "upgrade this thcore" in text


def test_a_history_of_an_older_thcore_asks_for_the_worker(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(url)
    monkeypatch.setattr(revision, "REVISIONS", (*REVISIONS, "later"))
    monkeypatch.setattr(revision, "HEAD", "later")

    assert standing_of(url) is Standing.OUTDATED
    for refused in (History.open, History.peek):
        with pytest.raises(InfrastructureError, match="is outdated; start the worker, which brings it up to date"):
            refused(url)


def test_the_process_tells_in_one_line_why_it_could_not(tmp_path: Path) -> None:
    process = started(database.address(configuration(tmp_path / "missing")))

    out, said = process.communicate(timeout=60)

    assert (process.returncode, out) == (ExitCode.UNVERIFIED, b"")
    assert said.decode().count("\n") == 1
    assert f"the history ({tmp_path}/missing/history.sqlite) cannot be used: unable to open" in said.decode()


def test_looking_at_a_history_loads_no_alembic(tmp_path: Path) -> None:
    url = database.address(configuration(tmp_path))
    upgrade(url)
    program = (
        "import pickle, sys; from thcore.history.store import History; History.open(pickle.load(sys.stdin.buffer))"
        "; print(*[name for name in ('alembic', 'mako', 'sqlalchemy.orm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(url), capture_output=True, check=True)

    assert done.stdout.split() == []
