"""The timeline of a build, as values to draw: what ran when, and the steps of the change against their limits.

Places along the time axis are per cent of its length and places across it are pixels, so that the picture is as wide as
the window and its writing stays legible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from thcore.model import Outcome, StageName, StageResult
from thcore.model.quantity import format_duration
from thcore.pages.axis import THINNEST, Axis, Piece, Tick
from thcore.pages.result import DatasetView, StepView
from thcore.pages.watched import LEAST_WAIT_S, MOST, MOST_LOCKS, felt, longest

MOST_DATASETS = 20
MOST_STEPS = 16
"""How many of each are drawn at most; there are tables for the rest."""

_IN_REACH = 2.5  # times the longest step: a limit beyond that would make every step look like none
_LABEL, _BAR, _BAND, _BETWEEN, _GAP, _CAPTION, _AXIS = 20, 10, 5, 2, 12, 34, 36  # pixels, across
_INDENT = 16
_TONES = {StageResult.OK: "stage", StageResult.FAILED: "failure"}


@frozen
class Band:
    """Pieces one beside the other, at ``y``, ``height`` high."""

    y: int
    height: int
    pieces: tuple[Piece, ...]


@frozen
class Lane:
    """What took its time: its name, how long, and below both its bands.

    ``more`` is said where there is room for it, ``target`` is the element of the page that tells all. ``limit`` is
    where its limit stands, None where there is none or not on the axis. The name of what is a part of the lane above
    is moved in by ``indent`` pixels.
    """

    name: str
    detail: str
    more: str
    target: str
    y: int
    bands: tuple[Band, ...]
    limit: float | None = None
    indent: int = 0

    @property
    def bottom(self) -> int:
        """Where it ends, across."""
        return self.bands[-1].y + self.bands[-1].height


@frozen
class Chart:
    """Lanes on one axis, from ``top`` on, where its caption stands, to ``bottom``, where its ticks end."""

    caption: str
    ticks: tuple[Tick, ...]
    top: int
    lanes: tuple[Lane, ...]

    @property
    def bottom(self) -> int:
        """Where it ends, across."""
        return self.lanes[-1].bottom + _GAP + _AXIS


@frozen
class Timeline:
    """The whole picture. ``notes`` tell what is not to be seen in it."""

    charts: tuple[Chart, ...]
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Pixels."""
        return self.charts[-1].bottom if self.charts else 0

    @property
    def kinds(self) -> frozenset[str]:
        """What is in it that has to be explained: tones of pieces, and ``limit``."""
        lanes = [lane for chart in self.charts for lane in chart.lanes]
        tones = {piece.tone for lane in lanes for band in lane.bands for piece in band.pieces}
        return frozenset(tones | {"limit" for lane in lanes if lane.limit is not None})


@frozen
class _Row:
    """A lane that has no place yet; of each band its height."""

    name: str
    detail: str
    more: str
    target: str
    bands: tuple[tuple[int, Sequence[Piece]], ...]
    limit: float | None = None
    indent: int = 0


def timeline(outcome: Outcome, datasets: Sequence[DatasetView]) -> Timeline:
    """Draw a build. ``datasets`` are in the order of the page, where each is the element ``dataset-N``."""
    notes: list[str] = []
    charts: list[Chart] = []
    whole = Axis(outcome.started.timestamp(), max(outcome.duration_s, 0.001))
    lanes = _stages(outcome, whole, _datasets(outcome, datasets[:MOST_DATASETS], whole, notes))
    if lanes:
        charts.append(_chart("The build, from its start", 0, whole, lanes))
    steps = [(number, view, step) for number, view in enumerate(datasets, 1) for step in view.added]
    measured = [each for each in steps if each[2].wall_s is not None]
    if shown := _foremost(measured, notes):
        own = Axis(0.0, _scale([step for _, _, step in shown]))
        lanes = [_step(own, number, view, step, named=len(datasets) > 1) for number, view, step in shown]
        top = charts[-1].bottom if charts else 0
        charts.append(_chart("The change's steps, from their start", top, own, lanes))
    return Timeline(tuple(charts), tuple(notes))


def _chart(caption: str, top: int, axis: Axis, rows: Iterable[_Row]) -> Chart:
    lanes: list[Lane] = []
    y = top + _CAPTION
    for row in rows:
        bands: list[Band] = []
        below = y + _LABEL
        for height, pieces in row.bands:
            bands.append(Band(below, height, tuple(pieces)))
            below += height + _BETWEEN
        lanes.append(Lane(row.name, row.detail, row.more, row.target, y, tuple(bands), row.limit, row.indent))
        y = lanes[-1].bottom + _GAP
    return Chart(caption, axis.ticks, top, tuple(lanes))


def _stages(outcome: Outcome, axis: Axis, datasets: Sequence[_Row]) -> list[_Row]:
    """The stages that ran, with the datasets below the one that takes them through."""
    rows = []
    for stage in outcome.stages:
        if stage.started is not None:
            took = format_duration(stage.duration_s)
            more = "" if stage.result is StageResult.OK else stage.result.value
            tone = _TONES.get(stage.result, "stopped")
            piece = axis.piece(stage.started.timestamp(), stage.duration_s, tone, f"{stage.name.value}: {took}")
            rows.append(_Row(stage.name.value, took, more, "stages", ((_BAR, (piece,)),)))
        if stage.name is StageName.EXECUTE:
            rows += datasets
    return rows


