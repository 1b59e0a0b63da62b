"""Outcomes as a migration gate would leave them: an Alembic project, two datasets, a dozen steps."""

from __future__ import annotations

import datetime
from pathlib import Path

from attrs import evolve

from thcore.model import (
    Change,
    ChangeKind,
    Check,
    DatasetRun,
    Finding,
    Limit,
    Location,
    Measurement,
    Offence,
    Outcome,
    PluginInfo,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Statement,
    Step,
    StepResult,
    TableLock,
    TableWork,
    Verdict,
    Wait,
    WorkerInfo,
)

START = datetime.datetime(2026, 3, 14, 9, 26, 53, tzinfo=datetime.UTC)
BUILD = "e84f826c2f5b4b0f9d5f3a7c1d2e4f60"
LOG_PATH = "45/12345/2/check/gate-real-db-upgrade_example/e84f826"

_TITLES = (
    ("1f0a4c7be210", "Create the orders and order_lines tables", 0.42),
    ("2c9d11e0a7f4", "Add customers.locale", 0.31),
    ("3a71be550c18", "Index order_lines.order_id", 6.9),
    ("4d20f6c9b3e1", "Split customers.name", 11.2),
    ("5e8b7d41a906", "Make invoices.total a decimal", 14.8),
    ("60c3a2f7d85b", "Add shipments", 0.55),
    ("71f9e4b06c2d", "Drop customers.fax", 0.9),
    ("82ad50c7e913", "Foreign key of shipments to orders", 3.4),
    ("93be61d8fa24", "Remember who changed an order", 0.7),
    ("a4cf72e90b35", "Fill orders.currency for old orders", 22.6),
    ("b5d083fa1c46", "Add orders.archived_at and index it", 74.3),
    ("c6e1940b2d57", "Move archived orders to a partition", 4.1),
)
STAGES = (
    (StageName.CHECKOUT, ("git",), 3.2),
    (StageName.ENVIRONMENT, ("venv",), 11.8),
    (StageName.EXECUTE, ("dbmigration",), 331.0),
    (StageName.ANALYSE, ("dbmigration", "log_patterns"), 0.6),
)


def steps(*, limit_s: float = 60.0, factor: float = 1.0, broken: bool = False) -> tuple[StepResult, ...]:
    """Twelve steps, the last two of them the change's own; ``broken`` fails the first of those."""
    results: list[StepResult] = []
    parent: tuple[str, ...] = ()
    for number, (version, title, seconds) in enumerate(_TITLES):
        added = number >= 10
        limits: tuple[Limit, ...] = (Limit("wall_s", limit_s, "config.json: maximum_migration_times.default"),)
        if added:
            limits += (
                Limit("Innodb_rows_read", 2_000_000, "config.json: limits.b5d083fa1c46.rows_read"),
                Limit("bytes_written", 256 * 1024**2, "learned from 14 earlier builds"),
            )
        result = "ok" if not broken or number < 10 else "failed" if number == 10 else "not-run"
        measured = None
        if result != "not-run":
            read = int(seconds * 61_234)
            measured = Measurement(
                seconds * factor, {"Innodb_rows_read": read, "bytes_written": read * 31 if number != 11 else None}
            )
        path = f"example/migrations/versions/{version}_{title.lower().replace(' ', '_')[:30]}.py"
        results.append(StepResult(Step(version, parent, title, path), added, result, measured, limits))
        parent = (version,)
    return tuple(results)


def _without_counters(results: tuple[StepResult, ...]) -> tuple[StepResult, ...]:
    return tuple(evolve(result, limits=result.limits[:1]) for result in results)


def dataset(name: str, engine: str, version: str, results: tuple[StepResult, ...]) -> DatasetRun:
    """A dataset's run that ends where its last step ended. Its steps ran one after the other."""
    at = START.timestamp() + 21.0
    timed: list[StepResult] = []
    for result in results:
        measured = result.measurement
        timed.append(evolve(result, measurement=evolve(measured, began=at) if measured else None))
        at += measured.wall_s + 0.4 if measured else 0.0
    results = tuple(timed)
    done = [result.step.version for result in results if result.result == "ok"]
    return DatasetRun(
        name,
        engine,
        version,
        "sha256:5d41402abc4b2a76b9719d911017c592",
        "alembic",
        (),
        (results[-1].step.version,) if results else (),
        (done[-1],) if done else (),
        results,
    )


