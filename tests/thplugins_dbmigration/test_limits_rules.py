from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve

from thcore.model import DatasetRun, Excuse, Limit, Measurement, Secret, Severity, Statement, Step, StepResult
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.limits.rules import DEFAULTS, Rules
from thplugins_dbmigration.policy.file import Policy, Waiver

STEP = Step("152", ("151",))
MEASURED = Measurement(1.0, {"wal_bytes": 5, "Innodb_rows_read": 5}, statements=(Statement("SELECT 1", 0.0, 0.1),))
RUN = DatasetRun(
    "small",
    "mysql",
    "10.11",
    "f" * 64,
    "command",
    steps=(StepResult(STEP, added=True, result="ok", measurement=MEASURED),),
)


def dataset(**limits: Mapping[str, float]) -> Dataset:
    place = Path("small")
    return Dataset("small", place, "shop", "mysql", "shop", "shop", Secret("x"), place / "seed.sql", limits=limits)


def nothing(_step: Step, _run: DatasetRun) -> Sequence[Measurement]:
    return ()


def of(rules: Rules, run: DatasetRun = RUN) -> dict[tuple[str, str], float]:
    (step,) = rules.applied(run).steps
    return {(limit.counter, limit.table): limit.maximum for limit in step.limits}


def test_a_project_that_says_nothing_has_limits_that_fail_no_build() -> None:
    (step,) = Rules(dataset(), Policy(), nothing, None).applied(RUN).steps

    assert step.limits == tuple(evolve(limit, value=0.0) for limit in DEFAULTS)
    assert all(limit.severity is Severity.WARNING for limit in step.limits)


def test_a_limit_has_what_the_step_came_to_and_one_that_nobody_set_is_left_out_where_there_is_nothing() -> None:
    unwatched = evolve(RUN, steps=(evolve(RUN.steps[0], measurement=Measurement(1.0, {"wal_bytes": 7})),))
    policy = Policy(limits={"wal_bytes": 5, "writes_wait_s": 1})
    (step,) = Rules(dataset(), policy, nothing, None).applied(unwatched).steps

    assert [(limit.counter, limit.value) for limit in step.limits] == [("wal_bytes", 7), ("writes_wait_s", None)]


def test_what_is_said_of_a_step_counts_before_what_is_said_of_all() -> None:
    policy = Policy(
        limits={"wal_bytes": 1, "copied_rows": 10, "writes_wait_s": 2}, steps={"151->152": {"wal_bytes": 2}}
    )
    own = {"152": 3.0, "default": 4.0}

    assert of(Rules(dataset(wal_bytes=own), Policy(), nothing, None))["wal_bytes", ""] == 3
    assert of(Rules(dataset(wal_bytes=own), policy, nothing, None))["wal_bytes", ""] == 2
    assert of(Rules(dataset(wal_bytes=own), evolve(policy, steps={}), nothing, None))["wal_bytes", ""] == 3
    assert of(Rules(dataset(wal_bytes={"default": 4.0}), evolve(policy, steps={}), nothing, None)) == {
        ("wal_bytes", ""): 1,
        ("copied_rows", ""): 10,
        ("writes_wait_s", ""): 2,
    }


def test_a_table_has_limits_beside_those_of_all() -> None:
    policy = Policy(limits={"copied_rows": 10}, tables={"orders": {"copied_rows": 0, "writes_wait_s": 1}})

    assert of(Rules(dataset(), policy, nothing, None)) == {
        ("copied_rows", "orders"): 0,
        ("writes_wait_s", "orders"): 1,
        ("copied_rows", ""): 10,
    }


def test_what_is_learned_counts_after_what_somebody_says() -> None:
    asked: list[tuple[Step, DatasetRun]] = []

    def past(step: Step, run: DatasetRun) -> Sequence[Measurement]:
        asked.append((step, run))
        return [Measurement(1.0, {"wal_bytes": 1000, "Innodb_rows_read": 5})] * 20

    rules = Rules(dataset(wal_bytes={"default": 4.0}), Policy(), past, Severity.FAILURE)
    (step,) = rules.applied(RUN).steps
    found = {limit.counter: limit for limit in step.limits}

    assert asked == [(STEP, RUN)]
    assert found["wal_bytes"] == Limit(
        "wal_bytes", 4, "small/config.json: wal_bytes.default", value=5, weight=Severity.FAILURE
    )
    assert found["Innodb_rows_read"].severity is Severity.FAILURE
    assert found["Innodb_rows_read"].origin.startswith("learned from 20 runs")
    assert "Innodb_rows_read" not in dict(of(evolve(rules, learning=None)))


def test_a_step_that_is_not_the_changes_keeps_the_limits_it_has() -> None:
    kept = (Limit("wall_s", 1, "kept"),)
    older = evolve(RUN, steps=(evolve(RUN.steps[0], added=False, limits=kept),))

    assert Rules(dataset(), Policy(limits={"wal_bytes": 1}), nothing, None).applied(older) == older


def test_a_limit_says_what_it_weighs_that_the_step_went_above_it() -> None:
    def weights(wall_s: float, slowness: float | None = None) -> dict[str, Severity | None]:
        (result,) = RUN.steps
        slow = evolve(result, measurement=Measurement(wall_s, {"wal_bytes": 5}, slowness=slowness))
        policy = Policy(limits={"wall_s": 63, "wal_bytes": 5})
        (step,) = Rules(dataset(), policy, nothing, None).applied(evolve(RUN, steps=(slow,))).steps
        return {limit.counter: limit.weight for limit in step.limits if limit.counter != "copied_rows"}

    assert weights(63) == {"wall_s": None, "wal_bytes": None}
    assert weights(67) == {"wall_s": Severity.WARNING, "wal_bytes": None}
    assert weights(127) == {"wall_s": Severity.FAILURE, "wal_bytes": None}
    assert weights(127, slowness=2.0) == {"wall_s": Severity.UNVERIFIED, "wal_bytes": None}


def test_a_limit_says_why_the_step_may_be_above_it_until_the_day_that_the_policy_names() -> None:
    day = datetime.date(2027, 3, 31)
    waiver = Waiver("152", "wal_bytes", "the shop is closed", "schema-team", day)
    policy = Policy(limits={"wal_bytes": 1, "Innodb_rows_read": 9}, exceptions=(waiver,))

    def excuses(today: datetime.date) -> dict[str, Excuse | None]:
        (step,) = Rules(dataset(), policy, nothing, None, today).applied(RUN).steps
        return {limit.counter: limit.excuse for limit in step.limits if limit.counter != "copied_rows"}

    assert excuses(day) == {
        "wal_bytes": Excuse("the shop is closed", "schema-team", "2027-03-31"),
        "Innodb_rows_read": None,
    }
    assert excuses(day + datetime.timedelta(days=1)) == {"wal_bytes": None, "Innodb_rows_read": None}
