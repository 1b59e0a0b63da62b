"""The worker's writer: a history that is away loses nothing and holds nobody up."""

from __future__ import annotations

import datetime
import logging
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from thcore.config import Config
from thcore.errors import InfrastructureError
from thcore.history.database import address
from thcore.history.store import History
from thcore.history.upgrade import upgrade
from thcore.model import Answered, Finding, Location, Outcome, Severity
from thcore.model.document import from_json
from thcore.testing.postgresql import PostgreSQL
from thcore.worker import chronicle as module
from thcore.worker.chronicle import DIRECTORY, Chronicle
from thcore.worker.pending import Pending

from parts.history import at, configuration
from parts.outcomes import BUILD, failing, passing

RETRY_S = (0.02, 0.1)
UNUSABLE = evolve(passing(), build="unusable", findings=(Finding("x", Severity.INFO, "m", Location(line=2**70)),))
"""No database takes its line number."""


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[str], str]]:
    """Waits for a line of the log that a pattern fits."""
    caplog.set_level(logging.DEBUG)
    more = threading.Condition()

    def tell(_record: logging.LogRecord) -> bool:
        with more:
            more.notify_all()
        return True

    def hear(pattern: str) -> str:
        def said() -> str | None:
            return next((text for text in list(caplog.messages) if re.search(pattern, text)), None)

        with more:
            assert more.wait_for(said, timeout=30), caplog.text
        return said() or ""

    caplog.handler.addFilter(tell)
    yield hear
    caplog.handler.removeFilter(tell)


@contextmanager
def running(config: Config) -> Iterator[Chronicle]:
    chronicle = Chronicle(config, retry_s=RETRY_S)
    chronicle.start()
    try:
        yield chronicle
    finally:
        chronicle.close()


def builds(config: Config) -> list[str]:
    """The builds of the history in the order in which they were written."""
    history = History.open(address(config))
    with history._connection() as connection:
        found = [str(row[0]) for row in connection.exec_driver_sql("SELECT build FROM attempts ORDER BY id")]
    history.close()
    return found


def several(number: int, start: int = 0) -> list[Outcome]:
    return [at(failing(), f"build-{index:03d}", index) for index in range(start, start + number)]


def names(outcomes: list[Outcome]) -> list[str]:
    return [outcome.build for outcome in outcomes]


def files(config: Config) -> list[str]:
    return sorted(path.name for path in (config.directories.state / DIRECTORY).iterdir())


def young(outcome: Outcome) -> Outcome:
    """The same outcome, of just now."""
    shift = datetime.datetime.now(datetime.UTC) - outcome.ended
    return evolve(outcome, started=outcome.started + shift, ended=outcome.ended + shift)


def lasting(state: Path, url: str | None = None) -> Config:
    """A configuration that forgets nothing: the outcomes of the tests are old."""
    return configuration(state, url, keep=1e12)


def test_outcomes_are_in_the_history_when_the_worker_has_stopped(tmp_path: Path) -> None:
    config = lasting(tmp_path)
    with running(config) as chronicle:
        for outcome in several(5):
            chronicle.record(outcome, answered=Answered.NO)

    assert builds(config) == names(several(5))
    assert chronicle.waiting() == 0
    assert files(config) == []
    (found,) = History.open(address(config)).build("build-000")
    assert (found.answered, found.datasets) == (Answered.NO, failing().datasets)


def test_an_outcome_is_written_while_the_worker_runs(tmp_path: Path, heard: Callable[[str], str]) -> None:
    config = lasting(tmp_path)
    with running(config) as chronicle:
        for outcome in several(3):
            chronicle.record(outcome, answered=Answered.YES)
            heard(f"build {outcome.build} attempt 1 is recorded")
            assert History.open(address(config)).attempts()[0].build == outcome.build


def test_an_outcome_that_waits_is_a_result_document_in_a_file(tmp_path: Path) -> None:
    chronicle = Chronicle(lasting(tmp_path))
    chronicle.record(passing(), answered=Answered.NO)

    (path,) = (tmp_path / DIRECTORY).iterdir()

    assert path.name == "000000000001-no.json"
    assert from_json(path.read_text("utf-8")) == passing()
    assert chronicle.waiting() == 1


def test_a_file_that_cannot_be_written_keeps_the_outcomes_in_order_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    opened, tries = Chronicle._open, threading.Semaphore(0)

    def counted(chronicle: Chronicle) -> History:
        tries.release()
        return opened(chronicle)

    monkeypatch.setattr(Chronicle, "_open", counted)
    config = lasting(tmp_path / "state", f"sqlite:///{tmp_path}/missing/history.sqlite")
    with running(config) as chronicle:
        for outcome in several(3):
            chronicle.record(outcome, answered=Answered.YES)
        heard(r"missing/history\.sqlite\) cannot be used: unable to open .* outcomes wait; trying again")
        for outcome in several(3, start=3):
            chronicle.record(outcome, answered=Answered.YES)
        for _ in range(4):
            assert tries.acquire(timeout=30)
        assert chronicle.waiting() == 6
        assert "cannot be used" in (chronicle.trouble or "")
        (tmp_path / "missing").mkdir()
        heard("it can be written again")
        chronicle.record(several(1, start=6)[0], answered=Answered.YES)

    assert builds(config) == names(several(7))
    assert chronicle.trouble is None
    assert caplog.text.count("trying again") == 1
    assert "Traceback" not in caplog.text


