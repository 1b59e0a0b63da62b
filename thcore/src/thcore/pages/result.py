"""What the result page shows, computed from an outcome: order, weight, bars, words."""

from __future__ import annotations

import datetime
from itertools import groupby

from attrs import evolve, frozen

from thcore.model import DatasetRun, Finding, Limit, Loss, Outcome, Severity, StepResult
from thcore.pages.amount import TIME, named, worded
from thcore.pages.bar import Bar, per_cent
from thcore.pages.counted import Counted, counted
from thcore.pages.watched import MOST, Watched, watched

_ORDER = ("failed", "unverified", "warning", "ok")
_OVER = {"failure": "over", "unverified": "over-unverified", "warning": "over-warning", "info": "over-warning"}
"""The state of a step that went above limits, by the heaviest weight of that."""
_STATEMENTS = 1000
_EARLIER = 800
"""How many rows of each a page has at most."""


@frozen
class Gauge:
    """One counter of a step against its limit. Values are worded; ``origin`` says where the limit was set. ``over`` is
    what it weighs that the value is above it: ``failure``, ``unverified`` or ``warning``, and empty where it is not, or
    may be."""

    counter: str
    value: str
    maximum: str
    origin: str
    over: str
    bar: Bar | None
    excuse: str = ""


@frozen
class StepView:
    """A row of a dataset's table. ``state`` is ``ok``, ``over``, ``over-unverified``, ``over-warning``, ``excused``,
    ``failed`` or ``not-run``."""

    run: StepResult
    state: str
    gauges: tuple[Gauge, ...]
    statements: int = MOST
    """How many of its statements are shown at most, and how many lines of what was counted."""

    @property
    def wall_s(self) -> float | None:
        """Seconds that it took, where measured."""
        return self.run.measurement.wall_s if self.run.measurement else None

    @property
    def began(self) -> float | None:
        """When it began, in seconds since 1970, where noted."""
        return self.run.measurement.began if self.run.measurement else None

    @property
    def limit_s(self) -> float | None:
        """Seconds that it may take, where it has a limit."""
        return min((limit.maximum for limit in self.run.limits if limit.counter == "wall_s"), default=None)

    @property
    def name(self) -> str:
        """What it is called where there is one line for it."""
        return self.run.step.title or self.run.step.version

    @property
    def losses(self) -> tuple[str, ...]:
        """What it left less of, worded."""
        return tuple(_lost(loss) for loss in self.run.losses)

    @property
    def watched(self) -> Watched | None:
        """What was seen of it, beside figures."""
        return watched(self.run, self.statements)

    @property
    def counted(self) -> Counted | None:
        """What was counted before and after it."""
        return counted(self.run, self.statements)

    @property
    def timing(self) -> Gauge | None:
        """Its time against the limit, where there is one."""
        return next((gauge for gauge in self.gauges if gauge.counter == TIME), None)


@frozen
class LegView:
    """The steps that were walked with the code of a release or the target branch; without ``name``, those of the
    change's code that it does not add."""

    name: str
    steps: tuple[StepView, ...]
    most: int = _EARLIER

    @property
    def shown(self) -> tuple[StepView, ...]:
        """The steps that there is room for: those that did not end well, and the longest."""
        ranked = sorted(self.steps, key=lambda step: (step.run.result == "ok", -(step.wall_s or 0.0)))
        kept = {id(step) for step in ranked[: self.most]}
        return tuple(step for step in self.steps if id(step) in kept)

    @property
    def measured_s(self) -> float:
        """Seconds that all its measured steps took together."""
        return sum(step.wall_s or 0.0 for step in self.steps)

    @property
    def from_snapshot(self) -> bool:
        """Whether an earlier build did all of it."""
        return all(step.run.from_snapshot for step in self.steps)

    @property
    def ok(self) -> bool:
        """Whether every step ended well."""
        return all(step.run.result == "ok" for step in self.steps)


