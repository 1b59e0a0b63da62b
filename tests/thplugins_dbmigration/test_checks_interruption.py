"""Steps that are broken off and run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from thcore.model import Measurement, Severity, Statement, Step, StepResult
from thplugins_dbmigration.checks.interruption import middle
from thplugins_dbmigration.options import InterruptedRun, Weight

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


def test_a_step_that_is_half_done_after_a_kill_is_told_with_what_is_left_of_it(project: Releases) -> None:
    project.tree("change").revision("c", "b", "create table one (id integer)", "create table two (id integer)")
    execution = project.gate(interrupted_run=InterruptedRun.CLIENT, checks=Weight.FAILURE)
    check, finding = only_check(execution), only_finding(execution)
    assert (check.name, check.result, check.step) == ("interrupted-client", "failed", "c")
    assert "b->c fails when it is run again: " in check.details[0]
    assert "table one already exists" in check.details[0]
    assert check.details[1:] == ("table one: only after the interruption",)
    assert (finding.code, finding.severity) == ("interruption-not-survived", Severity.FAILURE)
    assert finding.location.path == "migrations/versions/c.py"


def test_a_step_that_can_be_run_again_is_fine(project: Releases) -> None:
    project.tree("change").revision(
        "c", "b", "create table if not exists one (id integer)", "create table if not exists two (id integer)"
    )
    execution = project.gate(interrupted_run=InterruptedRun.CLIENT)
    assert execution.findings == ()
    assert (only_check(execution).result, only_check(execution).details) == ("ok", ())
    assert "the migration program ended" not in "".join(finding.message for finding in execution.findings)


def test_a_backfill_that_does_a_row_twice_is_found_by_what_it_leads_to(project: Releases) -> None:
    twice = AUTOCOMMIT.format("update item set price = price + 1", "update item set price = price + 1")
    project.tree("change").revision("c", "b", body=twice)
    check = only_check(project.gate(interrupted_run=InterruptedRun.CLIENT))
    assert check.details == ("column item.price: other values after one than without an interruption",)


def test_what_is_another_one_in_each_run_is_not_blamed_on_the_interruption(project: Releases) -> None:
    by_chance = AUTOCOMMIT.format("update item set price = random()", "update item set name = 'x'")
    project.tree("change").revision("c", "b", body=by_chance)
    assert only_check(project.gate(interrupted_run=InterruptedRun.CLIENT)).result == "ok"


def test_each_step_of_the_change_is_broken_off_from_the_state_before_it(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision("c", "b", "create table if not exists one (id integer)")
    tree.revision("d", "c", "create table two (id integer)").revision(
        "e", "d", "create table if not exists tri (id integer)"
    )
    execution = project.gate(interrupted_run=InterruptedRun.CLIENT)
    assert [(check.step, check.result) for check in execution.datasets[0].checks] == [
        ("c", "ok"),
        ("d", "failed"),
        ("e", "ok"),
    ]


def test_a_step_that_refuses_a_second_run_and_leaves_nothing_fails_cleanly(project: Releases, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    once = f"""
import pathlib
op.execute("update item set price = 1")
mark = pathlib.Path({str(mark)!r})
runs = mark.exists()
mark.touch()
assert not runs, "not a second time"
"""
    project.tree("change").revision("c", "b", body=once)
    check = only_check(project.gate(interrupted_run=InterruptedRun.CLIENT))
    assert check.result == "ok"
    assert "not a second time" in check.details[0]
    assert check.details[1] == "nothing of the step is left, as before it"


def test_a_file_has_no_server_to_be_killed(project: Releases) -> None:
    project.tree("change").revision("c", "b", "create table if not exists one (id integer)")
    execution = project.gate(interrupted_run=InterruptedRun.BOTH, checks=Weight.FAILURE)
    assert [(check.name, check.result) for check in execution.datasets[0].checks] == [
        ("interrupted-client", "ok"),
        ("interrupted-server", "unverified"),
    ]
    assert only_finding(execution).severity is Severity.INFO


def test_the_middle_is_half_of_the_statements_that_change_anything() -> None:
    def after(*texts: str, calls: int = 1) -> int:
        statements = tuple(Statement(text, 0.0, 0.0, calls) for text in texts)
        return middle(
            StepResult(Step("c"), added=True, result="ok", measurement=Measurement(1.0, statements=statements))
        )

    assert after() == 1
    assert after("SELECT 1", "create table t (id integer)") == 1
    assert (
        after("create table t (id integer)", "/* x */ select 1", "insert into t values (1)", "update t set id = 2") == 2
    )
    assert after("update t set id = 1", calls=9) == 5
