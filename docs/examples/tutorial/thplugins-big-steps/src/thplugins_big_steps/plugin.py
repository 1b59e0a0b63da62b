"""The hooks that this plugin implements."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from thcore.hooks import hookimpl, option
from thcore.model import Execution, Finding, Location, Severity

ROWS_CHANGED = "XInnodb_rows_changed"  # whichever database it is: what turbo-hipster called it


@frozen
class BigStepsOptions:
    """What a job may say."""

    most: int = option("How many rows a step may change.", default=10_000)


class BigSteps:
    """Warns of a migration that changes many rows in one go."""

    @hookimpl
    def thcore_job_options(self) -> type[BigStepsOptions]:
        return BigStepsOptions

    @hookimpl
    def thcore_analyse(self, options: BigStepsOptions, execution: Execution) -> Iterator[Finding]:
        for run in execution.datasets:
            for result in run.steps:
                if not result.added or result.measurement is None:
                    continue
                rows = result.measurement.counters.get(ROWS_CHANGED) or 0
                if rows > options.most:
                    yield Finding(
                        "big-step",
                        Severity.WARNING,
                        f"One step changes {rows:,} rows",
                        Location(result.step.path, dataset=run.name, step=str(result.step)),
                        hint="Change them in batches, while the service runs.",
                    )


plugin = BigSteps()
