"""What it means that a step went above a limit, or that nobody can tell: the findings."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from thcore.model import DatasetRun, Finding, Limit, Location, Measurement, Severity, StepResult
from thplugins_dbmigration import messages
from thplugins_dbmigration.dataset_file import WALL
from thplugins_dbmigration.limits.figures import WAITS, WAITS_UNKNOWN, WORKS, WORKS_UNKNOWN, Figure, figure_of
from thplugins_dbmigration.policy.file import Policy

CODES = {
    "Innodb_rows_read": "rows-read-exceeded",
    "XInnodb_rows_changed": "rows-changed-exceeded",
    **dict.fromkeys(WAITS, "wait-exceeded"),
    **dict.fromkeys(WORKS, "table-work-exceeded"),
}
VERBS = {"Innodb_rows_read": "read", "XInnodb_rows_changed": "changed"}
WAITERS = {"reads_wait_s": "readers", "writes_wait_s": "writers"}
ROOM = 2.0
"""How many times its limit on time a step of the change may take, as fast as the machine usually is, before it fails.
Calibrations before and after a step do not see all that slows it down in between. Another dataset beside it may make it
take twice as long, which is the bound that the benchmark ``test_side_by_side`` holds; nobody is to fail for that."""
SAME_WORK = "This work is the same on every run and machine; fewer passes over the tables make it less."


@frozen
class Bench:
    """Judges the steps of a dataset by their limits, by the policy that counts and on a day."""

    policy: Policy
    today: datetime.date

    def findings(self, run: DatasetRun) -> Iterator[Finding]:
        """What is to be said of a dataset's steps. Steps that the change adds can fail it, others can only warn; what a
        limit needs and could not be measured is no pass."""
        missing: dict[tuple[str, bool], list[tuple[StepResult, Limit]]] = {}
        for step in run.steps:
            if step.result != "ok":  # it has a finding of its own
                continue
            for limit in step.limits:
                found = figure_of(step, limit, self.policy.small_tables)
                if found is not None and found.value > limit.maximum:
                    yield self._exceeded(run, step, limit, found)
                elif (found is None or found.least) and limit.severity is Severity.FAILURE:
                    missing.setdefault((limit.counter, step.added), []).append((step, limit))
        for (counter, added), steps in missing.items():
            yield _missing(run, counter, steps, added=added)

    def _exceeded(self, run: DatasetRun, step: StepResult, limit: Limit, found: Figure) -> Finding:
        finding = exceeded(run, step, limit, found)
        excuse = self.policy.excuse(step.step, limit.counter, found.table, found.value, self.today)
        if excuse is None:
            return finding
        return evolve(
            finding,
            code="limit-excused",
            severity=Severity.INFO,
            message=f"{finding.message}; {excuse}",
            hint=None,
        )


def exceeded(run: DatasetRun, step: StepResult, limit: Limit, found: Figure) -> Finding:
    """A step went above one of its limits."""
    name = messages.way(step.step)
    severity = limit.severity if step.added else min(limit.severity, Severity.WARNING, key=_WEIGHTS.index)
    told = Finding(
        CODES.get(limit.counter, "counter-exceeded"),
        severity,
        "",
        Location(step.step.path, None, run.name, name),
        (f"{limit.counter}: {_number(found.value)}", *([found.statement] if found.statement else ())),
        SAME_WORK,
    )
    most = f"the limit is {_number(limit.maximum)} ({limit.origin})"
    if limit.counter == WALL:
        return _too_long(told, step, limit, found)
    if limit.counter in WAITS:
        who = WAITERS[limit.counter]
        return evolve(
            told,
            message=f"Migration {name} kept {who} of {found.table} waiting for {found.value:.1f} s; "
            f"the limit is {limit.maximum:g} s ({limit.origin})",
            hint="Users of the table wait as long when it is deployed. Look for a way that takes no lock for so long: "
            "an online index build, smaller transactions, a lock timeout.",
        )
    if limit.counter in WORKS:
        done, size = limit.counter.rsplit("_", 1)
        return evolve(
            told,
            message=f"Migration {name}: {found.table} is {done}, a table of {_number(found.value)} {size}; {most}",
            hint="It grows with the table. Where the table stays small by nature, say so in the policy file.",
        )
    verb = VERBS.get(limit.counter)
    what = f"{verb} {found.value:.0f} rows" if verb else f"took {limit.counter} to {_number(found.value)}"
    return evolve(told, message=f"Migration {name} {what}; {most}")


_WEIGHTS = (Severity.INFO, Severity.WARNING, Severity.UNVERIFIED, Severity.FAILURE)


def _too_long(told: Finding, step: StepResult, limit: Limit, found: Figure) -> Finding:
    name = messages.way(step.step)
    slowness = step.measurement.slowness if step.measurement else None
    usual, most = found.value / max(slowness or 1.0, 1.0), limit.maximum * ROOM
    evidence = [f"It took {found.value:.1f} s; the limit is {_number(limit.maximum)} s ({limit.origin})."]
    if slowness is not None:
        slower = f"{slowness:g} times slower than usual: as usual it would be {usual:.1f} s"
        evidence.append(f"The machine was {slower if slowness > 1 else 'not slower than usual'}.")
    if told.severity is Severity.FAILURE:
        evidence.append(
            f"A build fails above {ROOM:g} times the limit: {_number(most)} s as fast as the machine usually is."
        )
    too_long = evolve(
        told,
        code="migration-too-long",
        message=messages.TOO_LONG % name,
        evidence=tuple(evidence),
        hint="Reconsider what the migration does on large tables, or ask for a higher limit of this dataset.",
    )
    if told.severity is not Severity.FAILURE or usual > most:
        return too_long
    if found.value > most:
        return evolve(
            too_long,
            code="machine-too-slow",
            severity=Severity.UNVERIFIED,
            message=f"Migration {name} took {found.value:.1f} s on a machine that was {slowness:g} times slower "
            f"than usual; the limit is {_number(limit.maximum)} s",
            hint="The change is not failed for it. It can be judged when the machine has less to do.",
        )
    return evolve(
        too_long,
        severity=Severity.WARNING,
        hint="This fails no build: time depends on the machine as well. Reconsider what the migration does on large "
        "tables before it takes longer.",
    )


def _missing(run: DatasetRun, counter: str, steps: Sequence[tuple[StepResult, Limit]], *, added: bool) -> Finding:
    evidence = [f"{messages.way(step.step)}: at most {limit.maximum:g} ({limit.origin})" for step, limit in steps]
    return Finding(
        "counter-missing",
        Severity.UNVERIFIED if added else Severity.INFO,
        f"{counter} has a limit but could not be measured on {run.engine} {run.engine_version}".rstrip(),
        Location(dataset=run.name),
        (*evidence, *dict.fromkeys(_reasons(counter, steps))),
        "Use an engine that counts it, or take the limit out of where the evidence says that it stands.",
    )


def _reasons(counter: str, steps: Iterable[tuple[StepResult, Limit]]) -> Iterator[str]:
    what = WAITS_UNKNOWN if counter in WAITS else counter
    for step, _ in steps:
        measurement = step.measurement or Measurement(0.0)
        found = [measurement.unknown.get(what)]
        if counter in WORKS:
            found += [statement.unknown.get(WORKS_UNKNOWN) for statement in measurement.statements]
        if not measurement.statements:
            found.append(measurement.unknown.get("statements"))
        yield from (f"{counter}: {reason}" for reason in found if reason)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