def test_a_history_that_vanishes_is_made_anew(tmp_path: Path, heard: Callable[[str], str]) -> None:
    config = lasting(tmp_path)
    with running(config) as chronicle:
        chronicle.record(several(1)[0], answered=Answered.YES)
        heard("build build-000 attempt 1 is recorded")
        for path in tmp_path.glob("history.sqlite*"):
            # SQLite removes the log and the index of it itself when the last connection ends, maybe just now.
            path.unlink(missing_ok=True)
        chronicle.record(several(1, start=1)[0], answered=Answered.YES)
        heard("cannot be used")
        heard("it can be written again")

    assert builds(config) == ["build-001"]


@pytest.mark.system
def test_a_server_that_starts_later_and_restarts_gets_every_outcome_in_order(
    tmp_path: Path, heard: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    with PostgreSQL() as server:
        config = lasting(tmp_path, server.database())
        server.stop()
        with running(config) as chronicle:
            for outcome in several(3):
                chronicle.record(outcome, answered=Answered.YES)
            heard(r"PostgreSQL database .* cannot be used: .*onnection refused")
            server.start()
            heard("it can be written again")
            server.stop()
            caplog.clear()
            for outcome in several(3, start=3):
                chronicle.record(outcome, answered=Answered.YES)
            heard("cannot be used")
            server.start()
            heard("it can be written again")

        assert builds(config) == names(several(6))
        assert chronicle.waiting() == 0


PROGRAM = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from test_worker_chronicle import RETRY_S, Chronicle, Answered, lasting, several
chronicle = Chronicle(lasting(pathlib.Path(sys.argv[2]), sys.argv[3]), retry_s=RETRY_S)
chronicle.start()
for outcome in several(int(sys.argv[5]), start=int(sys.argv[4])):
    chronicle.record(outcome, answered=Answered.YES)
print("recorded", flush=True)
signal.pause()
"""


@pytest.mark.system
def test_a_worker_that_is_killed_while_the_server_is_away_or_there_loses_no_outcome(
    tmp_path: Path, heard: Callable[[str], str]
) -> None:
    tests = Path(__file__).parent
    with PostgreSQL() as server:
        url = server.database()

        def killed_after(start: int, number: int) -> None:
            arguments = [str(tests), str(tmp_path), url, str(start), str(number)]
            command = [
                sys.executable,
                "-c",
                f"import sys; sys.path.append({str(tests.parent)!r})\n{PROGRAM}",
                *arguments,
            ]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "recorded\n"
                worker.kill()
                assert worker.wait() == -signal.SIGKILL

        server.stop()
        killed_after(0, 5)
        killed_after(5, 5)
        server.start()
        upgrade(address(lasting(tmp_path, url)))
        killed_after(10, 30)
        config = lasting(tmp_path, url)
        with running(config) as chronicle:
            chronicle.record(at(passing(), "last", 99), answered=Answered.YES)
            heard("build last attempt 1 is recorded")

        assert builds(config) == [*names(several(40)), "last"]
        assert files(config) == []


def test_stopping_does_not_wait_for_a_history_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = lasting(tmp_path / "state", f"sqlite:///{tmp_path}/missing/history.sqlite")
    chronicle = Chronicle(config, retry_s=(3600.0, 3600.0))
    chronicle.start()
    chronicle.record(passing(), answered=Answered.YES)
    chronicle.close(timeout_s=60.0)

    assert not chronicle._thread.is_alive()
    assert "1 outcomes wait in history-pending for the next start" in caplog.text
    assert files(config) == ["000000000001-yes.json"]


def test_stopping_ends_an_upgrade_that_takes_long_and_keeps_the_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Callable[[str], str]
) -> None:
    config = lasting(tmp_path)
    monkeypatch.setattr(module, "UPGRADE", ("-c", "import signal; signal.pause()"))
    chronicle = Chronicle(config, retry_s=RETRY_S)
    chronicle.start()
    chronicle.record(passing(), answered=Answered.YES)
    while (process := chronicle._upgrade) is None:
        assert chronicle._thread.is_alive()
    chronicle.close(timeout_s=0.1)

    chronicle._thread.join(30)
    assert not chronicle._thread.is_alive()
    assert process.returncode == -signal.SIGTERM
    assert files(config) == ["000000000001-yes.json"]


def test_a_database_of_a_newer_thcore_keeps_the_outcomes_waiting(tmp_path: Path, heard: Callable[[str], str]) -> None:
    config = lasting(tmp_path)
    upgrade(address(config))
    history = History.open(address(config))

    def revision(number: str) -> str:
        with history._connection() as connection:
            before = connection.exec_driver_sql("SELECT version_num FROM history_version").scalar_one()
            connection.exec_driver_sql(f"UPDATE history_version SET version_num = '{number}'")
        return str(before)

    ours = revision("9999")
    with running(config) as chronicle:
        chronicle.record(passing(), answered=Answered.YES)
        heard("of a newer thcore .* outcomes wait")
        assert history.attempts() == ()
        revision(ours)
        heard("it can be written again")
    assert builds(config) == [BUILD]


def test_an_outcome_that_no_database_takes_is_set_aside_and_the_others_are_written(
    tmp_path: Path, heard: Callable[[str], str]
) -> None:
    config = lasting(tmp_path)
    with running(config) as chronicle:
        for outcome in (several(1)[0], UNUSABLE, several(1, start=1)[0]):
            chronicle.record(outcome, answered=Answered.YES)
        heard(r"000000000002-yes\.json is set aside: build unusable attempt 1 cannot be recorded")

    assert builds(config) == ["build-000", "build-001"]
    assert files(config) == ["000000000002-yes.refused"]
    assert chronicle.waiting() == 0


@pytest.mark.parametrize("content", ["", '{"schema_version": 1', '{"schema_version": 99}', "\0"])
def test_a_file_that_a_power_failure_cut_is_set_aside(
    tmp_path: Path, content: str, heard: Callable[[str], str]
) -> None:
    config = lasting(tmp_path)
    directory = tmp_path / DIRECTORY
    directory.mkdir()
    (directory / "000000000007-yes.json").write_text(content)
    (directory / "000000000008-maybe.json").write_text("{}")
    (directory / "000000000009-yes.part").write_text("{")
    (directory / "notes.json").write_text("{}")
    with running(config) as chronicle:
        chronicle.record(passing(), answered=Answered.YES)
        heard("000000000007-yes.json is set aside: not a result.json")

    assert builds(config) == [BUILD]
    assert files(config) == [
        "000000000007-yes.refused",
        "000000000008-maybe.refused",
        "notes.json",
    ]


def test_a_disk_that_takes_no_file_does_not_keep_outcomes_from_the_history(
    tmp_path: Path, heard: Callable[[str], str]
) -> None:
    config = lasting(tmp_path / "state", f"sqlite:///{tmp_path}/missing/history.sqlite")
    with running(config) as chronicle:
        heard("cannot be used")
        (tmp_path / "state" / DIRECTORY).rmdir()
        for outcome in (*several(2), UNUSABLE):
            chronicle.record(outcome, answered=Answered.YES)
        heard("build build-001 is held in memory: cannot write")
        assert chronicle.waiting() == 3
        (tmp_path / "missing").mkdir()
        heard("build unusable attempt 1 cannot be recorded")
        heard("it can be written again")
        assert chronicle.waiting() == 0

    assert builds(config) == names(several(2))


def test_a_state_directory_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_text("a file")

    with pytest.raises(InfrastructureError, match=f"cannot make .*/{DIRECTORY}: File exists"):
        Chronicle(lasting(tmp_path))


def test_old_attempts_are_forgotten_as_the_configuration_says(tmp_path: Path, heard: Callable[[str], str]) -> None:
    config = configuration(tmp_path, keep=7 * 86400.0, maximum=2)
    with running(config) as chronicle:
        for outcome in (at(passing(), "old"), *(at(young(passing()), f"young-{hour}", hour) for hour in range(3))):
            chronicle.record(outcome, answered=Answered.YES)
        heard("2 old attempts are forgotten")

    assert builds(config) == ["young-1", "young-2"]


def test_old_attempts_are_forgotten_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_FORGET_EVERY_S", 0.01)
    config = configuration(tmp_path, keep=7 * 86400.0)
    upgrade(address(config))
    with running(config):
        history = History.open(address(config))
        for _ in range(3):
            caplog.clear()
            history.record(passing(), answered=Answered.YES)
            heard("1 old attempts are forgotten")


def test_an_outcome_that_is_not_settled_is_not_to_be_had_and_then_is_as_it_was_answered(tmp_path: Path) -> None:
    pending = Pending(tmp_path)
    first = pending.add(passing(), Answered.UNKNOWN, settled=False)
    second = pending.add(failing(), Answered.YES)
    assert [waiting.outcome for waiting in pending] == [second.outcome]

    pending.settle(first, Answered.NO)

    assert [(waiting.outcome, waiting.answered) for waiting in pending] == [
        (first.outcome, Answered.NO),
        (second.outcome, Answered.YES),
    ]


def test_an_outcome_whose_worker_died_before_it_was_settled_is_one_of_which_nobody_knows(tmp_path: Path) -> None:
    Pending(tmp_path).add(passing(), Answered.UNKNOWN, settled=False)

    (waiting,) = Pending(tmp_path)

    assert waiting.answered is Answered.UNKNOWN
