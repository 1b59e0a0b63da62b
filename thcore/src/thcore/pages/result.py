"""What the result page shows, computed from an outcome: order, weight, bars, words."""

from __future__ import annotations

import datetime
from itertools import groupby

from attrs import frozen

from thcore.model import DatasetRun, Finding, Limit, Loss, Outcome, Severity, StepResult, Verdict
from thcore.model.quantity import format_duration, format_size
from thcore.pages.bar import Bar, per_cent
from thcore.pages.watched import Watched, watched

TIME = "time"
"""What the page calls the counter ``wall_s``."""

_WEIGHT = {Severity.FAILURE: 0, Severity.UNVERIFIED: 1, Severity.WARNING: 2, Severity.INFO: 3}

MEANING = {
    Verdict.SUCCESS: "The change passed. There is nothing to do.",
    Verdict.FAILURE: "The change needs another look before it can merge.",
    Verdict.UNVERIFIED: "It could not be measured. That is not the fault of this change; Zuul may run it again.",
    Verdict.CANCELLED: "It was stopped before it had a verdict.",
}
"""What each verdict asks of the change's author."""


@frozen
class Gauge:
    """One counter of a step against its limit. Values are worded; ``origin`` says where the limit was set."""

    counter: str
    value: str
    maximum: str
    origin: str
    over: bool
    bar: Bar | None


@frozen
class StepView:
    """A row of a dataset's table. ``state`` is ``ok``, ``over``, ``failed`` or ``not-run``."""

    run: StepResult
    state: str
    gauges: tuple[Gauge, ...]

    @property
    def wall_s(self) -> float | None:
        """Seconds that it took, where measured."""
        return self.run.measurement.wall_s if self.run.measurement else None

    @property
    def losses(self) -> tuple[str, ...]:
        """What it left less of, worded."""
        return tuple(_lost(loss) for loss in self.run.losses)

    @property
    def watched(self) -> Watched | None:
        """What was seen of it, beside figures."""
        return watched(self.run)

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
    def measured_s(self) -> float:
        """Seconds that all its measured steps took together."""
        return sum(step.wall_s or 0.0 for step in self.added) + sum(leg.measured_s for leg in self.legs)


def by_weight(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The heaviest first; among equals as they came."""
    return tuple(sorted(findings, key=lambda finding: _WEIGHT[finding.severity]))


def decisive(outcome: Outcome) -> Finding | None:
    """The finding that explains the verdict, if one does."""
    heavy = [finding for finding in by_weight(outcome.findings) if _WEIGHT[finding.severity] < _WEIGHT[Severity.INFO]]
    return heavy[0] if heavy else None


def step_of(outcome: Outcome, finding: Finding) -> StepView | None:
    """The step on the dataset that a finding points to."""
    for dataset in outcome.datasets:
        if dataset.name == finding.location.dataset:
            for run in dataset.steps:
                if finding.location.step in {run.step.version, str(run.step)}:
                    return _step(run)
    return None


def datasets(outcome: Outcome) -> tuple[DatasetView, ...]:
    """The datasets with trouble first."""
    order = ("failed", "unverified", "warning", "ok")
    return tuple(sorted((_dataset(run, outcome) for run in outcome.datasets), key=lambda view: order.index(view.state)))


def stage_bars(outcome: Outcome) -> tuple[Bar | None, ...]:
    """For each stage its bar on the build's time line, None for one that did not run."""
    whole = outcome.duration_s
    bars: list[Bar | None] = []
    for stage in outcome.stages:
        if stage.started is None:
            bars.append(None)
            continue
        start = per_cent((stage.started - outcome.started).total_seconds(), whole)
        bars.append(Bar(start, min(per_cent(stage.duration_s, whole), 100.0 - start)))
    return tuple(bars)


def moment(at: datetime.datetime) -> str:
    """A time for people, in UTC."""
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _dataset(run: DatasetRun, outcome: Outcome) -> DatasetView:
    steps = tuple(_step(result) for result in run.steps)
    found = {finding.severity for finding in outcome.findings if finding.location.dataset == run.name}
    states = {step.state for step in steps if step.run.added}
    if Severity.FAILURE in found or "failed" in states:
        state = "failed"
    elif Severity.UNVERIFIED in found:
        state = "unverified"
    elif Severity.WARNING in found or "over" in states:
        state = "warning"
    else:
        state = "ok"
    added = tuple(step for step in steps if step.run.added)
    earlier = (step for step in steps if not step.run.added)
    legs = tuple(LegView(name, tuple(of)) for name, of in groupby(earlier, lambda step: step.run.leg))
    return DatasetView(run, state, added, legs)


def _step(run: StepResult) -> StepView:
    gauges = tuple(_gauge(run, limit) for limit in run.limits)
    over = run.result == "ok" and any(gauge.over for gauge in gauges)
    return StepView(run, "over" if over else run.result, gauges)


def _gauge(run: StepResult, limit: Limit) -> Gauge:
    value = limit.value
    if value is None and run.measurement is not None:
        value = run.measurement.wall_s if limit.counter == "wall_s" else run.measurement.counters.get(limit.counter)
    counter = TIME if limit.counter == "wall_s" else limit.counter
    if limit.table:
        counter = f"{counter} of {limit.table}"
    maximum = _worded(limit.counter, limit.maximum)
    if value is None:
        return Gauge(counter, "not measured", maximum, limit.origin, over=False, bar=None)
    scale = max(value, limit.maximum)
    bar = Bar(0.0, per_cent(value, scale), per_cent(limit.maximum, scale) if value > limit.maximum else None)
    return Gauge(counter, _worded(limit.counter, value), maximum, limit.origin, value > limit.maximum, bar)


def _lost(loss: Loss) -> str:
    what = {"emptied": "texts", "merged": "distinct values"}.get(loss.kind, "values")
    name = f"rows of {loss.table}" if loss.column is None else f"{what} of {loss.table}.{loss.column}"
    return f"{name}: {loss.before:,} → {'dropped' if loss.after is None else f'{loss.after:,}'}"


def _worded(counter: str, value: float) -> str:
    if counter.endswith("_s"):
        return format_duration(value)
    if "bytes" in counter:
        return format_size(int(value))
    return f"{value:,.0f}"
