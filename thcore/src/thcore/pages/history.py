"""What the page of a job's history shows, computed from what the worker remembers: builds, stages, steps over time."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from urllib.parse import urlsplit

from attrs import frozen

from thcore.model import DatasetRun, JobHistory, Outcome, PastAttempt, Severity, StageResult, StepResult, Verdict
from thcore.model.quantity import format_duration
from thcore.pages import amount, chart
from thcore.pages.amount import WALL
from thcore.pages.chart import Chart, Point

__all__ = ["published"]

STEPS = 12
"""Steps that have charts."""
FIGURES = 4
"""Charts of a step."""

Address = Callable[[PastAttempt], str | None]
"""Where the page of an attempt is, as a link on the page; None where that is not known."""
Key = tuple[str, str]
"""A counter, and the table that it is about, if it is about one."""

_TONES = {Severity.FAILURE: "failure", Severity.UNVERIFIED: "warning", Severity.WARNING: "warning", Severity.INFO: ""}
_HEAVIEST = ("failure", "warning", "")

_STAGES = ("checkout", "environment", "execute", "analyse")


@frozen
class BuildView:
    """An attempt of the job. ``this`` is the one whose page it is."""

    attempt: PastAttempt
    address: str | None
    this: bool


@frozen
class Figure:
    """One counter over time: what it is called, what there is to say of it, and the picture."""

    name: str
    words: str
    chart: Chart


@frozen
class _Bound:
    """The lowest limit of a figure, and ``failure`` or ``warning`` where the figure is above one."""

    maximum: float
    tone: str


@frozen
class Row:
    """A step in one build: the value of each figure, worded, and ``failure`` or ``warning`` where it is over a limit;
    how the step ended; and ``why`` it cannot be compared with the one before without a thought."""

    build: BuildView
    values: tuple[tuple[str, str], ...]
    result: str
    why: str


@frozen
class StepView:
    """A step on a dataset over time. ``more`` counts the counters that have no chart."""

    result: StepResult
    run: DatasetRun
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    more: int


@frozen
class HistoryView:
    """The whole page. Builds are newest first; ``once`` counts steps that ran once only, ``left_out`` those for which
    there is no room."""

    job: str
    builds: tuple[BuildView, ...]
    verdicts: tuple[tuple[Verdict, int], ...]
    median_s: float
    figures: tuple[Figure, ...]
    steps: tuple[StepView, ...]
    once: int
    left_out: int


@frozen
class _Ran:
    """A step in one build."""

    at: int
    build: BuildView
    run: DatasetRun
    result: StepResult


def published(attempt: PastAttempt) -> str | None:
    """Where an attempt was published; None for what no browser should open."""
    try:
        scheme = urlsplit(attempt.url or "").scheme
    except ValueError:
        return None
    return attempt.url if scheme in {"http", "https", "file"} else None


def view(history: JobHistory, this: Outcome | None = None, address: Address = published) -> HistoryView:
    """What there is to show. ``this`` is the outcome whose page it is, which the history need not have yet."""
    mine = PastAttempt.of(this).identity if this else None
    attempts = (history.including(this) if this else history).attempts
    builds = tuple(
        BuildView(past, None if past.identity == mine else address(past), past.identity == mine) for past in attempts
    )
    counted = Counter(past.verdict for past in attempts)
    steps, once, left_out = _steps(builds[::-1])
    return HistoryView(
        history.job,
        builds,
        tuple((verdict, counted[verdict]) for verdict in Verdict if counted[verdict]),
        statistics.median(past.duration_s for past in attempts) if attempts else 0.0,
        tuple(_durations(builds[::-1])),
        steps,
        once,
        left_out + history.left_out,
    )


def _durations(builds: Sequence[BuildView]) -> Iterable[Figure]:
    """How long builds took, and their stages. A build that was cancelled tells nothing of how long one takes."""
    ended = [(at, build) for at, build in enumerate(builds) if build.attempt.verdict is not Verdict.CANCELLED]
    if len(ended) > 1:
        points = [_point(at, build, WALL, build.attempt.duration_s) for at, build in ended]
        yield _figure("whole build", WALL, points, len(builds))
    for name in _STAGES:
        of_stage = [
            _point(at, build, WALL, stage.duration_s)
            for at, build in ended
            for stage in build.attempt.stages
            if stage.name.value == name and stage.result in {StageResult.OK, StageResult.FAILED}
        ]
        if len(of_stage) > 1:
            yield _figure(name, WALL, of_stage, len(builds))


def _steps(builds: Sequence[BuildView]) -> tuple[tuple[StepView, ...], int, int]:
    """The steps with charts; how many ran only once; for how many there is no room."""
    by_step: dict[tuple[str, str, str], list[_Ran]] = defaultdict(list)
    for at, build in enumerate(builds):
        for run in build.attempt.datasets:
            for result in run.steps:
                if result.measurement is not None:
                    by_step[run.name, result.step.chain, result.step.version].append(_Ran(at, build, run, result))
    often = sorted((ran for ran in by_step.values() if len({each.at for each in ran}) > 1), key=_weight)
    shown = tuple(_step(ran, len(builds)) for ran in often[:STEPS])
    return shown, len(by_step) - len(often), max(len(often) - STEPS, 0)


def _weight(ran: Sequence[_Ran]) -> tuple[bool, int, float]:
    """Steps that changes add first, of them the latest, then the longest."""
    longest = max(each.result.measurement.wall_s for each in ran if each.result.measurement)
    return not any(each.result.added for each in ran), -ran[-1].at, -longest


def _step(ran: Sequence[_Ran], places: int) -> StepView:
    values = [_values(each.result) for each in ran]
    limits = [_limits(each.result, counted) for each, counted in zip(ran, values, strict=True)]
    keys = _keys(values, limits)
    shown = keys[:FIGURES]
    why = ["", *(_difference(before.run, after.run) for before, after in pairwise(ran))]
    figures = []
    for key in shown:
        points = [
            _point(each.at, each.build, key[0], value[key], limit.get(key), reason)
            for each, value, limit, reason in zip(ran, values, limits, why, strict=True)
            if key in value
        ]
        figures.append(_figure(amount.named(*key), key[0], points, places))
    rows = tuple(
        Row(each.build, tuple(_cell(key, value, limit) for key in shown), each.result.result, reason)
        for each, value, limit, reason in zip(ran, values, limits, why, strict=True)
    )
    return StepView(ran[-1].result, ran[-1].run, tuple(figures), rows[::-1], len(keys) - len(shown))


def _keys(values: Sequence[Mapping[Key, float]], limits: Sequence[Mapping[Key, _Bound]]) -> list[Key]:
    """What can be charted: the time, then what has a limit, then what else was counted and is not always nothing."""
    limited = dict.fromkeys(key for of_run in reversed(limits) for key in of_run)
    counted = dict.fromkeys(key for of_run in reversed(values) for key in of_run)
    measured = [key for key in counted if any(of_run.get(key) for of_run in values)]
    return list(dict.fromkeys([(WALL, ""), *(key for key in limited if key in counted), *measured]))


def _values(result: StepResult) -> dict[Key, float]:
    """What the step came to."""
    values: dict[Key, float] = {}
    if result.measurement is not None:
        values[WALL, ""] = result.measurement.wall_s
        counters = result.measurement.counters.items()
        values.update({(name, ""): float(value) for name, value in counters if value is not None})
    values.update({(limit.counter, limit.table): limit.value for limit in result.limits if limit.value is not None})
    return values


def _limits(result: StepResult, values: Mapping[Key, float]) -> dict[Key, _Bound]:
    """What bounds each: the lowest of several limits, and of those that its value is above the one that weighs most."""
    bounds: dict[Key, _Bound] = {}
    for limit in result.limits:
        key = limit.counter, limit.table
        above = values.get(key, 0.0) > limit.maximum
        tone = _TONES[result.weight(limit)] if above else ""
        known = bounds.get(key, _Bound(limit.maximum, tone))
        bounds[key] = _Bound(min(limit.maximum, known.maximum), min(tone, known.tone, key=_HEAVIEST.index))
    return bounds


def _cell(key: Key, values: Mapping[Key, float], bounds: Mapping[Key, _Bound]) -> tuple[str, str]:
    if key not in values:
        return "not measured", ""
    told = amount.worded(key[0], values[key])
    if key not in bounds:
        return told, ""
    return f"{told} of {amount.worded(key[0], bounds[key].maximum)}", bounds[key].tone


def _point(at: int, build: BuildView, counter: str, value: float, bound: _Bound | None = None, why: str = "") -> Point:
    past = build.attempt
    of = f" of {amount.worded(counter, bound.maximum)}" if bound is not None else ""
    title = (
        f"{amount.worded(counter, value)}{of}: {past.verdict.value}, {past.change}, {past.started:%Y-%m-%d %H:%M} UTC"
    )
    limit, over = (bound.maximum, bound.tone) if bound is not None else (None, "")
    return Point(at, value, past.verdict.value.lower(), title, build.address, limit, over, why)


def _figure(name: str, counter: str, points: Sequence[Point], places: int) -> Figure:
    picture = chart.drawn(counter, points, places)
    *before, newest = (point.value for point in points)
    told = [f"newest: {amount.worded(counter, newest)}"]
    if before:
        what = "the one before" if len(before) == 1 else f"median of the {len(before)} before"
        told.append(f"{what}: {amount.worded(counter, statistics.median(before))}")
    limit = points[-1].limit
    if limit is not None:
        above = "" if picture.limit else ", above the picture"
        told.append(f"limit: {amount.worded(counter, limit)}{above}")
    return Figure(name, "; ".join(told), picture)


def _difference(before: DatasetRun, after: DatasetRun) -> str:
    """Why two runs of a step cannot be compared without a thought; empty where they can."""
    told = []
    if before.fingerprint != after.fingerprint:
        told.append("other content of the dataset")
    if before.engine_version != after.engine_version:
        told.append(f"{after.engine} {after.engine_version} instead of {before.engine_version}")
    for name in sorted({*before.conditions, *after.conditions}):
        one, other = before.conditions.get(name), after.conditions.get(name)
        if one != other:
            told.append(f"{name.replace('_', ' ')} {other or 'not known'} instead of {one or 'not known'}")
    return ", ".join(told)


def sentence(view: HistoryView) -> str:
    """What became of the job's builds, in one sentence."""
    if not view.builds:
        return "No build of this job is remembered."
    since = min(build.attempt.started for build in view.builds)
    took = format_duration(view.median_s)
    if len(view.builds) == 1:
        return f"1 build, on {since:%Y-%m-%d}; it took {took}."
    return f"{len(view.builds)} builds since {since:%Y-%m-%d}; half of them took longer than {took}."
