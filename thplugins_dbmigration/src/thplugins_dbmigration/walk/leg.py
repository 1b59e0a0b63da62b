"""One leg of a walk: the project's own command at one revision, step by step, a measurement around each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from attrs import define, evolve, field

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Census, Loss, Measurement, Progress, Step, StepResult
from thplugins_dbmigration.census import TableCensus, losses
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.faults import NOTHING, Evidence
from thplugins_dbmigration.measure.counters import FORGOTTEN
from thplugins_dbmigration.measure.sizes import Sizes
from thplugins_dbmigration.measure.slowness import slowness
from thplugins_dbmigration.measure.watch import Watch
from thplugins_dbmigration.messages import way
from thplugins_dbmigration.project import Chosen
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.tools.tool import Plan, Project, Stop
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk.balance import NOT_COUNTING, TAKES_NOTHING, Touch, balanced
from thplugins_dbmigration.walk.conservation import takes_nothing
from thplugins_dbmigration.walk.course import Course
from thplugins_dbmigration.walk.fixups import run_fixup
from thplugins_dbmigration.walk.inventory import Inventory
from thplugins_dbmigration.walk.lookout import Lookout

PATIENCE_S = 3.0
"""How long to wait for a counter that the server does not tell at the moment, where a limit may be for it."""

CALIBRATED_S = 1.0
"""For how long a calibration of the machine holds: a step that takes longer always gets another one at its end."""


@define
class Leg:
    """Guides a tool through the steps of a leg, and keeps what came out.

    ``name`` is what results and progress call it: the release or the target branch whose code it is, empty for the
    change's. ``look`` is called with each chain's first plan, before anything of it is run, and may raise. ``added``
    tells the steps that the change adds; with ``counting``, what they leave less of is found out, and with ``canary``,
    how long others would have had to wait for them, for the tables ``first`` before all others. ``results`` are in the
    order in which the steps ran.
    """

    build: Build
    turns: Turns
    dataset: Dataset
    engine: str
    project: Project
    course: Course
    name: str = ""
    look: Callable[[Plan], None] = lambda _plan: None
    added: Callable[[Step], bool] = lambda _step: False
    counting: bool = False
    canary: bool = False
    first: Sequence[str] = ()
    results: list[StepResult] = field(factory=list)
    sizes: dict[Step, Sizes] = field(factory=dict)
    """Of the tables around each step, where that is known."""
    schema: Schema | None = None
    """Before the last step that the change adds, where that could be read."""
    _met: Inventory | None = field(factory=Inventory)
    """The tables that were there before a step that the change adds, None where not all could be read."""
    _total: int = 0
    _known: set[str] = field(factory=set)
    """The counters that this server has told."""
    _watch: Watch | None = None
    """Of the step that runs."""
    _turn: ExitStack = field(factory=ExitStack)
    """Held while the program runs, another one for each step: a real project's program computes for seconds before its
    first one."""
    _slowness: float | None = None
    """Of the machine, when it was calibrated last."""
    _calibrated_s: float = float("-inf")
    _slowness_before: float | None = None
    """Of the machine, when the step that runs was about to start."""
    evidence: Evidence = NOTHING
    """What is known of the machine when a step has failed, see ``thplugins_dbmigration.faults``."""
    _lookout: Lookout | None = None
    _census: Mapping[str, TableCensus] | None = None
    """What the database held after the last step, where that is known."""

    def walk(self, chosen: Chosen) -> Stop:
        """Run it to its end, with the fix-ups on the way. What follows a failed step is ``not-run``.

        Raises what the tool and the server raise, and InfrastructureError (``fixup-failed``).
        """
        self._read(needed=False)
        self._look_out(closely=False)
        while True:
            with self._turn:  # a program may end in the middle of a step
                self._turn.enter_context(self.turns.beside())
                stop = chosen.tool.walk(self.build, chosen.options, self.project, self)
            if stop.failed is not None or self.course.due is None:
                break
            with self.turns.beside():
                run_fixup(self.build, self.course.due, self.dataset, self.project)
            self.course.fixed()
            self._census = None  # what the fix-up takes away, the next step does not
        if stop.failed is not None:
            self._fail(stop.failed)
            if self.evidence == NOTHING:  # it ended without a word of the step
                self.evidence = self.look_around()
        for steps in self.course.ahead.values():
            for step in steps:
                if self._result_of(step) is None:
                    self._keep(step, "not-run")
        return stop

    def final(self, chosen: Chosen) -> dict[str, frozenset[str]]:
        """The versions that the database is at, of every chain that has shown itself."""
        ask = chosen.tool.versions
        return {chain: ask(self.build, chosen.options, self.project, chain) for chain in self.course.plans}

    def inventory(self) -> Inventory | None:
        """The tables that there were on the leg, which has ended; None where not all of them are known."""
        self._read_schema()
        return self._met

    def look_around(self) -> Evidence:
        """What is known of the machine, since the last step began or since there was none yet."""
        return self._lookout.evidence() if self._lookout is not None else NOTHING

    def _look_out(self, *, closely: bool) -> None:
        storage = self.project.server.storage
        self._lookout = Lookout.start(storage, self.build.workspace, closely=closely)
        self._turn.callback(self._lookout.leave)

    @property
    def walked(self) -> tuple[Step, ...]:
        """The steps that ended well."""
        return tuple(result.step for result in self.results if result.result == "ok")

    def choose(self, plan: Plan) -> Sequence[Step]:
        """Called by the tool, once for each chain."""
        if plan.chain not in self.course.plans:
            self.look(plan)
        steps = self.course.choose(plan)
        self._total += len(steps)
        return steps

    def before(self, step: Step) -> None:
        """Called by the tool when a step is about to start."""
        self.course.before(step)
        label = f"{self.name}: " if self.name else ""
        self.build.emit(Progress(f"{self.dataset.name}: {label}{way(step)}", len(self.results), self._total))
        self._turn.close()  # whoever waits to be alone comes first
        self._turn.enter_context(self.turns.alone() if self.added(step) else self.turns.beside())
        self.build.log(f"step {way(step)} starts", source=self.dataset.name)
        if self.counting and self._census is None and self.added(step):
            self._census = self._count()
        if self.added(step):
            self.schema = self._read_schema()
        server, address = self.project.server, self.project.address
        read = partial(self._read, needed=self.added(step))  # the project's policy may limit any of them
        if self.added(step):
            self._slowness_before = self._slow()
        self._look_out(closely=self.added(step))  # before the clock runs
        self._watch = Watch.start(
            self.engine, server, address, read, closely=self.added(step), canary=self.canary, first=self.first
        )
        self._turn.callback(self._watch.leave)

    def after(self, step: Step, ok: bool) -> None:
        """Called by the tool when a step has ended."""
        assert self._watch is not None, "no step ends that has not started"  # noqa: S101 - for the type checker
        if not ok:  # at once: what has filled the disk goes with what failed
            self.evidence = self.look_around()
        measurement = self._watch.stop()
        rows = {name: table.rows for name, table in (self._census or {}).items()}
        self.sizes[step] = self._watch.sizes.having(rows)
        self._watch = None
        if self.added(step):
            measurement = evolve(measurement, slowness=_larger(self._slowness_before, self._slow()))
        told = "ended" if ok else "failed"
        self.build.log(f"step {way(step)} {told} after {measurement.wall_s:.3f} s", source=self.dataset.name)
        lost, census = self._counted(step, measurement, ok=ok)
        self._keep(step, "ok" if ok else "failed", measurement, lost, census)
        self._turn.close()
        self._turn.enter_context(self.turns.beside())

    def _slow(self) -> float | None:
        """How slow the machine is; steps that follow each other at once share a calibration."""
        if time.monotonic() - self._calibrated_s > CALIBRATED_S:
            self._slowness = slowness(self.build.state, self.build.workspace.temporary)
            self._calibrated_s = time.monotonic()
        return self._slowness

    def _counted(self, step: Step, measurement: Measurement, *, ok: bool) -> tuple[tuple[Loss, ...], Census | None]:
        """What the step left less of, and all that was counted."""
        before, self._census = self._census, None
        if not self.added(step):
            return (), None
        if before is None:
            return (), Census(unknown=dict.fromkeys(("before", "after"), NOT_COUNTING))
        books, touch = {plan.table for plan in self.course.plans.values()}, Touch.of(measurement)
        if not ok:
            return (), balanced(before, None, touch, books)
        if takes_nothing(measurement, books):
            self._census = before
            return (), evolve(balanced(before, before, touch, books), inferred=TAKES_NOTHING)
        self._census = self._count()
        return losses(before, self._census, apart=books), balanced(before, self._census, touch, books)

    def _count(self) -> Mapping[str, TableCensus]:
        return self.project.server.census(self.project.address)

    def _read_schema(self) -> Schema | None:
        """It is for people only, so that a step runs without it as well."""
        try:
            schema = self.project.server.schema(self.project.address)
        except InfrastructureError as error:
            self.build.log(f"the schema is not known: {error}", source=self.dataset.name)
            self._met = None
            return None
        if self._met is not None:
            self._met |= Inventory.of_schema(schema)
        return schema

    def _read(self, *, needed: bool) -> dict[str, int | None]:
        """The counters. One that was known and is not now will be: a session has just ended and not reported yet. Those
        that are forgotten for good are not waited for."""
        deadline = time.monotonic() + (PATIENCE_S if needed else PATIENCE_S / 10)
        while True:
            counters = self.project.server.counters(self.project.address)
            told = {name for name, value in counters.items() if value is not None}
            if self._known - FORGOTTEN <= told or time.monotonic() > deadline:
                self._known |= told
                return counters
            self.build.check()
            threading.Event().wait(0.02)

    def _keep(
        self,
        step: Step,
        result: str,
        measurement: Measurement | None = None,
        lost: tuple[Loss, ...] = (),
        census: Census | None = None,
    ) -> None:
        made = StepResult(step, self.added(step), result, measurement, self.dataset.limits_for(step), lost)
        self.results.append(evolve(made, leg=self.name, census=census))

    def _result_of(self, step: Step) -> StepResult | None:
        return next((result for result in self.results if _same(result.step, step)), None)

    def _fail(self, step: Step) -> None:
        """The step did not do what it should, whatever it said itself, and even if it never said that it started."""
        kept = self._result_of(step)
        if kept is None:
            self._keep(step, "failed")
        else:
            self.results[self.results.index(kept)] = evolve(kept, result="failed")


def _larger(before: float | None, after: float | None) -> float | None:
    known = (each for each in (before, after) if each is not None)
    return max(known, default=None)


def _same(one: Step, other: Step) -> bool:
    return (one.chain, one.version) == (other.chain, other.version)


def count(results: Iterable[StepResult]) -> int:
    """How many steps were run by this build."""
    return sum(result.result != "not-run" and not result.from_snapshot for result in results)
