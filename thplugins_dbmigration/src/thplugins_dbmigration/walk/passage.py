"""One dataset's way through the gate: to the state that the change goes on from, and then the change's own leg."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cattrs
from attrs import define, evolve, field

from thcore.errors import ChangeError, InfrastructureError, StoppedError
from thcore.hooks import Build
from thcore.model import DatasetRun, Finding, Provision, Step, repetition
from thplugins_dbmigration import checks, faults, messages, project, snapshots
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.limits.rules import Rules
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk.course import named
from thplugins_dbmigration.walk.discretion import Discretion
from thplugins_dbmigration.walk.dry_run import rehearsed
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.manner import Manner
from thplugins_dbmigration.walk.reason import Reason, reason
from thplugins_dbmigration.walk.route import route
from thplugins_dbmigration.walk.sources import Sources
from thplugins_dbmigration.walk.states import State, States
from thplugins_dbmigration.walk.trail import Trail
from thplugins_dbmigration.walk.trial import Trial


@define
class Passage:
    """Takes one dataset through. ``branch`` is the change's target, None when every step is to be judged. Afterwards
    ``run`` is what happened, None when not even a server was there, and ``findings`` what went wrong.

    A passage shares nothing with those of other datasets but ``turns``.
    """

    build: Build
    turns: Turns
    options: DbmigrationOptions
    dataset: Dataset
    change: Provision
    branch: str | None
    run: DatasetRun | None = None
    findings: list[Finding] = field(factory=list)
    policy: str | None = None
    """The policy file of the target branch, empty where it has none; None: the dataset did not get there."""
    _fingerprint: str = ""
    """Of the dataset, before anything was done with it."""
    _proves_nothing: bool = False

    @property
    def evidence(self) -> Path:
        """What is published about this dataset."""
        return self.build.workspace.artifacts / "datasets" / self.dataset.name

    def go(self) -> None:
        """Do all of it. Raises only CancelledError and DeadlineError."""
        try:
            self._do(self._go)
            self._do(self._look_again)
            self._do(self._write)  # of what broke in the middle as well
        finally:
            shutil.rmtree(self._place, ignore_errors=True)  # the next dataset needs the room

    def _look_again(self) -> None:
        if self._fingerprint and fingerprint(self.dataset, self.build.state) != self._fingerprint:
            raise InfrastructureError(
                "The files of the dataset were changed while it was used; nobody knows which of them were read",
                code="dataset-changed",
            )

    def limit(self, rules: Rules) -> None:
        """Give the change's steps their limits, which nobody needs to run them. Raises like ``go``."""

        def limited() -> None:
            if self.run is not None and not self._proves_nothing:
                self.run = rules.applied(self.run)
                self._write()

        self._do(limited)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoppedError:
            raise
        except InfrastructureError as error:
            self._prove_nothing(error)
        except Exception as error:  # noqa: BLE001 - a broken tool or a full disk must not stop the other datasets
            self.build.log(traceback.format_exc(), source=self.dataset.name)
            told = f"The gate broke: {type(error).__name__}: {error}"
            self._prove_nothing(InfrastructureError(told, code="gate-failed"))
        if self.dataset.confidential:
            self._be_discreet()

    def _be_discreet(self) -> None:
        """Leave out what nobody is to read, before anybody can."""
        discretion = Discretion.about(self.dataset.type, self.run)
        self.findings = [discretion.finding(finding) for finding in self.findings]
        self.run = discretion.run(self.run) if self.run is not None else None

    def _prove_nothing(self, error: InfrastructureError) -> None:
        """What was run on a server that broke says nothing, neither for nor against the change."""
        self._proves_nothing = True
        self.findings = [messages.infrastructure(error, self.dataset.name)]
        if self.run is not None:
            steps = (evolve(step, limits=(), losses=(), census=None) for step in self.run.steps)
            self.run = evolve(self.run, steps=tuple(steps))

    def _go(self) -> None:
        try:
            self.evidence.mkdir(parents=True, exist_ok=True)
            self._fingerprint = fingerprint(self.dataset, self.build.state)
            engine = engine_for(self.dataset.type)
            installation = engine.installation(self.build)
            logs = self._place if self.dataset.confidential else self.evidence  # they quote statements that fail
            logs.mkdir(parents=True, exist_ok=True)
            site = Site(self.build, self.turns, self.dataset, engine, installation, logs, self._place)
        except InfrastructureError as error:
            self.findings.append(messages.seed_not_set_up(error, self.dataset.name))
            return
        try:
            states = States.of(site, route(self.options, self.dataset, self.branch))
            try:
                self._pass(site, states)
            except InfrastructureError as error:
                if error.code != snapshots.DAMAGED:
                    raise
                self.build.log(f"{error}; once more, with one that is made again", source=self.dataset.name)
                self.run, self.findings = None, []
                self._pass(site, states)
            self.findings += site.remade
        except Halt as halt:
            self.findings.append(halt.finding)
            if halt.steps and self.run is None:
                self.run = site.record(steps=halt.steps)

    def _pass(self, site: Site, states: States) -> None:
        manner = Manner.at(self.options, self.dataset)
        chosen = project.choose_tool(self.build, manner, self.change)
        state, trunk = self._beginning(states)
        trial = begun = Trial(site, manner, chosen, self.change, state, trunk)
        if self.options.keep_boundaries:
            trial = begun.resumed()
        with site.ground(trial.state.snapshot, self._place / "data", kept=False) as ground:
            self.run = site.record(
                engine_version=ground.server.version, tool=chosen.tool.name, steps=trial.state.trail.steps
            )
            try:
                leg = trial.leg(ground, self._place / "change")
                failed = self._walk(trial, leg, ground)
            except ChangeError as error:
                self.findings.append(self._unusable(error))
                return
            with self.turns.beside():
                end = checks.look(ground, self.options)
        self._tell(steps=rehearsed(trial, leg, self.run.steps))
        self.findings = [self._tried_without_rows(finding) for finding in self.findings]
        if (
            self.options.keep_boundaries
            and failed is not None
            and any(step.added and step.result == "ok" for step in self.run.steps)
        ):
            begun.keep(failed, self.run.steps)
        made, found = checks.asked(begun, states, [step for step in self.run.steps if not step.leg], end)
        self._tell(checks=made)
        self.findings += found

    def _tried_without_rows(self, finding: Finding) -> Finding:
        assert self.run is not None, "made when the leg begins"  # noqa: S101 - for the type checker
        failed = next((step for step in self.run.steps if step.on_empty), None)
        if failed is None or finding.location.step != messages.way(failed.step):
            return finding
        return messages.tried_without_rows(finding, failed.on_empty)

    def _beginning(self, states: States) -> tuple[State, Trail | None]:
        """Where the change's leg begins, and what the target branch has walked: its state, or the last one before the
        first step that the change has otherwise."""
        state = states.at(len(states.waypoints))
        if self.branch is None:
            return state, None
        self.policy = state.trail.policy
        sources = Sources(self.change.checkout.path)
        edited, lacking = state.trail.edited(sources), state.trail.lacking(sources)
        if not edited and not lacking:
            return state, state.trail
        leg = next(result.leg for result in state.trail.steps if result.step in (*edited, *lacking))
        number = states.before(leg)
        since = states.name(number)
        self.findings += [messages.edited(step, self.branch, self.dataset.name, since) for step in edited]
        self.findings += [messages.lacking(step, self.branch, self.dataset.name, since) for step in lacking]
        self.build.log(f"the state of {self.branch} does not apply, going on from {since}", source=self.dataset.name)
        return states.at(number), state.trail

    def _walk(self, trial: Trial, leg: Leg, ground: Ground) -> Step | None:
        """Answers the step that has failed."""
        trail, course = trial.state.trail, leg.course
        try:
            stop = leg.walk(trial.chosen)
            final = leg.final(trial.chosen)
        finally:
            current = {chain: plan.current for chain, plan in course.plans.items()}
            self._tell(
                start_version=named(trail.start or current),
                expected_version=named({chain: course.expected(chain) for chain in course.plans}),
                steps=(*trail.steps, *leg.results),
            )
        self._tell(final_version=named(course.last(final)))
        if stop.failed is not None:
            judged = trial.added(stop.failed)
            self._failed(stop, stop.failed, self._reason(stop, stop.failed, ground, leg.schema) if judged else None)
        elif missed := course.missed(final):
            self.findings.append(messages.mismatch(self.dataset.name, missed))
        return stop.failed

    def _unusable(self, error: ChangeError) -> Finding:
        reason = faults.machine_fault(str(error).splitlines())
        if reason is None:
            return messages.unusable(error, self.dataset.name)
        told = f"The migrations stopped for a reason that is not their own: {reason}\n{error}"
        return messages.infrastructure(InfrastructureError(told, code="machine-fault"), self.dataset.name)

    def _reason(self, stop: Stop, step: Step, ground: Ground, before: Schema | None) -> Reason:
        """Why a step of the change has failed; what makes it fail is noted in its result."""
        assert self.run is not None, "made when the leg begins"  # noqa: S101 - for the type checker
        failed = next((result for result in self.run.steps if not result.leg and result.step == step), None)
        with self.turns.beside():
            measurement = failed.measurement if failed is not None else None
            checkout = self.change.checkout.path
            why = reason(stop, measurement, ground, self.dataset.confidential, checkout, before)
        steps = (evolve(each, offences=why.offences) if each is failed else each for each in self.run.steps)
        self._tell(steps=tuple(steps))
        return why

    def _failed(self, stop: Stop, step: Step, why: Reason | None) -> None:
        """``why`` is None for a step that is not the change's."""
        evidence = self._evidence(stop, why)
        # Not in what was found of rows: they may hold any words.
        broken = faults.machine_fault(project.said(stop, self.change))
        if broken is not None:
            finding = messages.machine_fault(step, self.dataset.name, broken, evidence)
        elif why is None:
            finding = messages.older_failed(step, self.dataset.name, evidence)
        elif stop.code == "final-version-mismatch":
            finding = messages.mismatch(self.dataset.name, evidence, step)
        else:
            finding = messages.not_ended(step, self.dataset.name, evidence, line=why.line, repeat=self._repeat(step))
        self.findings.append(finding)

    def _evidence(self, stop: Stop, why: Reason | None) -> tuple[str, ...]:
        """What was said, and after the error in one line why it came to that."""
        lines = project.said(stop, self.change)
        return (*lines[:1], *(why.lines if why is not None else ()), *lines[1:])

    def _repeat(self, failed: Step) -> str:
        """How a developer runs a step of the change that failed once more."""
        again = repetition.command(self.build.job, self.build.change)
        assert self.run is not None, "made when the leg begins"  # noqa: S101 - for the type checker
        first = next((result.step for result in self.run.steps if not result.leg and not result.from_snapshot), failed)
        if self.options.keep_boundaries or first == failed:
            return f"From the state before it, which is kept, this repeats it where the gate runs: {again}"
        return (
            f"This repeats it where the gate runs, after the steps before it: {again}; with the job's option "
            "keep_boundaries, without them."
        )

    def _tell(self, **values: Any) -> None:
        assert self.run is not None, "made when the leg begins"  # noqa: S101 - for the type checker
        self.run = evolve(self.run, **values)

    @property
    def _place(self) -> Path:
        return self.build.workspace.temporary / "datasets" / self.dataset.name

    def _write(self) -> None:
        if self.run is not None:
            text = json.dumps(cattrs.unstructure(self.run), indent=2)
            (self.evidence / "steps.json").write_text(text + "\n", "utf-8")
