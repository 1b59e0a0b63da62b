"""What changed between two results: findings, versions, steps and what they cost.

Durations and counters are told, and decide nothing: they move with the weather, and the limits that judge them have
spoken already, in findings.
"""

from __future__ import annotations

import datetime
import enum
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from thcore.forms.likeness import place
from thcore.model import DatasetRun, Finding, Outcome, Severity, StepResult, Verdict

WALL = "wall_s"
"""The figure that is a step's duration."""
_LARGEST = 1e300

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Assessment(enum.Enum):
    """Whether the second result is worse for the change than the first."""

    SAME = "same"
    """Nothing differs but who ran it, when, and as which build."""
    OTHER = "other"
    """Something differs that says nothing against the change or for it."""
    BETTER = "better"
    """It passes now, or has fewer failures and warnings and no new one."""
    WORSE = "worse"
    """It fails now, or has a new failure or warning."""
    UNKNOWN = "unknown"
    """One of the two could not be measured to its end: UNVERIFIED or CANCELLED, or with a new finding of that kind."""


@frozen
class Side:
    """One of the two results."""

    job: str
    build: str
    attempt: int
    change: str
    verdict: Verdict
    summary: str
    started: datetime.datetime
    duration_s: float


@frozen
class Difference:
    """Something that has another value now; None where it is not there at all. ``of`` says what it is of."""

    name: str
    before: str | None
    after: str | None
    of: str = ""


@frozen
class Figure:
    """A duration (its ``unit`` is ``s``) or a counter, which has no unit; None where it was not measured."""

    name: str
    before: float | None
    after: float | None
    unit: str = ""

    @property
    def factor(self) -> float | None:
        """How many times as much it is now; None where nobody can tell."""
        return self.after / self.before if self.before and self.after is not None else None


@frozen
class StepDifference:
    """A step of a dataset that ended otherwise or cost something else. ``before`` and ``after`` are its results, None
    where it is not among the steps. ``figures`` are those that differ."""

    dataset: str
    step: str
    title: str
    added: bool
    before: str | None
    after: str | None
    figures: tuple[Figure, ...] = ()


@frozen
class Comparison:
    """All that differs. ``same`` has the findings of both, as the second one words them, and ``reworded`` those of them
    that say something else now: what they said, and what they say."""

    before: Side
    after: Side
    assessment: Assessment
    new: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()
    same: tuple[Finding, ...] = ()
    reworded: tuple[tuple[Finding, Finding], ...] = ()
    facts: tuple[Difference, ...] = ()
    stages: tuple[Figure, ...] = ()
    steps: tuple[StepDifference, ...] = ()


def compare(before: Outcome, after: Outcome) -> Comparison:
    """What changed from one result to another."""
    new, gone, pairs = _findings(before.findings, after.findings)
    facts = tuple(_facts(before, after))
    stages = tuple(_stages(before, after))
    steps = tuple(_steps(before.datasets, after.datasets))
    reworded = tuple((one, other) for one, other in pairs if one != other)
    differs = before.verdict is not after.verdict or any((new, gone, reworded, facts, stages, steps))
    return Comparison(
        _side(before),
        _side(after),
        _assess(before.verdict, after.verdict, new, gone) if differs else Assessment.SAME,
        new,
        gone,
        tuple(other for _, other in pairs),
        reworded,
        facts,
        stages,
        steps,
    )


def _side(outcome: Outcome) -> Side:
    return Side(
        outcome.job,
        outcome.build,
        outcome.attempt,
        str(outcome.change),
        outcome.verdict,
        outcome.summary,
        outcome.started,
        outcome.duration_s,
    )


def _assess(before: Verdict, after: Verdict, new: Sequence[Finding], gone: Sequence[Finding]) -> Assessment:
    counted = {Severity.FAILURE, Severity.WARNING}
    worse = {finding.severity for finding in new}
    if Verdict.CANCELLED in {before, after} or before is Verdict.UNVERIFIED:
        return Assessment.UNKNOWN
    if worse & counted or (before is Verdict.SUCCESS and after is Verdict.FAILURE):
        return Assessment.WORSE
    if after is Verdict.UNVERIFIED or Severity.UNVERIFIED in worse:
        return Assessment.UNKNOWN
    better = any(finding.severity in counted for finding in gone)
    return Assessment.BETTER if better or before is not after else Assessment.OTHER


def _findings(
    before: Sequence[Finding], after: Sequence[Finding]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[tuple[Finding, Finding], ...]]:
    """Those that are new, those that are gone, and those of both. What is said in the same words belongs together
    first; then what is of the same kind at the same place."""
    gone, new = list(before), list(after)
    pairs: list[tuple[Finding, Finding]] = []
    for key in (lambda each: each, lambda each: (each.severity, *place(each), each.message), _kind):
        waiting: dict[Hashable, list[Finding]] = {}
        for finding in gone:
            waiting.setdefault(key(finding), []).append(finding)
        left = []
        for finding in new:
            same = waiting.get(key(finding))
            if same:
                pairs.append((same.pop(0), finding))
            else:
                left.append(finding)
        new, gone = left, [finding for several in waiting.values() for finding in several]
    return tuple(new), tuple(gone), tuple(pairs)


