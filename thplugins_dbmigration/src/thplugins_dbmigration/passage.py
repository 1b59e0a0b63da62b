"""One dataset's way through the gate."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cattrs
from attrs import define, evolve, field, frozen

from thcore.errors import ChangeError, InfrastructureError, StoppedError
from thcore.hooks import Build
from thcore.model import DatasetRun, Finding, Location, Progress, Provision, Severity, Step
from thplugins_dbmigration import datasets, faults, messages, project, snapshots
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import Installation, Server
from thplugins_dbmigration.leg import Meter, look
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.tools.tool import Plan, Project, Stop


@frozen
class Trunk:
    """The target branch of a change, ready to run."""

    branch: str
    provision: Provision


@frozen
class _Ground:
    """What a dataset's walk stands on: a private server with a clone of the snapshot."""

    engine: str
    installation: Installation
    server: Server
    address: Address


class _Ended(Exception):  # noqa: N818 - it is no error: everything is said in a finding
    """Nothing more can be done with this dataset."""


@define
class Passage:
    """Takes one dataset through. ``done`` counts the steps of all datasets so far. Afterwards ``run`` is what happened,
    None when not even a server was there, and ``findings`` what went wrong."""

    build: Build
    options: DbmigrationOptions
    dataset: Dataset
    change: Provision
    trunk: Trunk | None
    done: int
    run: DatasetRun | None = None
    findings: list[Finding] = field(factory=list)
    total: int = 0

    @property
    def name(self) -> str:
        """The dataset's."""
        return self.dataset.name

    @property
    def evidence(self) -> Path:
        """What is published about this dataset."""
        return self.build.workspace.artifacts / "datasets" / self.name

    def go(self) -> None:
        """Do all of it. Raises only CancelledError and DeadlineError."""
        try:
            with ExitStack() as stack:
                try:
                    ground = self._ground(stack)
                except InfrastructureError as error:
                    self.findings.append(messages.seed_not_set_up(error, self.name))
                    return
                self._walk(ground)
            self._write()
        except StoppedError:
            raise
        except InfrastructureError as error:
            self._prove_nothing(error)
        except Exception as error:  # noqa: BLE001 - a broken tool or a full disk must not stop the other datasets
            self.build.log(traceback.format_exc(), source=self.name)
            told = f"The gate broke: {type(error).__name__}: {error}"
            self._prove_nothing(InfrastructureError(told, code="gate-failed"))
        finally:
            shutil.rmtree(self._place, ignore_errors=True)  # the next dataset needs the room

    def _prove_nothing(self, error: InfrastructureError) -> None:
        """What was run on a server that broke says nothing, neither for nor against the change."""
        self.findings = [messages.infrastructure(error, self.name)]
        if self.run is not None:
            self.run = evolve(self.run, steps=tuple(evolve(step, limits=()) for step in self.run.steps))

    def _ground(self, stack: ExitStack) -> _Ground:
        build, dataset = self.build, self.dataset
        build.emit(Progress(f"{self.name}: restoring", self.done, self.done))
        self.evidence.mkdir(parents=True, exist_ok=True)
        engine = engine_for(dataset.type)
        installation = engine.installation(build)
        snapshot = snapshots.prepared(build, engine, installation, dataset)
        target = self._place / "data"
        snapshots.clone(build, snapshot, target)
        server = stack.enter_context(engine.start(build, installation, target, log=self.evidence / "server.log"))
        address = server.address(dataset.database, dataset.user, dataset.password.reveal())
        return _Ground(engine.name, installation, server, address)

    @property
    def _place(self) -> Path:
        return self.build.workspace.temporary / "datasets" / self.name

    def _walk(self, ground: _Ground) -> None:
        chosen = project.choose_tool(self.build, self.options, self.dataset, self.change)
        self.run = DatasetRun(
            name=self.name,
            engine=ground.engine,
            engine_version=ground.server.version,
            fingerprint=datasets.fingerprint(self.dataset, self.build.state),
            tool=chosen.tool.name,
            version=self.dataset.version,
        )
        meter = Meter(self.build, self.dataset, ground.engine, self._started)
        try:
            self._legs(ground, chosen, meter)
        except _Ended:
            pass
        except ChangeError as error:
            self.findings.append(messages.unusable(error, self.name))
        finally:
            self.run = evolve(self.run, steps=tuple(meter.results))

    def _legs(self, ground: _Ground, chosen: project.Chosen, meter: Meter) -> None:
        older, trunk_project = self._plan_trunk(ground, chosen)
        changed = self._project(ground, self.change, "change")
        plan = look(self.build, chosen, changed)
        self.run = evolve(self._record(), start_version=_sorted(plan.current), expected_version=_sorted(plan.head))
        self._check_start(plan)
        self.total = self.done + len(plan.steps)
        ahead = {step.version for step in plan.steps}
        known = {step.version: step for step in older.steps} if older else {}
        edited = self._edited(known, plan)
        added = {version for version in ahead if version not in known} | edited
        remaining: Sequence[Step] = plan.steps
        if older is not None and trunk_project is not None and not edited:
            self._trunk_leg(chosen, meter, older, trunk_project, ahead)
            remaining = [step for step in plan.steps if step.version not in known]
        stop = meter.walk(chosen, changed, remaining, added)
        if stop.failed is not None:
            self._failed(stop, stop.failed, judged=stop.failed.version in added)
        final = chosen.tool.versions(self.build, chosen.options, changed)
        self.run = evolve(self._record(), final_version=_sorted(plan.last(final)))
        if stop.failed is None and not plan.reached(final):
            self.findings.append(messages.mismatch(self.name, _difference(plan, final)))

    def _plan_trunk(self, ground: _Ground, chosen: project.Chosen) -> tuple[Plan | None, Project | None]:
        if self.trunk is None:
            return None, None
        made = self._project(ground, self.trunk.provision, "trunk")
        with self._blaming(self.trunk):
            return look(self.build, chosen, made), made

    def _trunk_leg(self, chosen: project.Chosen, meter: Meter, older: Plan, made: Project, ahead: set[str]) -> None:
        assert self.trunk is not None, "there is a plan of it"  # noqa: S101 - for the type checker
        common = [step for step in older.steps if step.version in ahead]
        with self._blaming(self.trunk):
            stop = meter.walk(chosen, made, common, ())
            final = chosen.tool.versions(self.build, chosen.options, made)
        if stop.failed is not None:
            why = f"migration {messages.way(stop.failed)} of the branch does not end well"
            evidence = project.with_short_paths((stop.message, *stop.evidence), self.trunk.provision)
            self._end(messages.trunk_failed(self.trunk.branch, why, evidence, self.name))
        # A branch that has moved on since the change was made has newer steps, which are not this change's.
        if len(common) == len(older.steps) and not older.reached(final):
            difference = _difference(older, final)
            self._end(messages.trunk_failed(self.trunk.branch, "it does not reach its head", difference, self.name))

    @contextmanager
    def _blaming(self, trunk: Trunk) -> Iterator[None]:
        """What the target branch does wrong is not the change's fault."""
        try:
            yield
        except ChangeError as error:
            self._end(messages.trunk_unusable(trunk.branch, error, self.name))

    def _edited(self, known: dict[str, Step], plan: Plan) -> set[str]:
        """The steps that the target branch has with another content. They cannot be brought in by the branch's leg."""
        if self.trunk is None:
            return set()
        edited = [
            step
            for step in plan.steps
            if (old := known.get(step.version)) is not None
            and _content(self.trunk.provision, old) != _content(self.change, step)
        ]
        for step in edited:
            self.findings.append(
                Finding(
                    "step-edited",
                    Severity.WARNING,
                    f"The change edits migration {messages.way(step)}, which {self.trunk.branch} already has",
                    Location(step.path, None, self.name, messages.way(step)),
                    ("All steps are run as the change has them; the edited ones are judged as if they were new.",),
                    "Databases that have run it already will never see the edit; add a new migration instead.",
                )
            )
        return {step.version for step in edited}

    def _check_start(self, plan: Plan) -> None:
        wanted = frozenset(self.dataset.start)
        if wanted and plan.current != wanted:
            error = InfrastructureError(
                f"the seed is at {_listed(plan.current)}, but config.json says start: {_listed(wanted)}"
            )
            self._end(messages.seed_not_set_up(error, self.name))

    def _failed(self, stop: Stop, step: Step, *, judged: bool) -> None:
        said = (stop.message, *(line for line in stop.evidence if line != stop.message))
        evidence = project.with_short_paths(said, self.change)
        reason = faults.machine_fault(evidence)
        if reason is not None:
            finding = Finding(
                "machine-fault",
                Severity.UNVERIFIED,
                f"Migration {messages.way(step)} stopped for a reason that is not its own: {reason}",
                Location(step.path, None, self.name, messages.way(step)),
                evidence,
            )
        elif not judged:
            finding = Finding(
                "older-step-failed",
                Severity.UNVERIFIED,
                f"Migration {messages.way(step)} failed, and it is not the change's",
                Location(step.path, None, self.name, messages.way(step)),
                evidence,
                "It was run as the change has it, because the change edits another migration.",
            )
        elif stop.code == "final-version-mismatch":
            finding = messages.mismatch(self.name, evidence, step)
        else:
            finding = messages.not_ended(step, self.name, evidence, line=stop.line)
        self.findings.append(finding)

    def _project(self, ground: _Ground, provision: Provision, leg: str) -> Project:
        return project.project(
            self.build,
            self.options,
            provision,
            ground.address,
            ground.server,
            dataset=self.dataset,
            config=self._place / leg,
        )

    def _started(self, step: Step) -> None:
        self.build.emit(Progress(f"{self.name}: {messages.way(step)}", self.done, max(self.total, self.done)))
        self.done += 1

    def _record(self) -> DatasetRun:
        assert self.run is not None, "made when the walk begins"  # noqa: S101 - for the type checker
        return self.run

    def _end(self, finding: Finding) -> None:
        self.findings.append(finding)
        raise _Ended

    def _write(self) -> None:
        if self.run is not None:
            text = json.dumps(cattrs.unstructure(self.run), indent=2)
            (self.evidence / "steps.json").write_text(text + "\n", "utf-8")


def _content(provision: Provision, step: Step) -> bytes | None:
    try:
        return (provision.checkout.path / step.path).read_bytes() if step.path else None
    except OSError:
        return None


def _difference(plan: Plan, final: frozenset[str]) -> list[str]:
    lines = [f"expected: {_listed(plan.head)}", f"found: {_listed(plan.last(final))}"]
    if not plan.steps:
        lines.append(f"No migration found that leads there from {_listed(plan.current)}.")
    return lines


def _sorted(versions: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(versions))


def _listed(versions: frozenset[str]) -> str:
    return ", ".join(sorted(versions)) or "no version"
