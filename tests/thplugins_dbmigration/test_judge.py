from __future__ import annotations

from thcore.model import DatasetRun, Limit, Loss, Measurement, Severity, Step, StepResult
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import SilentLoss

STEP = Step("267", ("266",), path="versions/267.py")


def ran(
    *limits: Limit, added: bool = True, result: str = "ok", wall_s: float = 1.0, **counters: int | None
) -> DatasetRun:
    step = StepResult(STEP, added, result, Measurement(wall_s, counters), limits)
    return DatasetRun("small", "mysql", "10.11", "f" * 64, "command", steps=(step,))


def test_a_step_within_its_limits_says_nothing() -> None:
    limits = (Limit("wall_s", 1.0, "o"), Limit("Innodb_rows_read", 5, "o"), Limit("XInnodb_rows_changed", 0, "o"))
    assert judge([ran(*limits, Innodb_rows_read=5, XInnodb_rows_changed=0)]) == []


def test_a_step_that_takes_too_long_fails_when_the_change_adds_it_and_warns_otherwise() -> None:
    limit = Limit("wall_s", 60, "small/config.json: maximum_migration_times.default")
    (finding,) = judge([ran(limit, wall_s=67.04)])
    assert finding.message == "WARNING - Migration 266->267 took too long"
    assert (finding.code, finding.severity) == ("migration-too-long", Severity.FAILURE)
    assert finding.evidence == (
        "It took 67.0 s; the limit is 60 s (small/config.json: maximum_migration_times.default).",
    )
    assert str(finding.location) == "versions/267.py, dataset small, step 266->267"
    (older, _) = judge([ran(limit, wall_s=67.04, added=False)])
    assert (older.code, older.severity) == ("migration-too-long", Severity.WARNING)


def test_rows_above_a_limit_are_told_with_number_limit_and_origin() -> None:
    read = Limit("Innodb_rows_read", 1000, "small/config.json: Innodb_rows_read.266->267")
    changed = Limit("XInnodb_rows_changed", 10, "there")
    other = Limit("wal_bytes", 10, "elsewhere")
    findings = judge([ran(read, changed, other, Innodb_rows_read=1001, XInnodb_rows_changed=11, wal_bytes=12)])
    assert [(finding.code, finding.severity, finding.message) for finding in findings] == [
        (
            "rows-read-exceeded",
            Severity.FAILURE,
            "Migration 266->267 read 1001 rows; the limit is 1000 (small/config.json: Innodb_rows_read.266->267)",
        ),
        ("rows-changed-exceeded", Severity.FAILURE, "Migration 266->267 changed 11 rows; the limit is 10 (there)"),
        ("counter-exceeded", Severity.FAILURE, "Migration 266->267 took wal_bytes to 12; the limit is 10 (elsewhere)"),
    ]


def test_a_limit_on_what_was_not_measured_is_never_a_pass() -> None:
    limit = Limit("Innodb_rows_read", 1000, "o")
    for run in (ran(limit), ran(limit, Innodb_rows_read=None)):
        (finding,) = judge([run])
        assert (finding.code, finding.severity) == ("counter-missing", Severity.UNVERIFIED)
        assert "Innodb_rows_read" in finding.message
        assert "mysql 10.11" in finding.message
    (older, _) = judge([ran(limit, added=False)])
    assert older.severity is Severity.INFO


def test_a_failed_step_is_not_judged_a_second_time() -> None:
    assert judge([ran(Limit("wall_s", 0, "o"), result="failed")]) == []


def test_it_is_said_when_no_migration_of_the_change_ran() -> None:
    nothing = DatasetRun("small", "mysql", "10.11", "f" * 64, "command")
    for run in (nothing, ran(added=False), ran(result="not-run")):
        (finding,) = judge([run])
        assert (finding.code, finding.severity) == ("no-steps", Severity.INFO)
        assert "nothing of it was tested" in finding.message
    assert judge([nothing, ran()]) == []


ROWS = Loss("orders", None, 100, 70)
VALUES = (Loss("dag_run", "conf", 120, 117), Loss("dag_run", "state", 8, 0), Loss("dag_run", "note", 9, None))


def lost(*losses: Loss, added: bool = True, result: str = "ok") -> DatasetRun:
    step = StepResult(STEP, added, result, Measurement(1.0), losses=losses)
    return DatasetRun("small", "mysql", "10.11", "f" * 64, "command", steps=(step,))


def test_what_a_step_lost_is_told_with_table_column_and_both_counts() -> None:
    rows, values, dropped = judge([lost(ROWS, *VALUES)])
    assert (rows.code, rows.severity) == ("rows-vanished", Severity.WARNING)
    assert rows.message == "Migration 266->267 lost rows of orders: 100 -> 70"
    assert rows.evidence == ("orders: 100 -> 70 rows",)
    assert str(rows.location) == "versions/267.py, dataset small, step 266->267"
    assert (values.code, values.severity) == ("values-vanished", Severity.WARNING)
    assert values.message == "Migration 266->267 lost values of dag_run.conf: 120 -> 117, and of 1 more"
    assert values.evidence == ("dag_run.conf: 120 -> 117 values", "dag_run.state: 8 -> 0 values")
    assert values.hint
    assert dropped.message == "Migration 266->267 lost values of dag_run.note: 9 -> dropped"


def test_what_went_with_a_dropped_table_or_column_weighs_less_than_what_went_without_a_word() -> None:
    dropped = (Loss("orders", None, 100, None), VALUES[-1])
    assert [finding.severity for finding in judge([lost(*dropped)])] == [Severity.INFO] * 2
    findings = judge([lost(*dropped, ROWS)], SilentLoss.FAILURE)
    assert [finding.severity for finding in findings] == [Severity.FAILURE, Severity.WARNING, Severity.WARNING]


def test_the_job_says_what_a_loss_weighs() -> None:
    (finding,) = judge([lost(ROWS)], SilentLoss.FAILURE)
    assert finding.severity is Severity.FAILURE
    assert judge([lost(ROWS)], SilentLoss.OFF) == []


def test_only_the_losses_of_steps_that_the_change_adds_and_that_ended_well_are_told() -> None:
    (nothing_tested,) = judge([lost(ROWS, added=False)])
    assert nothing_tested.code == "no-steps"
    assert judge([lost(ROWS, result="failed")]) == []