def _datasets(outcome: Outcome, datasets: Sequence[DatasetView], axis: Axis, notes: list[str]) -> list[_Row]:
    rows = []
    guessed = False
    for number, view in enumerate(datasets, start=1):
        ran = [step for step in view.steps if step.wall_s is not None and not step.run.from_snapshot]
        if ran:
            begins = [step.began for step in ran if step.began is not None]
            if len(begins) < len(ran):
                guessed = True
                begins = _in_turn(ran, outcome)
            pieces = [
                axis.piece(at, step.wall_s or 0.0, _tone(step), f"{step.name}: {_told(step)}")
                for at, step in zip(begins, ran, strict=True)
            ]
            count = f"{len(ran)} step{'s' if len(ran) > 1 else ''}"
            took = format_duration(sum(step.wall_s or 0.0 for step in ran))
            bands = ((_BAR, _joined(pieces)),)
            rows.append(_Row(view.run.name, took, count, f"dataset-{number}", bands, indent=_INDENT))
    if rows:
        notes.append("Before the first step of a dataset its data are restored, and its server is started.")
    if guessed:
        notes.append("When each step began was not noted: those of a dataset are drawn one after the other.")
    if len(outcome.datasets) > len(datasets):
        notes.append(f"{len(outcome.datasets) - len(datasets)} more datasets are in the table of datasets.")
    return rows


def _in_turn(steps: Sequence[StepView], outcome: Outcome) -> list[float]:
    """When each began at the earliest: where the stage did that runs them, and the one before it had ended."""
    execute = next((stage.started for stage in outcome.stages if stage.name is StageName.EXECUTE), None)
    at = (execute or outcome.started).timestamp()
    begins = []
    for step in steps:
        begins.append(at)
        at += step.wall_s or 0.0
    return begins


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Steps before the change that are too short to be told from each other are drawn as one."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        last = joined[-1] if joined else None
        if last is None or not _alike(last, piece):
            joined.append(piece)
        else:
            length = round(max(last.end, piece.end) - last.start, 2)
            joined[-1] = evolve(last, length=length, words="several steps before this change")
    return joined


def _alike(last: Piece, piece: Piece) -> bool:
    thin = min(last.length, piece.length) <= 2 * THINNEST
    return thin and last.tone == piece.tone == "earlier" and piece.start - last.end < THINNEST


def _step(axis: Axis, number: int, view: DatasetView, step: StepView, *, named: bool) -> _Row:
    """A step of the change: how long it ran, and below it what of that its statements took, tables were locked against
    writers and others waited."""
    measured = step.run.measurement
    statements = longest(measured.statements if measured else (), MOST)
    waits = [wait for wait in (measured.waits if measured else ()) if wait.wait_s >= LEAST_WAIT_S]
    asked = [
        axis.piece(each.began_s, each.wall_s, "failure" if each.error else "statement", each.text[:200])
        for each in statements
    ]
    waited = [axis.piece(wait.began_s, wait.wait_s, "wait", str(wait)) for wait in waits]
    locks = [lock for lock in felt(measured.locks if measured else ()) if lock.against in {"all", "writers"}]
    locked = [axis.piece(lock.began_s, lock.held_s, "lock", str(lock)) for lock in locks[:MOST_LOCKS]]
    bands = ((_BAR, _against(axis, step)), (_BAND, asked), (_BAND, locked), (_BAND, waited))
    return _Row(
        f"{view.run.name}: {step.name}" if named else step.name,
        format_duration(step.wall_s or 0.0),
        _more(step),
        f"dataset-{number}",
        tuple(band for band in bands if band[1]),
        axis.place(step.limit_s) if step.limit_s is not None and step.limit_s <= axis.length else None,
    )


def _against(axis: Axis, step: StepView) -> tuple[Piece, ...]:
    """Its time; what of it is above its limit for itself."""
    wall_s, limit_s, words = step.wall_s or 0.0, step.limit_s, _told(step)
    if step.run.result == "failed" or limit_s is None or wall_s <= limit_s:
        return (axis.piece(0.0, wall_s, _tone(step), words),)
    tone = "failure" if step.timing is not None and step.timing.over == "failure" else "warning"
    return (
        axis.piece(0.0, limit_s, "success", words),
        axis.piece(limit_s, wall_s - limit_s, tone, f"{format_duration(wall_s - limit_s)} above its limit"),
    )


def _tone(step: StepView) -> str:
    if step.state in {"failed", "over"}:
        return "failure"
    if not step.run.added:
        return "earlier"
    return "warning" if step.state.startswith("over") else "success"


def _told(step: StepView) -> str:
    took = format_duration(step.wall_s or 0.0)
    return f"{took}, {more}" if (more := _more(step)) else took


def _more(step: StepView) -> str:
    limit = "" if step.limit_s is None else f"limit {format_duration(step.limit_s)}"
    return ", ".join(filter(None, ("" if step.run.result == "ok" else step.run.result, limit)))


def _scale(steps: Sequence[StepView]) -> float:
    """Seconds that the axis of the steps has: the longest one, and the limits that are not far beyond."""
    most = max(step.wall_s or 0.0 for step in steps)
    limits = [step.limit_s for step in steps if step.limit_s is not None and step.limit_s <= _IN_REACH * most]
    return max(1.02 * max([most, *limits]), 0.001)


def _foremost(
    steps: Sequence[tuple[int, DatasetView, StepView]], notes: list[str]
) -> Sequence[tuple[int, DatasetView, StepView]]:
    """In their order, those with trouble and the longest."""
    if len(steps) <= MOST_STEPS:
        return steps
    notes.append(f"{len(steps) - MOST_STEPS} shorter steps of this change are in the tables of the datasets.")
    ranked = sorted(range(len(steps)), key=lambda at: (steps[at][2].state == "ok", -(steps[at][2].wall_s or 0.0)))
    return [steps[at] for at in sorted(ranked[:MOST_STEPS])]
