from __future__ import annotations

import datetime

import pytest
from attrs import evolve

from thcore.model import (
    DatasetRun,
    Limit,
    Loss,
    Measurement,
    Severity,
    Statement,
    Step,
    StepResult,
    TableWork,
    Wait,
)
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import SilentLoss
from thplugins_dbmigration.policy.file import AllowedLoss, Policy, Waiver

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
    (finding,) = judge([ran(limit, wall_s=121.04)])
    assert finding.message == "WARNING - Migration 266->267 took too long"
    assert (finding.code, finding.severity) == ("migration-too-long", Severity.FAILURE)
    assert finding.evidence == (
        "It took 121.0 s; the limit is 60 s (small/config.json: maximum_migration_times.default).",
        "A build fails above 2 times the limit: 120 s as fast as the machine usually is.",
    )
    assert str(finding.location) == "versions/267.py, dataset small, step 266->267"
    (older, _) = judge([ran(limit, wall_s=121.04, added=False)])
    assert (older.code, older.severity) == ("migration-too-long", Severity.WARNING)
    assert len(older.evidence) == 1


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


def test_texts_that_were_emptied_are_told_like_values_that_went() -> None:
    (finding,) = judge([lost(Loss("people", "name", 9, 4, "emptied"))])
    assert (finding.code, finding.severity) == ("values-emptied", Severity.WARNING)
    assert finding.message == "Migration 266->267 emptied texts of people.name: 9 -> 4"
    assert finding.evidence == ("people.name: 9 -> 4 texts that are not empty",)
    (finding,) = judge([lost(Loss("people", "name", 9, 4, "emptied"))], SilentLoss.FAILURE)
    assert finding.severity is Severity.FAILURE


def test_values_that_became_the_same_weigh_less() -> None:
    merged = lost(Loss("people", "city", 9, 4, "merged"))
    (finding,) = judge([merged])
    assert (finding.code, finding.severity) == ("values-merged", Severity.INFO)
    assert finding.message == "Migration 266->267 made different values the same in people.city: 9 -> 4"
    assert judge([merged], SilentLoss.FAILURE)[0].severity is Severity.WARNING


def test_a_loss_that_the_policy_allows_is_told_with_its_reason_and_weighs_nothing() -> None:
    policy = Policy(allowed_losses=(AllowedLoss("267", "dag_run", "nobody reads them", "o", datetime.date.max, "*"),))
    rows, allowed = judge([lost(ROWS, *VALUES)], SilentLoss.FAILURE, policy)
    assert (rows.code, rows.severity) == ("rows-vanished", Severity.FAILURE)
    assert (allowed.code, allowed.severity) == ("loss-allowed", Severity.INFO)
    assert allowed.evidence[0] == "dag_run.conf: 120 -> 117: nobody reads them"


def test_a_loss_whose_allowance_has_expired_weighs_as_any_other() -> None:
    policy = Policy(allowed_losses=(AllowedLoss("267", "dag_run", "r", "o", datetime.date(2020, 1, 1), "*"),))
    assert judge([lost(ROWS, *VALUES)], SilentLoss.FAILURE, policy) == judge([lost(ROWS, *VALUES)], SilentLoss.FAILURE)


ALTER = "ALTER TABLE orders MODIFY total BIGINT"
WAITS = (Wait("write", "orders", 5.8), Wait("read", "orders", 0.1))
COPIED = TableWork("orders", "copy", 3_000_000, 41_000_000)
TODAY = datetime.date(2027, 3, 31)


def altered(*limits: Limit, slowness: float | None = None, wall_s: float = 6.0, unknown: str = "") -> DatasetRun:
    statement = Statement(ALTER, 0.0, 5.9, works=(COPIED,), waits=WAITS)
    measured = Measurement(wall_s, {"wal_bytes": 100}, {}, (statement,), WAITS, slowness)
    if unknown:
        blind = Statement(ALTER, 0.0, 5.9, unknown={"works": unknown})
        measured = Measurement(wall_s, {}, {"waits": unknown}, (blind,))
    step = StepResult(STEP, added=True, result="ok", measurement=measured, limits=limits)
    return DatasetRun("small", "mysql", "10.11", "f" * 64, "command", steps=(step,))


