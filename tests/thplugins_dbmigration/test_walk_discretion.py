"""What may be told of a dataset with columns that nobody is to read."""

from __future__ import annotations

from attrs import evolve

from thcore.model import Check, DatasetRun, Finding, Measurement, Severity, Statement, Step, StepResult
from thplugins_dbmigration.walk.discretion import Discretion

STEP = Step("b", ("a",), path="versions/b.py")
FAILED = Statement(
    "UPDATE users SET mail = 'ann@secret' WHERE id = 1",
    1.0,
    0.1,
    error="1062 (23000): Duplicate entry 'ann@secret' for key 'one'",
    unknown={"works": "it cannot be said again without rows: ann@secret"},
)


def ran(*statements: Statement) -> DatasetRun:
    result = StepResult(STEP, added=True, result="failed", measurement=Measurement(1, statements=statements))
    check = Check("round-trip", "failed", details=("going back fails: mail ann@secret",))
    return DatasetRun("small", "mysql", "10.11", "f", "alembic", steps=(result,), checks=(check,))


def test_statements_are_told_without_their_values() -> None:
    run = ran(FAILED, evolve(FAILED, error=""))
    shown = Discretion.about("mariadb", run).run(run)
    assert shown.steps[0].measurement is not None
    failed, other = shown.steps[0].measurement.statements
    assert failed.text == other.text == "UPDATE users SET mail = ? WHERE id = ?"
    assert failed.error == "1062 (23000): Duplicate entry *** for key 'one'"
    assert "ann@secret" not in str(shown)


def test_what_has_gone_through_goes_through_again_unchanged() -> None:
    run = ran(FAILED)
    shown = Discretion.about("mysql", run).run(run)
    assert Discretion.about("mysql", shown).run(shown) == shown


def test_findings_have_no_values_of_the_statement_that_failed_wherever_they_tell_them() -> None:
    told = (
        "statement: UPDATE users SET mail = 'ann@secret' WHERE id = 1",
        "b.py, line 14: op.execute(\"UPDATE users SET mail = 'ann@secret' WHERE id = 1\")",
        "cannot give ann@secret to user 1",
        "[SQL: UPDATE users",
        "SET mail = 'ann@secret' WHERE id = 1]",
    )
    finding = Finding("migration-not-ended", Severity.FAILURE, "It failed: ann@secret", evidence=told)
    left = (
        "statement: UPDATE users SET mail = ? WHERE id = ?",
        'b.py, line 14: op.execute("UPDATE users SET mail = *** WHERE id = 1")',
        "cannot give *** to user 1",
        "[SQL: ***]",
    )
    run = ran(FAILED)
    assert Discretion.about("mysql", run).finding(finding) == evolve(finding, message="It failed: ***", evidence=left)
    # Where only the tool knows the statement.
    assert Discretion.about("sqlite", None).finding(finding).evidence == left
