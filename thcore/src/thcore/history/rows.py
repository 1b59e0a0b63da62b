"""An outcome as rows of the tables, and rows as values again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, Table

from thcore.history import schema
from thcore.model import (
    Answered,
    DatasetRun,
    Finding,
    Limit,
    Location,
    Measurement,
    Outcome,
    PastAttempt,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Step,
    StepResult,
    Verdict,
)

Values = dict[str, Any]


def attempt_row(outcome: Outcome, answered: Answered) -> Values:
    """The row of the attempt itself."""
    past = PastAttempt.of(outcome, answered)
    values = {column.name: getattr(past, column.name) for column in schema.attempts.columns if column.name != "id"}
    return values | {"verdict": past.verdict.value, "answered": past.answered.value}


def rows_below(outcome: Outcome, attempt_id: int) -> Mapping[Table, list[Values]]:
    """Everything below an attempt, in the order in which it can be inserted."""
    own = {"attempt_id": attempt_id}
    rows: dict[Table, list[Values]] = {table: [] for table in schema.BELOW}
    for position, stage in enumerate(outcome.stages):
        rows[schema.stages].append({**own, "position": position, **_stage_row(stage)})
    for position, finding in enumerate(outcome.findings):
        rows[schema.findings].append({**own, "position": position, **_finding_row(finding)})
    for number, dataset in enumerate(outcome.datasets):
        rows[schema.datasets].append({**own, "position": number, **_dataset_row(dataset)})
        # What an earlier build has measured stands in the history of that one.
        own_steps = (result for result in dataset.steps if not result.from_snapshot)
        for position, result in enumerate(own_steps):
            rows[schema.steps].append({**own, "dataset": number, "position": position, **_step_row(result)})
            step = {**own, "dataset": number, "step": position}
            counters = result.measurement.counters if result.measurement else {}
            for at, (counter, value) in enumerate(counters.items()):
                rows[schema.measurements].append({**step, "position": at, "counter": counter, "value": value})
            for at, limit in enumerate(result.limits):
                rows[schema.limits].append({**step, "position": at, **_limit_row(limit)})
    return rows


def _stage_row(stage: StageRun) -> Values:
    return {
        "name": stage.name.value,
        "result": stage.result.value,
        "started": stage.started,
        "ended": stage.ended,
        "plugins": stage.plugins,
    }


def _dataset_row(dataset: DatasetRun) -> Values:
    return {
        "name": dataset.name,
        "version": dataset.version,
        "fingerprint": dataset.fingerprint,
        "engine": dataset.engine,
        "engine_version": dataset.engine_version,
        "tool": dataset.tool,
        "start_version": dataset.start_version,
        "expected_version": dataset.expected_version,
        "final_version": dataset.final_version,
        "conditions": dataset.conditions,
    }


def _step_row(result: StepResult) -> Values:
    return {
        "version": result.step.version,
        "parents": result.step.parents,
        "title": result.step.title,
        "path": result.step.path,
        "added": result.added,
        "result": result.result,
        "wall_s": result.measurement.wall_s if result.measurement else None,
        "began": result.measurement.began if result.measurement else None,
        "chain": result.step.chain,
        "leg": result.leg,
    }


def _limit_row(limit: Limit) -> Values:
    return {
        "counter": limit.counter,
        "maximum": limit.maximum,
        "origin": limit.origin,
        "table": limit.table,
        "severity": limit.severity.value,
        "false_alarms": limit.false_alarms,
        "value": limit.value,
        "weight": limit.weight.value if limit.weight else None,
    }


def _finding_row(finding: Finding) -> Values:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "plugin": finding.plugin,
        "path": finding.location.path,
        "line": finding.location.line,
        "dataset": finding.location.dataset,
        "step": finding.location.step,
        "hint": finding.hint,
        "command": finding.command,
    }


Rows = Iterable[Row[Any]]


def attempt_of(row: Row[Any], below: Mapping[Table, Rows] | None = None) -> PastAttempt:
    """The attempt of a row of ``attempts``; ``below`` has the rows that belong to it in order, if they are wanted."""
    values = dict(row._mapping) | {"verdict": Verdict(row.verdict), "answered": Answered(row.answered)}  # noqa: SLF001 - public
    del values["id"]
    if below is not None:
        values["stages"] = tuple(_stage_of(stage) for stage in below[schema.stages])
        values["datasets"] = _datasets_of(below)
        values["findings"] = tuple(_finding_of(finding) for finding in below[schema.findings])
    return PastAttempt(**values)


def measurement_of(step: Row[Any], counters: Rows) -> Measurement | None:
    """What a step cost; None for one that was not measured."""
    if step.wall_s is None:
        return None
    return Measurement(step.wall_s, {row.counter: row.value for row in counters}, began=step.began)


def _stage_of(row: Row[Any]) -> StageRun:
    return StageRun(StageName(row.name), StageResult(row.result), row.started, row.ended, tuple(row.plugins))


def _datasets_of(below: Mapping[Table, Rows]) -> tuple[DatasetRun, ...]:
    counters, limits = _by_step(below[schema.measurements]), _by_step(below[schema.limits])
    steps: dict[int, list[StepResult]] = defaultdict(list)
    for row in below[schema.steps]:
        place = (row.dataset, row.position)
        steps[row.dataset].append(
            StepResult(
                Step(row.version, tuple(row.parents), row.title, row.path, row.chain),
                row.added,
                row.result,
                measurement_of(row, counters[place]),
                tuple(map(_limit_of, limits[place])),
                leg=row.leg,
            )
        )
    return tuple(_dataset_of(row, tuple(steps[row.position])) for row in below[schema.datasets])


def _limit_of(row: Row[Any]) -> Limit:
    severity, weight = Severity(row.severity), Severity(row.weight) if row.weight else None
    known = (row.table, severity, row.false_alarms, row.value)
    return Limit(row.counter, row.maximum, row.origin, *known, weight=weight)


def _by_step(rows: Rows) -> Mapping[tuple[int, int], list[Row[Any]]]:
    found: dict[tuple[int, int], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.dataset, row.step].append(row)
    return found


def _dataset_of(row: Row[Any], steps: tuple[StepResult, ...]) -> DatasetRun:
    return DatasetRun(
        name=row.name,
        engine=row.engine,
        engine_version=row.engine_version,
        fingerprint=row.fingerprint,
        tool=row.tool,
        start_version=tuple(row.start_version),
        expected_version=tuple(row.expected_version),
        final_version=tuple(row.final_version),
        steps=steps,
        version=row.version,
        conditions=row.conditions,
    )


def _finding_of(row: Row[Any]) -> Finding:
    return Finding(
        row.code,
        Severity(row.severity),
        row.message,
        Location(row.path, row.line, row.dataset, row.step),
        hint=row.hint,
        plugin=row.plugin,
        command=row.command,
    )
