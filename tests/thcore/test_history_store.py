"""What is recorded is found again, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from attrs import evolve
from sqlalchemy import URL, select

from thcore.history import database, schema
from thcore.history.recollection import Recollection
from thcore.history.store import History, step_runs
from thcore.history.upgrade import upgrade
from thcore.model import (
    Answered,
    Change,
    ChangeKind,
    Finding,
    Limit,
    Location,
    Measurement,
    Outcome,
    Publication,
    Severity,
    Step,
    StepResult,
    Verdict,
)
from thcore.testing.postgresql import PostgreSQL

from parts.history import at, configuration, counted
from parts.outcomes import BUILD, START, cancelled, failing, passing, unverified


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of an empty database."""
    given = None
    if request.param == "postgresql":
        given = request.getfixturevalue("server").database()
    return database.address(configuration(tmp_path, given))


@pytest.fixture
def history(url: URL) -> Iterator[History]:
    upgrade(url)
    opened = History.open(url)
    yield opened
    opened.close()


@pytest.mark.parametrize("outcome", [passing(), failing(), unverified(), cancelled()], ids=lambda o: o.verdict.value)
def test_an_attempt_is_found_with_every_stage_step_measurement_limit_and_finding(
    history: History, outcome: Outcome
) -> None:
    outcome = evolve(outcome, publications=(Publication("https://logs.example.org/1"), Publication("file:///2")))
    history.record(outcome, answered=Answered.YES)

    (found,) = history.build(BUILD)

    assert found.stages == outcome.stages
    assert found.datasets == outcome.datasets
    assert found.findings == tuple(evolve(finding, evidence=()) for finding in outcome.findings)
    assert (found.build, found.attempt, found.worker) == (BUILD, outcome.attempt, "worker-03")
    assert (found.job, found.project, found.branch) == ("gate-real-db-upgrade_example", "example/shop", "main")
    assert (found.change, found.commit) == ("example/shop 12345,2", outcome.commit)
    assert (found.verdict, found.summary) == (outcome.verdict, outcome.summary)
    assert (found.started, found.ended) == (outcome.started, outcome.ended)
    assert found.duration_s == pytest.approx(outcome.duration_s)
    assert (found.url, found.log_path) == ("https://logs.example.org/1", outcome.log_path)
    assert (found.answered, found.timed_out) == (Answered.YES, False)
    assert history.attempts() == (evolve(found, stages=(), datasets=(), findings=()),)


def test_an_attempt_that_is_recorded_again_replaces_all_that_was_known_of_it(history: History, url: URL) -> None:
    history.record(failing(), answered=Answered.UNKNOWN)
    history.record(passing(), answered=Answered.NO)

    (found,) = history.build(BUILD)

    assert (found.verdict, found.answered) == (Verdict.SUCCESS, Answered.NO)
    assert found.datasets == passing().datasets
    once = counted(url)
    history.record(passing(), answered=Answered.NO)
    assert counted(url) == once


def test_attempts_of_one_build_and_workers_of_one_attempt_are_told_apart(history: History) -> None:
    first, second = passing(), at(unverified(), BUILD, 1)
    elsewhere = evolve(at(first, BUILD, 2), worker=evolve(first.worker, name="worker-04"))
    for outcome in (elsewhere, second, first):
        history.record(outcome, answered=Answered.YES)

    assert [(each.attempt, each.worker) for each in history.build(BUILD)] == [
        (1, "worker-03"),
        (2, "worker-03"),
        (1, "worker-04"),
    ]


def test_an_attempt_is_recorded_as_a_whole_or_not_at_all(history: History, url: URL) -> None:
    history.record(passing(), answered=Answered.YES)
    before = counted(url)
    broken = evolve(failing(), findings=(Finding("odd", Severity.INFO, "m", Location(line=2**70)),))

    with pytest.raises(ValueError, match=f"build {BUILD} attempt 1 cannot be recorded"):
        history.record(broken, answered=Answered.YES)

    assert counted(url) == before
    assert history.build(BUILD)[0].datasets == passing().datasets


