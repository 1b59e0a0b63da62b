"""The judge: what the datasets' runs amount to."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from attrs import frozen

from thcore.model import DatasetRun, Finding, Severity, StepResult
from thplugins_dbmigration import messages
from thplugins_dbmigration.limits.verdicts import Bench
from thplugins_dbmigration.options import SilentLoss
from thplugins_dbmigration.policy.file import Policy


def judge(
    runs: Sequence[DatasetRun],
    silent_loss: SilentLoss = SilentLoss.WARNING,
    policy: Policy | None = None,
    today: datetime.date | None = None,
) -> list[Finding]:
    """Compare every step with its limits, and say what it left less of. Steps that the change adds can fail it, others
    can only warn; what could not be measured is no pass. ``policy`` excuses, until the day that it says."""
    counts = policy or Policy()
    day = today or datetime.datetime.now(datetime.UTC).date()
    bench = Bench(counts, day)
    findings = [finding for run in runs for finding in bench.findings(run)]
    if silent_loss is not SilentLoss.OFF:
        losses = Losses(Severity(silent_loss.value), counts, day)
        findings += [finding for run in runs for finding in losses.findings(run)]
    if not any(step.result != "not-run" and step.added for run in runs for step in run.steps):
        findings.append(_nothing_tested(runs))
    return findings


LESS = {Severity.FAILURE: Severity.WARNING, Severity.WARNING: Severity.INFO}
"""What went with a table or column that was dropped weighs less: the migration says so, and means it. So does what was
merged: to have fewer different values is what many migrations are for."""


@frozen
class Losses:
    """Says what steps have left less of, unless the policy allows it."""

    severity: Severity
    policy: Policy
    today: datetime.date

    def findings(self, run: DatasetRun) -> Iterator[Finding]:
        """What is to be said of a dataset's steps."""
        for step in run.steps:
            if step.result == "ok" and step.added:
                yield from self._of(step, run.name)

    def _of(self, step: StepResult, dataset: str) -> Iterator[Finding]:
        excuses = ((loss, self.policy.allows(step.step, loss, self.today)) for loss in step.losses)
        allowed = {loss: found for loss, found in excuses if found is not None}
        told = [loss for loss in step.losses if loss not in allowed]
        less = LESS[self.severity]
        for weight, dropped in ((self.severity, False), (less, True)):
            losses = [loss for loss in told if (loss.after is None) is dropped and loss.kind == "gone"]
            rows = [loss for loss in losses if loss.column is None]
            values = [loss for loss in losses if loss.column is not None]
            if rows:
                yield messages.rows_vanished(step.step, dataset, rows, weight)
            if values:
                yield messages.values_vanished(step.step, dataset, values, weight)
        for kind, say, weight in (
            ("emptied", messages.values_emptied, self.severity),
            ("merged", messages.values_merged, less),
        ):
            if changed := [loss for loss in told if loss.kind == kind]:
                yield say(step.step, dataset, changed, weight)
        if allowed:
            reasons = [f"{messages.counted(loss)}: {found.reason}" for loss, found in allowed.items()]
            yield messages.loss_allowed(step.step, dataset, reasons)


def _nothing_tested(runs: Sequence[DatasetRun]) -> Finding:
    ran = sum(step.result != "not-run" for run in runs for step in run.steps)
    told = f"; the {ran} that ran are older" if ran else ""
    return Finding(
        "no-steps",
        Severity.INFO,
        f"No migration of the change ran on any dataset, so nothing of it was tested{told}",
    )
