"""Addresses of a history, and what is said when it cannot be used."""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import InfrastructureError
from thcore.history import database
from thcore.history.revision import Standing, standing_of
from thcore.history.store import History
from thcore.history.upgrade import upgrade
from thcore.model import Answered
from thcore.testing.ports import free_port
from thcore.testing.postgresql import PASSWORD, PostgreSQL

from parts.history import at, configuration
from parts.outcomes import BUILD, passing


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


def refusal(do: Any, *arguments: object) -> str:
    """The words of the InfrastructureError; neither they nor what caused it holds the password."""
    with pytest.raises(InfrastructureError) as caught:
        do(*arguments)
    assert caught.value.code == "history-unavailable"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_by_default_the_history_is_a_file_in_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "odd ?#%41 &name"
    state.mkdir()
    url = database.address(configuration(state))
    assert database.place(url) == f"{state}/history.sqlite"

    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)

    assert (state / "history.sqlite").is_file()
    assert len(History.open(url).build(BUILD)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [state.name]
    with sqlite3.connect(state / "history.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_where_no_worker_has_made_a_history_it_is_empty_and_nothing_is_made(tmp_path: Path) -> None:
    url = database.address(configuration(tmp_path / "state"))

    assert standing_of(url) is Standing.EMPTY
    assert History.peek(url).attempts() == ()
    assert History.peek(url).build(BUILD) == ()
    assert "is empty; start the worker" in refusal(History.open, url)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_does_not_disturb_the_writer_nor_wait_for_it(tmp_path: Path) -> None:
    url = database.address(configuration(tmp_path))
    upgrade(url)
    history, reader = History.open(url), History.peek(url)
    history.record(passing(), answered=Answered.YES)
    writing = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")

    assert len(reader.attempts()) == 1

    writing.close()
    with reader._connection() as connection:
        connection.exec_driver_sql("SELECT * FROM attempts").fetchone()
        history.record(at(passing(), "other"), answered=Answered.YES)
    assert len(reader.attempts()) == 2


def test_a_file_that_was_removed_is_not_written_to_any_more(tmp_path: Path) -> None:
    url = database.address(configuration(tmp_path))
    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)
    for path in tmp_path.iterdir():
        path.unlink()

    said = refusal(lambda: history.record(passing(), answered=Answered.YES))

    assert "unable to open database file; see that the directory is there" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database at all, only text" * 50, None], ids=["text", "directory"])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "history.sqlite"
    path.mkdir() if content is None else path.write_bytes(content)
    url = database.address(configuration(tmp_path))

    for do in (upgrade, History.open, History.peek):
        assert f"the history ({path}) cannot be used: " in refusal(do, url)


def test_a_history_that_another_program_holds_is_told_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    url = database.address(configuration(tmp_path))
    upgrade(url)
    history = History.open(url)
    holder = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    assert "database is locked" in refusal(lambda: history.record(passing(), answered=Answered.YES))

    holder.execute("ROLLBACK")
    holder.close()
    history.record(passing(), answered=Answered.YES)
    assert len(history.attempts()) == 1


def test_the_driver_of_postgresql_that_is_missing_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without_psycopg(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
        return imported(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    url = database.address(configuration(tmp_path, f"postgresql://u:{PASSWORD}@h/d"))

    assert "needs psycopg, which is not installed; run `pip install thcore[postgresql]`" in refusal(History.open, url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_password_shows_nowhere(tmp_path: Path, scheme: str) -> None:
    port = free_port()
    for given in (
        f"{scheme}://worker:hunter%402@127.0.0.1:{port}/history",
        f"{scheme}://worker@127.0.0.1:{port}/history?password=hunter%402",
        f"{scheme}:///history?host=127.0.0.1&port={port}&user=worker&password=hunter%402",
    ):
        config = configuration(tmp_path, given)
        url = database.address(config)
        engine = database.engine_for(url)
        texts = [repr(config), database.place(url), repr(History(url, engine)), refusal(History.open, url)]

        assert [text for text in texts if "hunter" in text] == []
        assert "PostgreSQL database history on 127.0.0.1" in texts[-1]
        assert "see that the server runs, and that history.url names the right one" in texts[-1]


def test_what_a_database_says_has_the_password_blanked_out(tmp_path: Path) -> None:
    from sqlalchemy.exc import OperationalError

    url = database.address(configuration(tmp_path, "postgresql://worker:hunter%402@db/history"))

    def fail() -> None:
        with database.faults(url):
            raise OperationalError("SELECT hunter", None, Exception("cannot\n  use hunter@2 nor hunter%402"))

    assert "cannot be used: cannot use *** nor ***; see" in refusal(fail)


@pytest.mark.system
def test_a_wrong_password_and_a_missing_database_are_told(server: PostgreSQL, tmp_path: Path) -> None:
    for given, words in (
        (server.url(password="wr0ng-word"), "password authentication failed"),
        (server.url("nowhere"), 'database "nowhere" does not exist'),
    ):
        said = refusal(History.open, database.address(configuration(tmp_path, given)))
        assert words in said
        assert "wr0ng" not in said
        assert PASSWORD not in said


@pytest.mark.system
def test_a_history_goes_on_after_its_server_was_restarted(server: PostgreSQL, tmp_path: Path) -> None:
    url = database.address(configuration(tmp_path, server.database()))
    upgrade(url)
    history = History.open(url)
    history.record(passing(), answered=Answered.YES)
    server.stop()
    refusal(history.attempts)
    server.start()

    history.record(at(passing(), "other", 1), answered=Answered.YES)

    assert [each.build for each in history.attempts()] == ["other", BUILD]
    history.close()