def test_what_no_database_can_hold_is_cut_cleaned_or_unknown(history: History) -> None:
    step = StepResult(
        Step("v" * 5000 + "\0", ("a\0", "b")),
        added=True,
        result="ok",
        measurement=Measurement(1.5, {"n" * 5000: 2**64, "n" * 4999: -(2**63), "none": None, "": 2**63 - 1}),
        limits=(Limit("\udc80", 1e300, "\0" * 9000),),
    )
    odd = evolve(
        passing(),
        job="\N{SNOWMAN}" * 400,
        change=Change("p" * 9000, ChangeKind.BRANCH, branch="b\0r\udcff"),
        summary="\0\udc80" + "s" * 9000,
        datasets=(evolve(passing().datasets[0], name="d" * 5000, engine_version="e" * 5000, steps=(step,)),),
    )
    history.record(odd, answered=Answered.YES)

    (found,) = history.build(BUILD)

    assert found.branch == "b\ufffdr?"
    assert found.summary.startswith("\ufffd?sss")
    assert len(found.summary.encode()) == 4096
    assert found.job == "\N{SNOWMAN}" * 66
    assert history.attempts(job=odd.job) != ()
    (measured,) = history.measurements("v" * 5000, "d" * 5000, "e" * 5000)
    (kept,) = found.datasets[0].steps
    assert kept.measurement == measured
    assert kept.step.parents == ("a\0", "b")
    assert measured == Measurement(
        1.5, {"n" * 200: -(2**63) if 2**63 <= 2**63 - 1 else None, "none": None, "": 2**63 - 1}
    )


def test_lists_are_newest_first_and_can_be_narrowed(history: History) -> None:
    history.record(at(passing(), "aa1", 1), answered=Answered.YES)
    history.record(at(failing(), "aa2", 3), answered=Answered.YES)
    other = evolve(at(passing(), "Ab%", 2), job="other", change=Change("example/other", ChangeKind.BRANCH, "main"))
    history.record(other, answered=Answered.YES)

    def found(**wanted: object) -> list[str]:
        return [each.build for each in history.attempts(**wanted)]  # type: ignore[arg-type] # whatever is asked for

    assert found() == ["aa2", "Ab%", "aa1"]
    assert found(limit=2) == ["aa2", "Ab%"]
    assert found(job="other") == ["Ab%"]
    assert found(project="example/shop") == ["aa2", "aa1"]
    assert found(verdict=Verdict.SUCCESS) == ["Ab%", "aa1"]
    assert found(since=START + datetime.timedelta(hours=2)) == ["aa2", "Ab%"]
    assert found(build="aa") == ["aa2", "aa1"]
    assert found(build="a%") == found(build="AA") == found(build="_") == []
    assert found(job="other", verdict=Verdict.FAILURE) == []


def test_a_build_is_found_by_the_beginning_of_its_id(history: History) -> None:
    for build in ("abc", "abcd", "abd", "x"):
        history.record(at(passing(), build, 0), answered=Answered.YES)
        history.record(at(unverified(), build, 1), answered=Answered.YES)

    assert history.builds("x") == ("x",)
    assert history.builds("ab") == ("abc", "abcd", "abd")
    assert history.builds("abc") == ("abc",)
    assert history.builds("ABC") == history.builds("nothing") == ()
    for number in range(9):
        history.record(at(passing(), f"many{number}", 0), answered=Answered.YES)
    assert len(history.builds("many")) == 5


