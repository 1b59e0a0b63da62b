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
from thcore.model import DatasetRun, Finding, Provision, Step
from thplugins_dbmigration import checks, messages, project, snapshots
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.limits.rules import Rules
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.policy.source import Ruling
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk import boundary, failure
from thplugins_dbmigration.walk.course import named
from thplugins_dbmigration.walk.discretion import Discretion
from thplugins_dbmigration.walk.dry_run import rehearsed
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.inventory import Inventory
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
    """Takes one dataset through. ``branch`` is the change's target, None when every step is to be judged; ``rule``
    answers which policy counts, when the target branch has this one. Afterwards ``run`` is what happened, None when not
    even a server was there, and ``findings`` what went wrong.

    A passage shares nothing with those of other datasets but ``turns``.
    """

    build: Build
    turns: Turns
    options: DbmigrationOptions
    dataset: Dataset
    change: Provision
    branch: str | None
    rule: Callable[[str | None], Ruling]
    run: DatasetRun | None = None
    findings: list[Finding] = field(factory=list)
    policy: str | None = None
    """The policy file of the target branch, empty where it has none; None: the dataset did not get there."""
    inventory: Inventory | None = None
    """The tables that the dataset had, None where not all steps of the change have ended well, or this build did not
    run all of them."""
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
        first = self.rule(self.policy).policy.important
        begun = Trial(site, manner, chosen, self.change, state, trunk, first)
        if (version := self.options.begin_before) is not None:
            begun = boundary.begun_before(begun, version)
            if passed_over := boundary.passed_over(begun, version):
                self.findings.append(messages.not_judged(version, passed_over, self.dataset.name))
        trial = boundary.resumed(begun) if self.options.keep_boundaries else begun
        with site.ground(trial.state.snapshot, self._place / "data", kept=False) as ground:
            self.run = site.record(
                engine_version=ground.server.version, tool=chosen.tool.name, steps=trial.state.trail.steps
            )
            leg = trial.leg(ground, self._place / "change")
            try:
                failed = self._walk(trial, leg, ground)
            except ChangeError as error:
                self.findings.append(failure.unusable(error, leg.look_around(), self.dataset.name))
                return
            except InfrastructureError as error:
                raise leg.look_around().beside(error) from error
            with self.turns.beside():
                whole = failed is None and trial.state is state
                self.inventory = leg.inventory() if whole else None
                end = checks.look(ground, self.options)
        self._tell(steps=rehearsed(trial, leg, self.run.steps))
        self.findings = [self._tried_without_rows(finding) for finding in self.findings]
        if self.options.keep_boundaries and failed is not None:
            boundary.keep(begun, failed, self.run.steps)
        made, found = checks.asked(begun, states, [step for step in self.run.steps if not step.leg], end)
        self._tell(checks=made)
        self.findings += found

    def _tried_without_rows(self, finding: Finding) -> Finding:
        failed = next((step for step in self._running.steps if step.on_empty), None)
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
            why = self._reason(stop, stop.failed, ground, leg.schema) if trial.added(stop.failed) else None
            told = project.said(stop, self.change)
            repeat = boundary.repeat(self.build, self.options, stop.failed, self._running.steps)
            self.findings.append(failure.finding(stop, told, leg.evidence, why, self.dataset.name, repeat))
        elif missed := course.missed(final):
            self.findings.append(messages.mismatch(self.dataset.name, missed))
        return stop.failed

    def _reason(self, stop: Stop, step: Step, ground: Ground, before: Schema | None) -> Reason:
        """Why a step of the change has failed; what makes it fail is noted in its result."""
        failed = next((result for result in self._running.steps if not result.leg and result.step == step), None)
        with self.turns.beside():
            measurement = failed.measurement if failed is not None else None
            checkout = self.change.checkout.path
            why = reason(stop, measurement, ground, self.dataset.confidential, checkout, before)
        steps = (evolve(each, offences=why.offences) if each is failed else each for each in self._running.steps)
        self._tell(steps=tuple(steps))
        return why

    @property
    def _running(self) -> DatasetRun:
        assert self.run is not None, "made when the leg begins"  # noqa: S101 - for the type checker
        return self.run

    def _tell(self, **values: Any) -> None:
        self.run = evolve(self._running, **values)

    @property
    def _place(self) -> Path:
        return self.build.workspace.temporary / "datasets" / self.dataset.name

    def _write(self) -> None:
        if self.run is not None:
            text = json.dumps(cattrs.unstructure(self.run), indent=2)
            (self.evidence / "steps.json").write_text(text + "\n", "utf-8")