@frozen
class DatasetView:
    """A dataset's part of the page. ``state`` is ``ok``, ``failed``, ``unverified`` or ``warning``."""

    run: DatasetRun
    state: str
    added: tuple[StepView, ...]
    legs: tuple[LegView, ...]

    @property
    def weight(self) -> int:
        """Its place among the states, the worst first."""
        return _ORDER.index(self.state)

    @property
    def steps(self) -> tuple[StepView, ...]:
        """All its steps, in the order in which they ran: those of the change are the last ones."""
        return (*(step for leg in self.legs for step in leg.steps), *self.added)

    @property
    def measured_s(self) -> float:
        """Seconds that all its measured steps took together."""
        return sum(step.wall_s or 0.0 for step in self.steps)


def step_of(outcome: Outcome, finding: Finding) -> StepView | None:
    """The step on the dataset that a finding points to."""
    for dataset in outcome.datasets:
        if dataset.name == finding.location.dataset:
            for run in dataset.steps:
                if finding.location.step and run.step.goes_by(finding.location.step):
                    return _step(run, failed=finding.severity is Severity.FAILURE)
    return None


def datasets(outcome: Outcome) -> tuple[DatasetView, ...]:
    """The datasets with trouble first."""
    watched_steps = sum(step.added and step.measurement is not None for run in outcome.datasets for step in run.steps)
    statements = min(MOST, _STATEMENTS // max(watched_steps, 1))
    legs = sum(len({step.leg for step in run.steps if not step.added}) for run in outcome.datasets)
    views = (_dataset(run, outcome, statements, _EARLIER // max(legs, 1)) for run in outcome.datasets)
    return tuple(sorted(views, key=lambda view: view.weight))


def moment(at: datetime.datetime) -> str:
    """A time for people, in UTC."""
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _dataset(run: DatasetRun, outcome: Outcome, statements: int, earlier_steps: int) -> DatasetView:
    found = {finding.severity for finding in outcome.findings if finding.location.dataset == run.name}
    failed = Severity.FAILURE in found or any(step.added and step.result == "failed" for step in run.steps)
    steps = tuple(evolve(_step(result, failed=failed), statements=statements) for result in run.steps)
    if failed:
        state = "failed"
    elif Severity.UNVERIFIED in found:
        state = "unverified"
    elif Severity.WARNING in found or any(step.state.startswith("over") for step in steps if step.run.added):
        state = "warning"
    else:
        state = "ok"
    added = tuple(step for step in steps if step.run.added)
    earlier = (step for step in steps if not step.run.added)
    legs = tuple(LegView(name, tuple(of), earlier_steps) for name, of in groupby(earlier, lambda step: step.run.leg))
    return DatasetView(run, state, added, legs)


def _step(run: StepResult, *, failed: bool) -> StepView:
    gauges = tuple(_gauge(run, limit, failed=failed) for limit in run.limits)
    state, above = run.result, {gauge.over for gauge in gauges}
    if state == "ok" and any(above):
        state = next(name for weight, name in _OVER.items() if weight in above)
    elif state == "ok" and any(gauge.excuse for gauge in gauges):
        state = "excused"
    return StepView(run, state, gauges)


def _gauge(run: StepResult, limit: Limit, *, failed: bool) -> Gauge:
    """``failed`` says whether anything on the dataset has failed the build: where nothing has, no limit has either."""
    value = limit.value
    if value is None and run.measurement is not None:
        value = run.measurement.wall_s if limit.counter == "wall_s" else run.measurement.counters.get(limit.counter)
    counter = named(limit.counter, limit.table)
    maximum = worded(limit.counter, limit.maximum)
    if value is None:
        return Gauge(counter, "not measured", maximum, limit.origin, over="", bar=None)
    scale = max(value, limit.maximum)
    bar = Bar(0.0, per_cent(value, scale), per_cent(limit.maximum, scale) if value > limit.maximum else None)
    weight = run.weight(limit)
    if weight is Severity.FAILURE and not failed:
        weight = Severity.WARNING
    over = weight.value if value > limit.maximum and limit.excuse is None else ""
    return Gauge(counter, worded(limit.counter, value), maximum, limit.origin, over, bar, str(limit.excuse or ""))


def _lost(loss: Loss) -> str:
    what = {"emptied": "texts", "merged": "distinct values"}.get(loss.kind, "values")
    name = f"rows of {loss.table}" if loss.column is None else f"{what} of {loss.table}.{loss.column}"
    return f"{name}: {loss.before:,} → {'dropped' if loss.after is None else f'{loss.after:,}'}"