def test_who_had_to_wait_too_long_is_told_with_table_and_statement() -> None:
    (finding,) = judge([altered(Limit("writes_wait_s", 3, "there"), Limit("reads_wait_s", 1, "there"))])
    assert (finding.code, finding.severity) == ("wait-exceeded", Severity.FAILURE)
    assert finding.message == ("Migration 266->267 kept writers of orders waiting for 5.8 s; the limit is 3 s (there)")
    assert finding.evidence == ("writes_wait_s: 5.8", ALTER)


def test_a_table_that_must_not_be_copied_is_told_with_its_size_and_the_statement() -> None:
    (finding,) = judge([altered(Limit("copied_rows", 100_000, "there"), Limit("rebuilt_rows", 0, "there"))])
    assert (finding.code, finding.severity) == ("table-work-exceeded", Severity.FAILURE)
    assert finding.message == (
        "Migration 266->267: orders is copied, a table of 3000000 rows; the limit is 100000 (there)"
    )
    assert finding.evidence == ("copied_rows: 3000000", ALTER)


def test_a_table_with_a_limit_of_its_own_and_a_small_one_are_not_meant_by_the_limit_for_all() -> None:
    everywhere, its_own = Limit("copied_rows", 100_000, "there"), Limit("copied_rows", 4_000_000, "here", "orders")
    assert judge([altered(everywhere, its_own)]) == []
    assert judge([altered(everywhere)], policy=Policy(small_tables=("orders",))) == []
    waits = Limit("writes_wait_s", 3, "there")
    (finding,) = judge([altered(waits)], policy=Policy(small_tables=("orders",)))
    assert finding.code == "wait-exceeded"


def test_a_limit_weighs_what_it_says_and_never_more_than_a_warning_on_older_steps() -> None:
    for severity in (Severity.INFO, Severity.WARNING, Severity.FAILURE):
        run = altered(Limit("wal_bytes", 5, "there", severity=severity))
        (finding,) = judge([run])
        assert finding.severity is severity
        older, _ = judge([evolve(run, steps=(evolve(run.steps[0], added=False),))])
        assert older.severity is (Severity.INFO if severity is Severity.INFO else Severity.WARNING)


@pytest.mark.parametrize("counter", ["writes_wait_s", "copied_rows"])
def test_waits_and_works_that_nobody_could_look_at_are_no_pass_and_the_reason_is_told(counter: str) -> None:
    (finding,) = judge([altered(Limit(counter, 3, "there"), unknown="a file has no sessions")])
    assert (finding.code, finding.severity) == ("counter-missing", Severity.UNVERIFIED)
    assert f"{counter}: a file has no sessions" in finding.evidence


def test_what_is_known_to_be_too_much_fails_whatever_else_is_not_known() -> None:
    copied = Statement(ALTER, 0.0, 5.9, works=(COPIED,))
    blind = Statement("ALTER TABLE people …", 0.0, 5.9, unknown={"works": "its text was cut"})
    measured = Measurement(6.0, statements=(copied, blind))
    step = StepResult(STEP, added=True, result="ok", measurement=measured, limits=(Limit("copied_rows", 3, "there"),))
    run = DatasetRun("small", "mysql", "10.11", "f" * 64, "command", steps=(step,))
    (finding,) = judge([run])
    assert finding.code == "table-work-exceeded"
    (finding,) = judge([evolve(run, steps=(evolve(step, limits=(Limit("copied_rows", 4_000_000, "there"),)),))])
    assert finding.code == "counter-missing"
    assert "copied_rows: its text was cut" in finding.evidence


def test_who_asked_for_no_limit_is_not_told_that_it_cannot_be_measured() -> None:
    limit = Limit("copied_rows", 3, "thcore's own", severity=Severity.WARNING)
    assert judge([altered(limit, unknown="it cannot be replayed")]) == []


MINUTE = Limit("wall_s", 63, "small/config.json: maximum_migration_times.default")


