"""A dataset's way through its steps, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table

from thcore.cli.terminal import plain
from thcore.model import DatasetRun, Loss, Severity, StepResult
from thcore.model.quantity import format_duration
from thcore.pages.watched import LEAST_WAIT_S, felt

RESULT_STYLE = {"ok": "green", "failed": "red", "stopped": "yellow"}
MAXIMUM_LOSSES = 10
LONGEST_STATEMENT = 80
SHORT = 12
"""Digits of a fingerprint that are shown; result.json has all of them."""
_OVER = {
    Severity.FAILURE: "[red](over limit {})[/]",
    Severity.UNVERIFIED: "[yellow](unverified: over limit {})[/]",
    Severity.WARNING: "[yellow](warning: over limit {})[/]",
    Severity.INFO: "[dim](excused from limit {})[/dim]",
}
"""How it is told that a step went above a limit."""


def show_dataset(console: Console, dataset: DatasetRun, *, every_counter: bool = False) -> None:
    """What it is, a line for each leg before the change's, and the change's steps one by one; of their counters those
    that have a limit, unless every one is wanted."""
    version = f" {dataset.version}" if dataset.version else ""
    title = f"{dataset.name}{version} on {dataset.engine} {dataset.engine_version}"
    fingerprint = dataset.fingerprint.rpartition(":")[2][:SHORT]
    console.print(f"  Dataset {plain(title)} [dim]{plain(fingerprint)}[/dim]", highlight=False, soft_wrap=True)
    if dataset.conditions:
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in dataset.conditions.items())
        console.print(f"    [dim]{plain(told)}[/dim]", highlight=False, soft_wrap=True)
    for leg, steps in groupby(dataset.steps, lambda step: step.leg):
        if leg:
            console.print(f"    {_leg(leg, tuple(steps))}", highlight=False, soft_wrap=True)
        else:
            own = tuple(steps)
            console.print(_table(own, every_counter=every_counter))
            for line in (*_telling(own), *_losses(own)):
                console.print(f"    {line}", highlight=False, soft_wrap=True)


def styled(result: str) -> str:
    """The result of a step or a stage, in its colour."""
    style = RESULT_STYLE.get(result)
    return f"[{style}]{result}[/{style}]" if style else plain(result)


def _leg(name: str, steps: tuple[StepResult, ...]) -> str:
    counted = f"{len(steps)} step{'s' if len(steps) > 1 else ''}"
    took = format_duration(sum(step.measurement.wall_s for step in steps if step.measurement))
    before = ", by an earlier build" if all(step.from_snapshot for step in steps) else ""
    odd = next((step for step in steps if step.result != "ok"), None)
    told = f", {plain(odd.step.version)} {styled(odd.result)}" if odd else ""
    return f"{plain(name)}: {counted} in {took}{before}{told}"


def _table(steps: Iterable[StepResult], *, every_counter: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "Step", "Title", "Result", "Took", "Counters"):
        table.add_column(column, overflow="fold", justify="right" if column == "Took" else "left")
    for result in steps:
        chain = f"{result.step.chain}:" if result.step.chain else ""
        took = format_duration(result.measurement.wall_s) if result.measurement else ""
        table.add_row(
            "   [bold]+[/bold]" if result.added else "    ",
            plain(chain + result.step.version),
            plain(result.step.title),
            styled(result.result) + (" [dim](earlier build)[/dim]" if result.from_snapshot else ""),
            took + _limit(result, "wall_s"),
            ", ".join(_counters(result, every=every_counter)),
        )
    return table


def _counters(result: StepResult, *, every: bool) -> list[str]:
    counters = result.measurement.counters if result.measurement else {}
    limited = {limit.counter for limit in result.limits}
    return [
        f"{plain(name)} {'unknown' if value is None else f'{value:,}'}{_limit(result, name)}"
        for name, value in counters.items()
        if every or name in limited
    ]


def _telling(steps: Iterable[StepResult]) -> Iterator[str]:
    """The statements that wrote whole tables, locked them, made somebody wait or failed, and what that was."""
    statements = [each for step in steps if step.measurement for each in step.measurement.statements]
    for statement in statements:
        told = [f"[yellow]{plain(str(work))}[/yellow]" for work in statement.works if work.writes_all]
        told += [f"[yellow]{plain(str(wait))}[/yellow]" for wait in statement.waits if wait.wait_s >= LEAST_WAIT_S]
        told += [f"[yellow]{plain(str(lock))}[/yellow]" for lock in felt(statement.locks) if lock.against != "rows"]
        told += [f"[red]{plain(statement.error)}[/red]"] if statement.error else []
        if told:
            yield f"{plain(_short(statement.text))}: {', '.join(told)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_STATEMENT else f"{line[:LONGEST_STATEMENT]}…"


def _losses(steps: Iterable[StepResult]) -> list[str]:
    lines = [_lost(step, loss) for step in steps for loss in step.losses]
    more = len(lines) - MAXIMUM_LOSSES
    return [*lines[:MAXIMUM_LOSSES], f"and {more} losses more"] if more > 0 else lines


def _lost(step: StepResult, loss: Loss) -> str:
    name = loss.table if loss.column is None else f"{loss.table}.{loss.column}"
    after = "dropped" if loss.after is None else f"{loss.after:,}"
    return f"{plain(step.step.version)} [yellow]lost[/yellow] {plain(name)}: {loss.before:,} -> {after}"


def _limit(result: StepResult, counter: str) -> str:
    """The lowest limit of a counter, if it has one, and whether it was kept."""
    limits = [limit for limit in result.limits if limit.counter == counter and not limit.table]
    if not limits:
        return ""
    limit = min(limits, key=lambda each: each.maximum)
    lowest = limit.maximum
    text = format_duration(lowest) if counter == "wall_s" else f"{lowest:,.0f}"
    measured = result.measurement
    value = None if measured is None else measured.wall_s if counter == "wall_s" else measured.counters.get(counter)
    if value is None or value <= lowest:
        return f" [dim](limit {text})[/dim]"
    return f" {_OVER[result.weight(limit)].format(text)}"