def outcome(verdict: Verdict, summary: str, *, attempt: int = 1) -> Outcome:
    """An outcome with everything but findings and datasets."""
    at = START + datetime.timedelta(seconds=1)
    stages: list[StageRun] = []
    for name, plugins, seconds in STAGES:
        stages.append(StageRun(name, StageResult.OK, at, at + datetime.timedelta(seconds=seconds), plugins))
        at += datetime.timedelta(seconds=seconds + 0.2)
    return Outcome(
        job="gate-real-db-upgrade_example",
        build=BUILD,
        attempt=attempt,
        change=Change(
            "example/shop",
            ChangeKind.CHANGE,
            branch="main",
            ref="refs/zuul/main/Zc3f1a9d2b7e84f0",
            number="12345",
            patchset="2",
        ),
        log_path=LOG_PATH,
        verdict=verdict,
        summary=summary,
        worker=WorkerInfo("worker-03", "gate3.example.org", "0.1.0"),
        started=START,
        ended=at,
        commit="9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4",
        stages=tuple(stages),
        plugins=(
            PluginInfo("git", "thcore", "0.1.0"),
            PluginInfo("venv", "thcore", "0.1.0"),
            PluginInfo("dbmigration", "thplugins-dbmigration", "0.1.0"),
            PluginInfo("log_patterns", "thcore", "0.1.0"),
            PluginInfo("publish_local", "thplugins-publish-local", "0.1.0"),
        ),
        artifacts=("console.log", "datasets/shop-mariadb/schema.diff"),
    )


def passing() -> Outcome:
    """Everything is well."""
    results = _without_counters(steps(limit_s=120.0, factor=0.4))
    return evolve(
        outcome(Verdict.SUCCESS, "2 new steps passed on 2 datasets"),
        datasets=(
            dataset("shop-mariadb", "MariaDB", "10.11.6", results),
            dataset("shop-postgresql", "PostgreSQL", "15.8", results),
        ),
        findings=(
            Finding(
                "index-unused",
                Severity.INFO,
                "The new index ix_orders_archived_at repeats the first column of ix_orders_archived_at_id",
                Location(dataset="shop-postgresql", step="b5d083fa1c46"),
                plugin="dbmigration",
            ),
        ),
    )


def failing() -> Outcome:
    """A step of the change takes too long on one dataset and reads too much; another analyser has a warning."""
    return evolve(
        outcome(Verdict.FAILURE, "WARNING - Migration b5d083fa1c46 took too long"),
        datasets=(
            dataset("shop-postgresql", "PostgreSQL", "15.8", _without_counters(steps(factor=0.5))),
            dataset("shop-mariadb", "MariaDB", "10.11.6", steps()),
        ),
        findings=(
            Finding(
                "deprecated-call",
                Severity.WARNING,
                "The project calls Query.get(), which SQLAlchemy 2.0 calls legacy",
                Location(path="example/models/orders.py", line=118),
                (
                    "example/models/orders.py:118: LegacyAPIWarning: The Query.get() method is considered legacy",
                    "  return session.query(Order).get(key)",
                ),
                plugin="log_patterns",
            ),
            Finding(
                "migration-too-slow",
                Severity.FAILURE,
                "Step b5d083fa1c46 read 4,549,686 rows, its limit is 2,000,000: it rewrites the whole table orders",
                Location("example/migrations/versions/b5d083fa1c46_add_orders.py", 31, "shop-mariadb", "b5d083fa1c46"),
                (
                    "INFO  [alembic.runtime.migration] Running upgrade a4cf72e90b35 -> b5d083fa1c46, Archive orders",
                    "observer: b5d083fa1c46 took 74.3 s, 4549686 rows read, 134.5 MiB written",
                ),
                "Add the column with ALGORITHM=INSTANT and build the index in a step of its own; MariaDB then does not"
                " copy the table.",
                "dbmigration",
            ),
        ),
    )


def watched() -> Outcome:
    """A step of the change fails on rows of one dataset; what each statement did was noted."""
    base = failing()
    copied = Statement(
        "ALTER TABLE orders MODIFY total BIGINT NOT NULL",
        0.2,
        41.5,
        counters={"rows_affected": 1_200_000},
        works=(TableWork("orders", "copy", 1_200_000, 141_557_760, "the file of the table is another one"),),
        waits=(Wait("write", "orders", 40.9, 0.5),),
        locks=(TableLock("orders", "SHARED_NO_WRITE", "writers", 41.3, 41.4, 0.3),),
    )
    filled = Statement("UPDATE orders SET archived = ? WHERE id = ?", 42.0, 8.0, calls=4_000)
    unique = Statement(
        "CREATE UNIQUE INDEX ix_orders_number ON orders (number)",
        50.5,
        3.0,
        error="1062 Duplicate entry '7' for key 'ix_orders_number'",
        works=(TableWork("orders", "index", 1_200_000, 141_557_760),),
    )
    small = Statement("ALTER TABLE orders ADD note TEXT", 42.0, 0.002, works=(TableWork("orders", "metadata"),))
    query = "SELECT number, COUNT(*) FROM orders GROUP BY number HAVING COUNT(*) > 1"
    offence = Offence("duplicate", "orders", ("number",), 3, query, ({"number": "7", "note": None, "name": ""},))

    def seen(result: StepResult) -> StepResult:
        if not result.added or result.measurement is None:
            return result
        waits = (*copied.waits, Wait("read", "orders", 0.01))
        locks = (
            TableLock("orders", "EXCLUSIVE", "all", 0.06, 0.11, 41.6),
            *copied.locks,
            TableLock("orders", "SHARED_WRITE", "rows", 0.4, 0.6, 42.1, rows=2_400),
            TableLock("orders", "SHARED_UPGRADABLE", "schema", 0.0, 0.05, 42.0),
        )
        measured = evolve(
            result.measurement,
            statements=(copied, filled, small, unique),
            waits=waits,
            locks=locks,
            locks_unseen_s=0.06,
        )
        return evolve(result, measurement=measured, offences=(offence,), on_empty="ok")

    checks = (
        Check("round-trip", "failed", "b5d083fa1c46", ("orders.total: 12 values differ",)),
        Check("same-schema", "ok"),
    )
    one, other = base.datasets
    return evolve(base, datasets=(one, evolve(other, steps=tuple(map(seen, other.steps)), checks=checks)))


