"""A job's history is read in a bounded way, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from attrs import evolve
from sqlalchemy import event

from thcore.history import database, jobs
from thcore.history.recollection import Recollection
from thcore.history.store import History
from thcore.history.upgrade import upgrade
from thcore.model import Answered, DatasetRun, JobHistory, Outcome, PastAttempt, Step, StepResult
from thcore.testing.postgresql import PostgreSQL

from parts.history import at, configuration
from parts.outcomes import failing, passing, watched

JOB = passing().job


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    given = request.getfixturevalue("server").database() if request.param == "postgresql" else None
    url = database.address(configuration(tmp_path, given))
    upgrade(url)
    opened = History.open(url)
    yield opened
    opened.close()


def record(history: History, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        history.record(outcome, answered=Answered.YES)


def own(outcome: Outcome, *versions: str, added: bool = True, wall_s: float = 1.0) -> Outcome:
    """The outcome with other steps, on its first dataset only."""
    measured = passing().datasets[0].steps[0].measurement
    assert measured is not None
    steps = tuple(
        StepResult(Step(version, ("base",)), added, "ok", evolve(measured, wall_s=wall_s)) for version in versions
    )
    return evolve(outcome, datasets=(evolve(outcome.datasets[0], steps=steps),))


def versions(of: JobHistory) -> list[list[str]]:
    return [[step.step.version for run in past.datasets for step in run.steps] for past in of.attempts]


def test_a_jobs_attempts_come_newest_first_with_stages_steps_counters_and_limits(history: History) -> None:
    first, second = at(passing(), "b1", 1), at(watched(), "b2", 2)
    record(history, first, second, evolve(at(passing(), "b3", 3), job="another"))

    found = history.job(JOB, limit=50)

    def remembered(run: DatasetRun) -> DatasetRun:
        # Neither statements and locks nor rows that offend: they are in result.json.
        forgotten = {"statements": (), "waits": (), "locks": (), "locks_unseen_s": None, "unwatched": ()}
        steps = (
            evolve(step, offences=(), on_empty="", measurement=evolve(step.measurement, **forgotten))
            for step in run.steps
            if step.measurement
        )
        return evolve(run, steps=tuple(steps), checks=())

    assert found.job == JOB
    assert found.left_out == 0
    for past, outcome in zip(found.attempts, (second, first), strict=True):
        expected = PastAttempt.of(outcome, Answered.YES)
        assert past == evolve(expected, datasets=tuple(map(remembered, expected.datasets)), findings=())


def test_only_so_many_attempts_and_nothing_of_a_job_without_any(history: History) -> None:
    record(history, *(at(passing(), f"b{number}", number) for number in range(4)))

    assert [past.build for past in history.job(JOB, limit=2).attempts] == ["b3", "b2"]
    assert history.job("another", limit=2) == JobHistory("another")


def test_steps_that_changes_added_come_first_of_them_the_latest_and_then_the_longest(history: History) -> None:
    old, new = own(at(passing(), "b1", 1), "old", "older"), own(at(passing(), "b3", 3), "new")
    walk = own(at(passing(), "b2", 2), "short", added=False)
    long = own(at(passing(), "b4", 4), "long", added=False, wall_s=90.0)
    record(history, old, walk, new, long)

    def chosen(most: int) -> tuple[set[str], int]:
        with history._connection() as connection:
            found = jobs.read(connection, JOB, 50, most)
        return {version for each in versions(found) for version in each}, found.left_out

    assert chosen(1) == ({"new"}, 4)
    assert chosen(3) == ({"new", "old", "older"}, 2)
    assert chosen(4) == ({"new", "old", "older", "long"}, 1)
    assert chosen(5) == ({"new", "old", "older", "long", "short"}, 0)


def test_a_step_of_another_dataset_or_chain_is_another_step(history: History) -> None:
    base = own(at(passing(), "b1", 1), "a")
    (run,) = base.datasets
    chained = evolve(run, steps=tuple(evolve(step, step=evolve(step.step, chain="fab")) for step in run.steps))
    record(history, evolve(base, datasets=(run, evolve(run, name="other"), evolve(chained, name="third"))))

    with history._connection() as connection:
        found = jobs.read(connection, JOB, 50, 2)

    assert found.left_out == 1
    assert sum(len(run.steps) for run in found.attempts[0].datasets) == 2


def test_however_many_builds_there_are_the_database_is_asked_a_few_times(history: History) -> None:
    record(history, *(at(failing(), f"b{number}", number) for number in range(12)))
    asked: list[str] = []
    event.listen(history._engine, "before_cursor_execute", lambda *what: asked.append(what[2]))

    history.job(JOB, limit=50)

    assert 0 < len([text for text in asked if text.startswith("SELECT")]) <= 8


def test_a_build_asks_what_became_of_its_job_and_holds_nothing_open(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    recollection = Recollection(config)
    recollection.load()
    assert recollection.job(JOB, 50) == JobHistory(JOB), "there is no history yet"

    upgrade(database.address(config))
    opened = History.open(database.address(config))
    record(opened, passing())
    opened.close()

    (found,) = recollection.job(JOB, 50).attempts
    assert found.build == passing().build
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/history.sqlite", connect_args={"timeout": 0})
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
    engine.dispose()
