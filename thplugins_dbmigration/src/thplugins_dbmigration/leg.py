"""One leg of a walk: some steps, one at a time, a measurement around each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from attrs import define, field, frozen

from thcore.errors import ChangeError
from thcore.hooks import Build
from thcore.model import Measurement, Step, StepResult
from thplugins_dbmigration import measure
from thplugins_dbmigration.dataset_file import WALL
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.messages import way
from thplugins_dbmigration.project import Chosen
from thplugins_dbmigration.tools.tool import Enough, Plan, Project, Stop

Started = Callable[[Step], None]
PATIENCE_S = 3.0
"""How long to wait for a counter that the server does not tell at the moment, where a limit may be for it."""


@define
class _Look:
    """A guide that goes nowhere: it wants to see the way."""

    plan: Plan | None = None

    def choose(self, plan: Plan) -> Sequence[Step]:
        self.plan = plan
        raise Enough

    def before(self, step: Step) -> None:
        """No step runs."""

    def after(self, step: Step, ok: bool) -> None:
        """No step runs."""


def look(build: Build, chosen: Chosen, project: Project) -> Plan:
    """The way ahead of the first chain, changing nothing."""
    guide = _Look()
    chosen.tool.walk(build, chosen.options, project, guide)
    if guide.plan is None:
        raise ChangeError("No migration found", code="tool-unusable")
    return guide.plan


@frozen
class _Leg:
    """A guide that runs what was decided before."""

    steps: Sequence[Step]
    started: Callable[[Step], None]
    ended: Callable[[Step, bool], None]

    def choose(self, plan: Plan) -> Sequence[Step]:
        return plan.steps[: len(self.steps)]

    def before(self, step: Step) -> None:
        self.started(step)

    def after(self, step: Step, ok: bool) -> None:
        self.ended(step, ok)


@define
class Meter:
    """Measures the steps of a dataset and keeps what came out."""

    build: Build
    dataset: Dataset
    engine: str
    started: Started
    results: list[StepResult] = field(factory=list)
    known: set[str] = field(factory=set)
    """The counters that this server has told."""

    def walk(self, chosen: Chosen, project: Project, steps: Sequence[Step], added: Collection[str]) -> Stop:
        """Run ``steps``; those in ``added`` (versions) are the change's. What follows a failed step is ``not-run``."""
        if not steps:
            return Stop()
        self._read(project, needed=False)
        running: list[tuple[float, dict[str, int | None]]] = []

        def needed(step: Step) -> bool:
            return step.version in added and any(limit.counter != WALL for limit in self.dataset.limits_for(step))

        def before(step: Step) -> None:
            self.started(step)
            self.build.log(f"step {way(step)} starts", source=self.dataset.name)
            counters = self._read(project, needed=needed(step))
            running[:] = [(time.monotonic(), counters)]

        def after(step: Step, ok: bool) -> None:
            ended = time.monotonic()
            began, counters = running.pop()
            told = "ended" if ok else "failed"
            self.build.log(f"step {way(step)} {told} after {ended - began:.3f} s", source=self.dataset.name)
            counted = measure.measured(self.engine, counters, self._read(project, needed=needed(step)))
            self._keep(step, "ok" if ok else "failed", step.version in added, Measurement(ended - began, counted))

        stop = chosen.tool.walk(self.build, chosen.options, project, _Leg(steps, before, after))
        if stop.failed is not None:
            self._fail(stop.failed, added=stop.failed.version in added)
        done = {result.step.version for result in self.results}
        for step in steps:
            if step.version not in done:
                self._keep(step, "not-run", step.version in added)
        return stop

    def _read(self, project: Project, *, needed: bool) -> dict[str, int | None]:
        """The counters. One that was known and is not now will be: a session has just ended and not reported yet."""
        deadline = time.monotonic() + (PATIENCE_S if needed else PATIENCE_S / 10)
        while True:
            counters = project.server.counters(project.address)
            told = {name for name, value in counters.items() if value is not None}
            if self.known <= told or time.monotonic() > deadline:
                self.known |= told
                return counters
            self.build.check()
            threading.Event().wait(0.02)

    def _keep(self, step: Step, result: str, added: bool, measurement: Measurement | None = None) -> None:
        self.results.append(StepResult(step, added, result, measurement, self.dataset.limits_for(step)))

    def _fail(self, step: Step, *, added: bool) -> None:
        """The step did not do what it should, whatever it said itself, and even if it never said that it started."""
        kept = next((result for result in self.results if result.step.version == step.version), None)
        if kept is not None:
            self.results.remove(kept)
        self._keep(step, "failed", added, kept.measurement if kept else None)