@pytest.mark.parametrize(
    ("slowness", "machine"),
    [
        (1.07, ["The machine was 1.07 times slower than usual: as usual it would be 62.6 s."]),
        (0.9, ["The machine was not slower than usual."]),
        (None, []),
    ],
)
def test_67_s_against_63_s_fails_nobody_and_is_told(slowness: float | None, machine: list[str]) -> None:
    (finding,) = judge([altered(MINUTE, wall_s=67.0, slowness=slowness)])
    assert (finding.code, finding.severity) == ("migration-too-long", Severity.WARNING)
    assert finding.evidence == (
        "It took 67.0 s; the limit is 63 s (small/config.json: maximum_migration_times.default).",
        *machine,
        "A build fails above 2 times the limit: 126 s as fast as the machine usually is.",
    )
    assert finding.hint is not None
    assert "fails no build" in finding.hint


@pytest.mark.parametrize(("wall_s", "slowness"), [(127.0, None), (127.0, 0.5), (127.0, 1.0), (138.7, 1.1)])
def test_127_s_against_63_s_fails_and_a_fast_machine_makes_it_no_worse(wall_s: float, slowness: float | None) -> None:
    (finding,) = judge([altered(MINUTE, wall_s=wall_s, slowness=slowness)])
    assert (finding.code, finding.severity) == ("migration-too-long", Severity.FAILURE)
    (finding,) = judge([altered(MINUTE, wall_s=126.0, slowness=slowness)])
    assert finding.severity is Severity.WARNING


def test_on_a_machine_measured_twice_as_slow_127_s_fails_nobody_and_are_no_pass_either() -> None:
    (finding,) = judge([altered(MINUTE, wall_s=127.0, slowness=2.0)])
    assert (finding.code, finding.severity) == ("machine-too-slow", Severity.UNVERIFIED)
    assert finding.message == (
        "Migration 266->267 took 127.0 s on a machine that was 2 times slower than usual; the limit is 63 s"
    )
    assert "The machine was 2 times slower than usual: as usual it would be 63.5 s." in finding.evidence
    (finding,) = judge([altered(MINUTE, wall_s=253.0, slowness=2.0)])
    assert (finding.code, finding.severity) == ("migration-too-long", Severity.FAILURE)


def test_a_limit_on_time_that_can_only_warn_never_weighs_more() -> None:
    for severity in (Severity.INFO, Severity.WARNING):
        for wall_s in (67.0, 127.0, 253.0):
            (finding,) = judge([altered(evolve(MINUTE, severity=severity), wall_s=wall_s, slowness=2.0)])
            assert (finding.code, finding.severity) == ("migration-too-long", severity)


def excused(run: DatasetRun, **changes: object) -> list[tuple[str, Severity]]:
    waiver = Waiver("267", "copied_rows", "the shop is closed", "schema-team@example.org", TODAY, "orders", 3_000_000)
    policy = Policy(exceptions=(evolve(waiver, **changes),))
    return [(finding.code, finding.severity) for finding in judge([run], policy=policy, today=TODAY)]


def test_an_exception_excuses_its_step_counter_and_table_until_its_day_and_up_to_its_maximum() -> None:
    run = altered(Limit("copied_rows", 100_000, "there"))
    assert excused(run) == [("limit-excused", Severity.INFO)]
    assert excused(run, step="266->267", table="", maximum=None) == [("limit-excused", Severity.INFO)]
    for changes in (
        {"expires": TODAY - datetime.timedelta(days=1)},
        {"step": "268"},
        {"counter": "wal_bytes"},
        {"table": "people"},
        {"maximum": 2_999_999},
    ):
        assert excused(run, **changes) == [("table-work-exceeded", Severity.FAILURE)]


def test_what_is_excused_is_said_with_owner_reason_and_day() -> None:
    waiver = Waiver("267", "wal_bytes", "the shop is closed", "schema-team@example.org", TODAY)
    (finding,) = judge([altered(Limit("wal_bytes", 5, "there"))], policy=Policy(exceptions=(waiver,)), today=TODAY)
    assert finding.message == (
        "Migration 266->267 took wal_bytes to 100; the limit is 5 (there); "
        "excused until 2027-03-31 (schema-team@example.org): the shop is closed"
    )
