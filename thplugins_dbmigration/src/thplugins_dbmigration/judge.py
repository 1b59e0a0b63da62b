"""Limits: what the measurements of the steps amount to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from thcore.model import DatasetRun, Finding, Limit, Location, Severity, StepResult
from thplugins_dbmigration import messages
from thplugins_dbmigration.options import SilentLoss

WALL = "wall_s"
CODES = {"Innodb_rows_read": "rows-read-exceeded", "XInnodb_rows_changed": "rows-changed-exceeded"}
VERBS = {"Innodb_rows_read": "read", "XInnodb_rows_changed": "changed"}


def judge(runs: Sequence[DatasetRun], silent_loss: SilentLoss = SilentLoss.WARNING) -> list[Finding]:
    """Compare every step with its limits, and say what it left less of. Steps that the change adds can fail it, others
    can only warn; what could not be measured is no pass."""
    findings = [finding for run in runs for finding in _judge_dataset(run)]
    if silent_loss is not SilentLoss.OFF:
        findings += [finding for run in runs for finding in _losses(run, Severity(silent_loss.value))]
    if not any(step.result != "not-run" and step.added for run in runs for step in run.steps):
        findings.append(_nothing_tested(runs))
    return findings


def _judge_dataset(run: DatasetRun) -> Iterator[Finding]:
    missing: dict[tuple[str, bool], list[tuple[StepResult, Limit]]] = {}
    for step in run.steps:
        if step.result != "ok":  # it has a finding of its own
            continue
        for limit in step.limits:
            value = _value(step, limit.counter)
            if value is None:
                missing.setdefault((limit.counter, step.added), []).append((step, limit))
            elif value > limit.maximum:
                yield _exceeded(run, step, limit, value)
    for (counter, added), steps in missing.items():
        yield _missing(run, counter, steps, added=added)


def _value(step: StepResult, counter: str) -> float | None:
    if step.measurement is None:
        return None
    return step.measurement.wall_s if counter == WALL else step.measurement.counters.get(counter)


def _exceeded(run: DatasetRun, step: StepResult, limit: Limit, value: float) -> Finding:
    name = messages.way(step.step)
    if limit.counter == WALL:
        code, message = "migration-too-long", messages.TOO_LONG % name
        evidence = f"It took {value:.1f} s; the limit is {limit.maximum:g} s ({limit.origin})."
        hint = "Reconsider what the migration does on large tables, or ask for a higher limit of this dataset."
    else:
        code = CODES.get(limit.counter, "counter-exceeded")
        verb = VERBS.get(limit.counter)
        what = f"{verb} {value:.0f} rows" if verb else f"took {limit.counter} to {value:.0f}"
        message = f"Migration {name} {what}; the limit is {limit.maximum:.0f} ({limit.origin})"
        evidence = f"{limit.counter}: {value:.0f}"
        hint = "This work is the same on every run and machine; fewer passes over the tables make it less."
    severity = Severity.FAILURE if step.added else Severity.WARNING
    return Finding(code, severity, message, Location(step.step.path, None, run.name, name), (evidence,), hint)


def _missing(run: DatasetRun, counter: str, steps: Iterable[tuple[StepResult, Limit]], *, added: bool) -> Finding:
    evidence = tuple(f"{messages.way(step.step)}: at most {limit.maximum:g} ({limit.origin})" for step, limit in steps)
    return Finding(
        "counter-missing",
        Severity.UNVERIFIED if added else Severity.INFO,
        f"{counter} has a limit but could not be measured on {run.engine} {run.engine_version}".rstrip(),
        Location(dataset=run.name),
        evidence,
        "Use an engine that counts it, or take the limit out of the dataset's config.json.",
    )


LESS = {Severity.FAILURE: Severity.WARNING, Severity.WARNING: Severity.INFO}
"""What went with a table or column that was dropped weighs less: the migration says so, and means it."""


def _losses(run: DatasetRun, severity: Severity) -> Iterator[Finding]:
    for step in run.steps:
        if step.result != "ok" or not step.added:
            continue
        for weight, dropped in ((severity, False), (LESS[severity], True)):
            losses = [loss for loss in step.losses if (loss.after is None) is dropped]
            rows = [loss for loss in losses if loss.column is None]
            values = [loss for loss in losses if loss.column is not None]
            if rows:
                yield messages.rows_vanished(step.step, run.name, rows, weight)
            if values:
                yield messages.values_vanished(step.step, run.name, values, weight)


def _nothing_tested(runs: Sequence[DatasetRun]) -> Finding:
    ran = sum(step.result != "not-run" for run in runs for step in run.steps)
    told = f"; the {ran} that ran are older" if ran else ""
    return Finding(
        "no-steps",
        Severity.INFO,
        f"No migration of the change ran on any dataset, so nothing of it was tested{told}",
    )