def test_measurements_of_a_step_are_those_of_its_dataset_and_engine_version_newest_first(history: History) -> None:
    for number in range(4):
        outcome = at(passing(), f"b{number}", number)
        steps = tuple(
            evolve(step, measurement=step.measurement and evolve(step.measurement, wall_s=float(number)))
            for step in outcome.datasets[0].steps
        )
        of = evolve(outcome.datasets[0], steps=steps, engine_version="11" if number == 3 else "10.11.6")
        history.record(evolve(outcome, datasets=(of, outcome.datasets[1])), answered=Answered.YES)
    unmeasured = at(unverified(), "not-run", 9)
    history.record(unmeasured, answered=Answered.YES)

    taken = history.measurements("b5d083fa1c46", "shop-mariadb", "10.11.6")

    assert [each.wall_s for each in taken] == [2.0, 1.0, 0.0]
    assert taken[0].counters == passing().datasets[0].steps[10].measurement.counters  # type: ignore[union-attr] # it has one
    assert [each.wall_s for each in history.measurements("b5d083fa1c46", "shop-mariadb", "10.11.6", limit=1)] == [2.0]
    assert [each.wall_s for each in history.measurements("b5d083fa1c46", "shop-mariadb", "11")] == [3.0]
    assert history.measurements("b5d083fa1c46", "shop", "10.11.6") == ()


def test_measurements_are_compared_within_the_same_chain_and_conditions(history: History) -> None:
    """Conditions are the same in whatever order they stand."""
    copied, cloned = {"clone": "copy", "file_system": "ext4"}, {"clone": "reflink", "file_system": "xfs"}
    for number, (chain, conditions) in enumerate([("", copied), ("", cloned), ("alembic_version_fab", cloned)]):
        of = passing().datasets[0]
        step = StepResult(
            Step("b", ("a",), chain=chain),
            added=True,
            result="ok",
            measurement=Measurement(float(number)),
            leg="release kilo",
        )
        outcome = evolve(passing(), datasets=(evolve(of, steps=(step,), conditions=conditions),))
        history.record(at(outcome, f"b{number}", number), answered=Answered.YES)
        (found,) = history.build(f"b{number}")
        assert found.datasets == outcome.datasets

    def taken(**wanted: Any) -> list[float]:
        return [each.wall_s for each in history.measurements("b", "shop-mariadb", "10.11.6", **wanted)]

    assert taken() == [1.0, 0.0]
    assert taken(conditions=dict(reversed(copied.items()))) == [0.0]
    assert taken(conditions=cloned) == [1.0]
    assert taken(chain="alembic_version_fab", conditions=cloned) == [2.0]
    assert taken(conditions={}) == []


def test_only_steps_and_builds_that_passed_teach_and_never_the_change_itself(history: History) -> None:
    of, change = passing().datasets[0], passing().change
    step = StepResult(Step("b", ("a",)), added=True, result="ok", measurement=Measurement(0.0))
    mine = evolve(change, number="12345", patchset="2")
    runs = (
        (passing(), "ok", mine),
        (passing(), "ok", evolve(mine, patchset="1")),
        (passing(), "ok", evolve(mine, number="123456")),
        (passing(), "failed", evolve(mine, number="7")),
        (failing(), "ok", evolve(mine, number="8")),
        (passing(), "ok", evolve(mine, project="other/project")),
    )
    for number, (outcome, result, of_change) in enumerate(runs):
        ran = evolve(step, result=result, measurement=Measurement(float(number)))
        made = evolve(outcome, change=of_change, datasets=(evolve(of, steps=(ran,)),))
        history.record(at(made, f"b{number}", number), answered=Answered.YES)

    def taken(**wanted: Any) -> list[float]:
        return [each.wall_s for each in history.measurements("b", of.name, of.engine_version, **wanted)]

    assert taken(passed=True, apart=mine) == [5.0, 2.0]
    assert taken(passed=True) == [5.0, 2.0, 1.0, 0.0]
    assert taken(apart=evolve(mine, number=None)) == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert taken(passed=True, fingerprint=of.fingerprint) == [5.0, 2.0, 1.0, 0.0]
    assert taken(fingerprint="another") == []