def _kind(finding: Finding) -> Hashable:
    return (finding.severity, *place(finding))


def _facts(before: Outcome, after: Outcome) -> Iterator[Difference]:
    yield from _differing(_about(before), _about(after))
    plugins = [{each.name: f"{each.distribution} {each.version}" for each in side.plugins} for side in (before, after)]
    yield from (Difference(each.name, each.before, each.after, "plugin") for each in _differing(plugins[0], plugins[1]))
    for (name, _), one, other in _matched(before.datasets, after.datasets, lambda run: run.name):
        about = [{} if run is None else _about_dataset(run) for run in (one, other)]
        yield from (
            Difference(each.name, each.before, each.after, f"dataset {name}") for each in _differing(about[0], about[1])
        )


def _about(outcome: Outcome) -> dict[str, str]:
    change = outcome.change
    told = {
        "job": outcome.job,
        "change": str(change),
        "branch": change.branch,
        "commit": outcome.commit or change.commit,
        "ended by its deadline": "yes" if outcome.timed_out else None,
        "worker": outcome.worker.name,
        "thcore": outcome.worker.version,
    }
    told |= {f"stage {stage.name.value}": stage.result.value for stage in outcome.stages}
    return {name: value for name, value in told.items() if value is not None}


def _about_dataset(run: DatasetRun) -> dict[str, str]:
    told = {
        "engine": f"{run.engine} {run.engine_version}",
        "version": run.version,
        "fingerprint": run.fingerprint,
        "tool": run.tool,
        "starts at": ", ".join(run.start_version),
        "must end at": ", ".join(run.expected_version),
        "ended at": ", ".join(run.final_version),
    }
    told |= {f"condition {name}": value for name, value in run.conditions.items()}
    for check in run.checks:
        told[" ".join(part for part in ("check", check.name, check.step) if part)] = check.result
    return {name: value for name, value in told.items() if value}


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))


def _stages(before: Outcome, after: Outcome) -> Iterator[Figure]:
    for (name, _), one, other in _matched(before.stages, after.stages, lambda stage: stage.name):
        figure = Figure(name.value, one.duration_s if one else None, other.duration_s if other else None, "s")
        if figure.before != figure.after:
            yield figure


def _steps(before: Sequence[DatasetRun], after: Sequence[DatasetRun]) -> Iterator[StepDifference]:
    for (name, _), one, other in _matched(before, after, lambda run: run.name):
        sides = (one.steps if one else ()), (other.steps if other else ())
        for _, was, became in _matched(*sides, lambda result: (result.leg, result.step.chain, result.step.version)):
            known = became or was
            figures = tuple(_figures(was, became))
            if known is not None and (figures or was is None or became is None or was.result != became.result):
                step = f"{known.step.chain}:{known.step.version}" if known.step.chain else known.step.version
                ended = [None if each is None else each.result for each in (was, became)]
                yield StepDifference(name, step, known.step.title, known.added, ended[0], ended[1], figures)


def _figures(before: StepResult | None, after: StepResult | None) -> Iterator[Figure]:
    sides = [_measured(before), _measured(after)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        if sides[0].get(name) != sides[1].get(name):
            yield Figure(name, sides[0].get(name), sides[1].get(name), "s" if name == WALL else "")


def _measured(result: StepResult | None) -> dict[str, float | None]:
    if result is None:
        return {}
    told: dict[str, float | None] = {}
    if result.losses:
        told["values lost"] = sum(loss.before - (loss.after or 0) for loss in result.losses)
    if result.measurement is not None:
        told |= {WALL: result.measurement.wall_s, **result.measurement.counters}
    # What is larger than any counter can be is no figure to calculate with.
    return {name: value and max(-_LARGEST, min(value, _LARGEST)) for name, value in told.items()}


def _matched(
    before: Iterable[T], after: Iterable[T], key: Callable[[T], K]
) -> Iterator[tuple[tuple[K, int], T | None, T | None]]:
    """Both sides side by side: by key, and where several have one, by their order."""
    sides = [_numbered(side, key) for side in (before, after)]
    for each in dict.fromkeys([*sides[0], *sides[1]]):
        yield each, sides[0].get(each), sides[1].get(each)


def _numbered(values: Iterable[T], key: Callable[[T], K]) -> dict[tuple[K, int], T]:
    seen: Counter[K] = Counter()
    numbered: dict[tuple[K, int], T] = {}
    for value in values:
        numbered[key(value), seen[key(value)]] = value
        seen[key(value)] += 1
    return numbered
