"""Steps that are broken off and run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thcore.model import Execution, Measurement, Severity, Statement, Step, StepResult
from thplugins_dbmigration.checks.interruption import middle
from thplugins_dbmigration.options import InterruptedRun, Judge, Weight

from parts.checked import checked_project, only_check, only_finding
from parts.releases import Releases

AUTOCOMMIT = """
with op.get_context().autocommit_block():
    op.execute({!r})
    op.execute({!r})
"""


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    return checked_project(tmp_path)


def interrupted(project: Releases, victim: InterruptedRun = InterruptedRun.CLIENT, **options: Any) -> Execution:
    return project.gate(interrupted_run=victim, judge=Judge.ALL, **options)


def test_each_step_of_the_change_is_broken_off_and_what_is_left_of_it_is_told(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision(
        "c", "b", "create table if not exists one (id integer)", "create table if not exists two (id integer)"
    )
    tree.revision("d", "c", "create table tri (id integer)", "create table for_ever (id integer)")
    execution = interrupted(project, checks=Weight.FAILURE)
    fine, half = execution.datasets[0].checks
    assert (fine.name, fine.result, fine.step, fine.details) == ("interrupted-client", "ok", "c", ())
    assert (half.name, half.result, half.step) == ("interrupted-client", "failed", "d")
    assert half.details[0].startswith("c->d fails when it is run again: ")
    assert "table tri already exists" in half.details[0]
    assert half.details[1:] == ("table tri: only after the interruption",)
    finding = only_finding(execution)
    assert (finding.code, finding.severity) == ("interruption-not-survived", Severity.FAILURE)
    assert (finding.location.path, finding.location.step) == ("migrations/versions/d.py", "c->d")


def test_a_backfill_that_does_rows_twice_is_found_by_what_it_leads_to(project: Releases) -> None:
    twice = AUTOCOMMIT.format("update item set price = price + 1", "update item set name = random()")
    project.tree("change").revision("c", "b", body=twice)
    assert only_check(interrupted(project)).details == (
        "column item.price: other values after one than without an interruption",
    ), "and the names are other ones in each run"


def test_a_step_that_refuses_a_second_run_and_leaves_nothing_fails_cleanly(project: Releases, tmp_path: Path) -> None:
    once = f"""
import pathlib
op.execute("update item set price = 1")
mark = pathlib.Path({str(tmp_path / "mark")!r})
assert not mark.exists(), "not a second time"
mark.touch()
"""
    project.tree("change").revision("c", "b", body=once)
    check = only_check(interrupted(project))
    assert check.result == "ok"
    assert "not a second time" in check.details[0]
    assert check.details[1] == "nothing of the step is left, as before it"


def test_a_file_has_no_server_to_be_killed(project: Releases) -> None:
    project.tree("change").revision("c", "b", "create table one (id integer)")
    execution = interrupted(project, InterruptedRun.SERVER, checks=Weight.FAILURE)
    check, finding = only_check(execution), only_finding(execution)
    assert (check.name, check.result) == ("interrupted-server", "unverified")
    assert (finding.code, finding.severity) == ("check-not-made", Severity.INFO)


def test_the_middle_is_half_of_the_statements_that_change_anything() -> None:
    def after(*texts: str, calls: int = 1) -> int:
        statements = tuple(Statement(text, 0.0, 0.0, calls) for text in texts)
        return middle(
            StepResult(Step("c"), added=True, result="ok", measurement=Measurement(1.0, statements=statements))
        )

    assert after() == 1
    assert after("SELECT 1", "create table t (id integer)") == 1
    assert (
        after("create table t (id integer)", "/* x */ select 1", "alter table t add x integer", "update v set a = 2")
        == 1
    )
    assert after("update t set id = 1", calls=9) == 4