def test_a_build_asks_the_past_of_its_step_and_holds_nothing_open(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    recollect = Recollection(config)
    of, other = passing().datasets[0], evolve(passing().change, number="1")
    step = next(each for each in of.steps if each.measurement)
    assert recollect(step.step, of, other, 100) == (), "there is no history yet"

    upgrade(database.address(config))
    opened = History.open(database.address(config))
    opened.record(passing(), answered=Answered.YES)
    opened.close()
    (found,) = recollect(step.step, of, other, 100)
    assert step.measurement is not None
    assert (found.wall_s, found.counters) == (step.measurement.wall_s, step.measurement.counters)
    assert recollect(step.step, of, passing().change, 100) == ()
    assert recollect(step.step, evolve(of, conditions={"clone": "other"}), other, 100) == ()


def test_a_limit_is_remembered_with_its_table_its_weight_and_what_the_step_came_to(history: History) -> None:
    of = passing().datasets[0]
    limits = (
        Limit(
            "writes_wait_s",
            2.0,
            "policy",
            table="orders",
            severity=Severity.WARNING,
            value=41.5,
            weight=Severity.WARNING,
        ),
        Limit("wal_bytes", 1e9, "learned", false_alarms=1 / 21),
    )
    steps = (*of.steps[:-1], evolve(of.steps[-1], limits=limits))
    history.record(evolve(passing(), datasets=(evolve(of, steps=steps),)), answered=Answered.YES)

    (found,) = history.build(BUILD)

    assert found.datasets[0].steps[-1].limits == limits


def test_what_an_earlier_build_has_measured_is_not_stored_again(history: History) -> None:
    of = passing().datasets[0]
    steps = tuple(evolve(step, from_snapshot=not step.added, leg="" if step.added else "main") for step in of.steps)
    history.record(evolve(passing(), datasets=(evolve(of, steps=steps),)), answered=Answered.YES)
    (found,) = history.build(BUILD)
    assert found.datasets[0].steps == tuple(step for step in steps if step.added)
    assert history.measurements("1f0a4c7be210", "shop-mariadb", "10.11.6") == ()


def test_the_measurements_of_a_step_are_looked_up_by_an_index(history: History, url: URL) -> None:
    """The planner would read a small table from end to end, so that it is given many rows."""
    engine = database.engine_for(url)
    rows = [
        {
            "attempt_id": 1,
            "dataset": 0,
            "position": 10 + number,
            "version": f"v{number}",
            "parents": [],
            "title": "",
            "added": True,
            "result": "ok",
            "wall_s": 1.0,
        }
        for number in range(5000)
    ]
    history.record(passing(), answered=Answered.YES)
    with engine.begin() as connection:
        key = connection.scalar(select(schema.attempts.c.id))
        connection.execute(
            sqlalchemy.insert(schema.steps),
            [{**row, "attempt_id": key, "position": 100 + at} for at, row in enumerate(rows)],
        )
    wanted = step_runs("v7", "shop-mariadb", "10.11.6", 100).compile(engine)
    explain = "EXPLAIN QUERY PLAN " if url.get_backend_name() == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        plan = connection.exec_driver_sql(
            explain + str(wanted),
            wanted.construct_params()
            if url.get_backend_name() != "sqlite"
            else tuple(wanted.construct_params()[name] for name in wanted.positiontup or ()),
        )
        words = "\n".join(" ".join(str(part) for part in row) for row in plan)
    engine.dispose()

    assert "ix_steps_version_attempt_id" in words
    assert "SCAN steps" not in words
    assert "Seq Scan on steps" not in words


def test_old_attempts_are_forgotten_with_all_that_is_below_them(history: History, url: URL) -> None:
    now = datetime.datetime.now(datetime.UTC)
    age = (now - START).total_seconds() / 3600
    for build, hours in (("old", age - 48), ("young", age - 2), ("youngest", age - 1)):
        history.record(at(failing(), build, hours), answered=Answered.YES)

    assert history.forget(older_than_s=86400, maximum=10) == 1
    assert [each.build for each in history.attempts()] == ["youngest", "young"]
    assert history.forget(older_than_s=86400, maximum=1) == 1
    assert [each.build for each in history.attempts()] == ["youngest"]
    assert history.forget(older_than_s=86400, maximum=1) == 0
    assert history.forget(older_than_s=0, maximum=1) == 1
    assert set(counted(url).values()) == {0}
