"""Which limits a step of the change has on a dataset."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, field, frozen

from thcore.model import DatasetRun, Limit, Measurement, Severity, Step, StepResult
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.limits.figures import figure_of
from thplugins_dbmigration.limits.learned import learned
from thplugins_dbmigration.limits.verdicts import exceeded
from thplugins_dbmigration.policy.file import Policy

DEFAULTS = (
    Limit(
        "copied_rows",
        1_000_000,
        "thcore's own: a large table should not be copied row by row",
        severity=Severity.WARNING,
    ),
)
"""What holds when nobody says anything. It does not depend on the machine, and fails no build."""


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


Past = Callable[[Step, DatasetRun], Sequence[Measurement]]
"""What a step cost in other builds. See ``thcore.hooks.Build.past``."""


@frozen
class Rules:
    """Where the limits of a dataset's steps come from. Learned ones weigh ``learning``; None: nothing is learned. The
    policy excuses on the day ``today``."""

    dataset: Dataset
    policy: Policy
    past: Past
    learning: Severity | None
    today: datetime.date = field(factory=_today)

    def applied(self, run: DatasetRun) -> DatasetRun:
        """The run with the limits of the steps that the change adds. Others keep the dataset's, and can only inform."""
        return evolve(run, steps=tuple(self._limited(step, run) for step in run.steps))

    def _limited(self, result: StepResult, run: DatasetRun) -> StepResult:
        if not result.added:
            return result
        chosen: dict[tuple[str, str], Limit] = {}
        for limit in self._by_rank(result, run):
            chosen.setdefault((limit.counter, limit.table), limit)
        limited = evolve(result, limits=tuple(chosen.values()))
        valued = (self._valued(run, limited, limit) for limit in limited.limits)
        # Who asked for nothing is not told that it cannot be had.
        told = (limit for limit in valued if limit.value is not None or limit.severity is Severity.FAILURE)
        return evolve(limited, limits=tuple(told))

    def _valued(self, run: DatasetRun, step: StepResult, limit: Limit) -> Limit:
        """A limit with what the step came to, what that weighs where it is above it, and why it may be."""
        found = figure_of(step, limit, self.policy.small_tables)
        if found is None:
            return limit
        value = None if found.least else found.value
        if found.value <= limit.maximum:
            return evolve(limit, value=value)
        excuse = self.policy.excuse(step.step, limit.counter, found.table, found.value, self.today)
        weight = Severity.INFO if excuse else exceeded(run, step, limit, found).severity
        return evolve(limit, value=value, excuse=excuse, weight=weight)

    def _by_rank(self, result: StepResult, run: DatasetRun) -> Iterator[Limit]:
        """All limits of a step. Of those for the same counter, the first counts."""
        own, general = self.dataset.limits_by_rank(result.step)
        yield from self.policy.limits_of(result.step)
        yield from own
        yield from self.policy.limits_of_tables()
        yield from self.policy.limits_of_all()
        yield from general
        if self.learning is not None and result.result == "ok":
            yield from learned(self.past(result.step, run), self.learning)
        yield from DEFAULTS
