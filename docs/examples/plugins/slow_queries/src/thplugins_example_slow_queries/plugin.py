"""The hooks that this plugin implements."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from thcore.hooks import Build, hookimpl, option
from thcore.model import DatasetRun, Execution, Finding, Location, Seconds, Severity, Statement, StepResult

_MESSAGE = 120
_EVIDENCE = 2000
_COSTS = {
    "copy": "copies {table} row by row: nobody can write to it meanwhile; do it in batches, or in a step of its own",
    "rebuild": "writes all of {table} anew: look for a form of the change that only touches its metadata",
    "scan": "reads all of {table}: an index on what it looks for may do",
    "index": "builds an index of {table}: most servers can do so while others write, when they are asked to",
}


@frozen
class SlowQueriesOptions:
    """What a job may say."""

    longest: Seconds = option("How long a statement may take before it is commented on.", default=Seconds(1.0))
    most: int = option("How many statements of a step are commented on: the slowest.", default=3)

    def __attrs_post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most is {self.most}; write 1 or more")


class SlowQueries:
    """Comments on the slowest statements of the steps that a change adds, as the migration gate has measured them."""

    @hookimpl
    def thcore_job_options(self) -> type[SlowQueriesOptions]:
        return SlowQueriesOptions

    @hookimpl
    def thcore_analyse(self, build: Build, options: SlowQueriesOptions, execution: Execution) -> Iterator[Finding]:
        for run in execution.datasets:
            for result in run.steps:
                if result.added:
                    build.check()
                    yield from _comments(run, result, options)


def _comments(run: DatasetRun, result: StepResult, options: SlowQueriesOptions) -> Iterator[Finding]:
    if result.measurement is None:  # the step did not run
        return
    slow = [each for each in result.measurement.statements if each.wall_s > options.longest]
    slow.sort(key=lambda statement: -statement.wall_s)
    for statement in slow[: options.most]:
        share = statement.wall_s / max(result.measurement.wall_s, statement.wall_s)
        yield Finding(
            "slow-statement",
            Severity.WARNING,
            f"{_legible(statement.text, _MESSAGE)} took {statement.wall_s:.1f} s, {share:.0%} of the step",
            Location(result.step.path, dataset=run.name, step=str(result.step)),
            evidence=(_legible(statement.text, _EVIDENCE), *map(str, statement.works), *map(str, statement.waits)),
            hint=_advice(statement),
        )


def _advice(statement: Statement) -> str | None:
    """What to do about the most expensive thing that a statement did."""
    for kind, cost in _COSTS.items():
        for work in statement.works:
            if work.kind == kind:
                return f"It {cost.format(table=work.table)}."
    if statement.calls > 1:
        return f"It was called {statement.calls} times: one statement for all rows may do."
    return None


def _legible(text: str, length: int) -> str:
    """A statement on one line, cut where it is long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * length]).split())
    return line if len(line) <= length else f"{line[:length]}…"


plugin = SlowQueries()