def large() -> Outcome:
    """Twenty datasets, four hundred steps, five hundred findings."""
    base = watched()
    seen = base.datasets[1]
    kinds = (Severity.FAILURE, Severity.WARNING, Severity.INFO, Severity.UNVERIFIED)
    datasets = tuple(
        evolve(seen, name=f"region-{number:02}", steps=(*seen.steps, *seen.steps[2:10])) for number in range(20)
    )
    findings = tuple(
        Finding(
            f"code-{number % 7}",
            kinds[number % 4],
            f"Finding {number} says what was found, where, and why that matters to whoever reads it",
            Location(dataset=f"region-{number % 20:02}", step="b5d083fa1c46"),
            tuple(f"line {line} of the evidence of finding {number}" for line in range(12)),
            "Do what has to be done, then upload the change once more.",
            "dbmigration",
        )
        for number in range(500)
    )
    return evolve(base, datasets=datasets, findings=findings)


def unverified() -> Outcome:
    """A server would not start, so that one dataset could not be measured."""
    base = outcome(
        Verdict.UNVERIFIED, "Could not measure on shop-mariadb: the database server did not start", attempt=2
    )
    return evolve(
        base,
        stages=(
            *base.stages[:2],
            evolve(base.stages[2], result=StageResult.FAILED),
            base.stages[3],
            StageRun(StageName.PUBLISH, StageResult.SKIPPED),
        ),
        datasets=(
            dataset("shop-mariadb", "MariaDB", "10.11.6", ()),
            dataset("shop-postgresql", "PostgreSQL", "15.8", _without_counters(steps(limit_s=120.0, factor=0.5))),
        ),
        findings=(
            Finding(
                "engine-start-failed",
                Severity.UNVERIFIED,
                "The MariaDB server for dataset shop-mariadb ended before it accepted a connection: exit status 1",
                Location(dataset="shop-mariadb"),
                (
                    "[ERROR] InnoDB: preallocating 12582912 bytes for file ./ibtmp1 failed with error 28",
                    "[ERROR] Plugin 'InnoDB' registration as a STORAGE ENGINE failed.",
                    "[ERROR] Aborting",
                ),
                "The disk of the worker is full: free some space below its state directory, then recheck.",
                "dbmigration",
            ),
        ),
    )


def cancelled() -> Outcome:
    """Zuul wanted it no more."""
    base = outcome(Verdict.CANCELLED, "Stopped: Zuul cancelled the build")
    stopped = evolve(base.stages[2], result=StageResult.STOPPED)
    return evolve(base, stages=(*base.stages[:2], stopped, StageRun(StageName.ANALYSE, StageResult.SKIPPED)))


def write_log(path: Path, of: Outcome, filler: int = 400) -> None:
    """A build log with the evidence of the findings somewhere in the middle of other lines."""
    lines = [("thcore", f"checking out {of.change}")]
    evidence = [line for finding in of.findings for line in finding.evidence]
    for number in range(filler):
        lines.append(
            ("alembic", f"INFO  [sqlalchemy.engine] row {number * 1000} of orders copied, {number}\x1b[32m%\x1b[0m")
        )
        if number == filler // 2:
            lines.append(("alembic", "INFO  [alembic.runtime.migration] Will assume non-transactional DDL."))
            lines.extend(("alembic", line) for line in evidence)
            lines.append(("alembic", "INFO  [alembic.runtime.migration] Step ended"))
    lines.append(("alembic", "exit status 0 after 5 m 31 s"))
    lines.append(("thcore", f"verdict {of.verdict.value}: {of.summary}"))
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for number, (source, text) in enumerate(lines):
            at = START + datetime.timedelta(seconds=number * 0.7)
            file.write(f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z {source} | {text}\n")
