"""The object that stages are given: one attempt of one build, as the called plugin sees it."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from thcore.config import changed_options, unstructure
from thcore.errors import ConfigError, InfrastructureError
from thcore.hooks import Converse, Service, Workspace
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    BuildRequest,
    Change,
    ChangeKind,
    Checkout,
    Command,
    CommandResult,
    DatasetRun,
    Environment,
    JobHistory,
    Measurement,
    Progress,
    Provision,
    Revision,
    Secret,
    StageName,
    Step,
)
from thcore.pipeline.memo import Memo
from thcore.pipeline.plan import Plan
from thcore.pipeline.tally import Tally
from thcore.plugins import Plugins
from thcore.process import command as programs
from thcore.process import kin
from thcore.process.buildlog import BuildLog
from thcore.process.interrupt import Interrupt

Emit = Callable[[BuildEvent], None]

OptionKeys = Mapping[str, Mapping[str, Any]]
"""Keys of plugins' options by the plugin's name, as plain data."""

Recollect = Callable[[Step, DatasetRun, Change, int], tuple[Measurement, ...]]
"""What a step cost in builds before, of other changes than this one. May raise InfrastructureError."""

Remember = Callable[[str, int], JobHistory]
"""The newest attempts of a job, some at most. May raise InfrastructureError."""

_logger = logging.getLogger(__name__)

WORKSPACE_VARIABLE = "THCORE_WORKSPACE"
"""In the environment of every program of a build: the root of its attempt's workspace. Whatever a program starts
inherits it, so that a worker recognises what an earlier one left running, whoever its parent is by then."""


def nothing(_step: Step, _run: DatasetRun, _change: Change, _limit: int) -> tuple[Measurement, ...]:
    """The past of who has none."""
    return ()


def nobody(job: str, _limit: int) -> JobHistory:
    """The builds before of who remembers none."""
    return JobHistory(job)


@frozen(eq=False)
class StageBuild:
    """Implements ``thcore.hooks.Build``. Views of one attempt (per plugin, stage, provision and part) share log, plan,
    and what they have worked out."""

    request: BuildRequest
    attempt: int
    change: Change
    workspace: Workspace
    plan: Plan
    plugins: Plugins
    state_root: Path
    secrets: Mapping[str, Secret]
    build_log: BuildLog
    interrupt: Interrupt
    emit_event: Emit
    grace_s: float = 10.0
    recollect: Recollect = nothing
    remember: Remember = nobody
    plugin: str = ""
    stage: StageName | None = None
    provisions: Memo[tuple[Revision, str], Provision] = field(factory=Memo)
    commits: Memo[Revision, str] = field(factory=Memo)
    preparations: Memo[str, str] = field(factory=Memo)
    tally: Tally = field(factory=Tally)
    programs: Iterator[int] = field(factory=itertools.count)
    """Tells the programs of the build apart."""
    number: int | None = None
    name: str = ""
    """Number and name of the part that this view is of, if it is of one."""

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def job(self) -> str:
        return self.request.job

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.request.parameters

    @property
    def log_path(self) -> str:
        return self.request.log_path

    @property
    def settings(self) -> Any:
        return self.plan.settings.get(self.plugin)

    @property
    def options(self) -> Any:
        """The called plugin's options for this job."""
        return self.plan.options.get(self.plugin)

    @property
    def state(self) -> Path:
        path = state_of(self.state_root, self.plugin)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def view(self, plugin: str, stage: StageName | None = None) -> StageBuild:
        """The same attempt as another plugin sees it."""
        return evolve(self, plugin=plugin, stage=stage or self.stage)

    def remaining_s(self) -> float | None:
        return self.interrupt.remaining_s()

    def check(self) -> None:
        self.interrupt.check()

    def run(
        self, command: Command, *, environment: Environment | None = None, converse: Converse | None = None
    ) -> CommandResult:
        prepared = self._prepared(command, environment)
        return programs.run(prepared, self.build_log, self.interrupt, grace_s=self.grace_s, converse=converse)

    def service(
        self, command: Command, *, log: Path, environment: Environment | None = None
    ) -> AbstractContextManager[Service]:
        prepared = self._prepared(command, environment)
        return programs.service(prepared, self.interrupt, log=log, grace_s=self.grace_s)

    def _prepared(self, command: Command, environment: Environment | None) -> Command:
        base = base_environment(self.workspace)
        placed = evolve(command, env={"PATH": base["PATH"], **command.env}, cwd=command.cwd or self.workspace.root)
        inside = (environment or Environment()).inside(evolve(placed, source=self._source(placed.source)))
        prepared = evolve(inside, env={**base, **inside.env, kin.MARK: f"{self.id} {next(self.programs)}"})
        for name in self.plugins.implementing("thcore_wrap_command", self.plan.plugins):
            prepared = self.plugins.wrap_command(name, self.view(name), self.plan.options.get(name), prepared)
        return prepared

    def provision(self, revision: Revision, *, options: OptionKeys | None = None) -> Provision:
        given, key = _given(options)
        return self.provisions.get((revision, key), lambda: self._provision(revision, given))

    def resolve(self, revision: Revision) -> str:
        return self.commits.get(revision, lambda: self._resolve(revision))

    def preparation(self, *, options: OptionKeys | None = None) -> str:
        given, key = _given(options)
        return self.preparations.get(key, lambda: self._preparation(given))

    def _preparation(self, given: OptionKeys) -> str:
        all_options = {**self.plan.options, **self._changed(None, given)}
        versions = {info.name: info.version for info in self.plan.infos}
        used = []
        names = (*self.plan.stages[StageName.CHECKOUT], *self.plan.stages[StageName.ENVIRONMENT])
        for name in dict.fromkeys(names):
            options = all_options.get(name)
            stands_for = self.plugins.stands_for(name, self.view(name), options)
            used.append([name, versions.get(name), unstructure(options), unstructure(stands_for)])
        return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()[:32]

    def _provision(self, revision: Revision, given: OptionKeys) -> Provision:
        plan = evolve(self.plan, options={**self.plan.options, **self._changed(revision, given)})
        self.log(f"provisioning {revision}")
        change = change_of(self.request.change, revision)
        place = evolve(self._elsewhere(change), plan=plan)
        # Whoever fetches in another way may get another commit for the same name.
        usual = not any(name in given for name in self.plan.stages[StageName.CHECKOUT])
        source = self._agreed(revision, place) if usual else checkout(place)
        return Provision(source, environment(place, source))

    def _agreed(self, revision: Revision, place: StageBuild) -> Checkout:
        """Check out the commit that the revision means in this attempt; the first to do so finds out which that is."""
        first: list[Checkout] = []

        def commit() -> str:
            first.append(checkout(place))
            return first[0].commit

        known = self.commits.get(revision, commit)
        return first[0] if first else checkout(evolve(place, change=evolve(place.change, commit=known)))

    def _resolve(self, revision: Revision) -> str:
        change = change_of(self.request.change, revision)
        (name,) = self.plan.stages[StageName.CHECKOUT]
        commit = self.plugins.resolve(name, evolve(self, change=change).view(name), self.plan.options.get(name))
        return commit or checkout(self._elsewhere(change)).commit

    def _changed(self, revision: Revision | None, given: OptionKeys) -> Mapping[str, Any]:
        """The options of the plugins that are given others for a revision."""
        where, changed = f"options of {revision or 'another revision'}", {}
        problems: list[str] = []
        for name, keys in given.items():
            if name not in self.plan.plugins:
                known = ", ".join(self.plan.plugins)
                problems.append(f"{where}: {name}: the job has no such plugin; it has {known}")
                continue
            try:
                changed[name] = changed_options(self.plan.options.get(name), keys, f"{where}: {name}")
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise InfrastructureError("; ".join(problems), code="options-invalid")
        return changed

    def _elsewhere(self, change: Change) -> StageBuild:
        """The same attempt with another change, in a workspace of its own."""
        try:
            workspace = Workspace(_numbered(self.workspace.root / "provisions"))
            workspace.artifacts.mkdir()
            workspace.temporary.mkdir()
        except OSError as error:
            raise InfrastructureError(
                f"cannot make room for another revision in {workspace.root}: {error.strerror}",
                code="workspace-not-made",
            ) from error
        return evolve(self, workspace=workspace, change=change)

    def past(self, step: Step, run: DatasetRun, *, limit: int = 100) -> tuple[Measurement, ...]:
        self.check()
        try:
            return self.recollect(step, run, self.request.change, limit)
        except InfrastructureError as error:
            self.log(f"what {step} cost before is not known: {error}")
            return ()

    def recent(self, *, limit: int = 50) -> JobHistory:
        self.check()
        try:
            return self.remember(self.job, limit)
        except InfrastructureError as error:
            self.log(f"what became of this job before is not known: {error}")
            return JobHistory(self.job)

    @contextmanager
    def part(self, name: str = "") -> Iterator[StageBuild]:
        with self.tally.part() as number:
            yield evolve(self, number=number, name=name)

    def emit(self, progress: Progress) -> None:
        with self.tally.lock:
            told = progress if self.number is None else self.tally.added(self.number, progress)
            self.tell(BuildEventKind.PROGRESS, told.message, told.done, told.total)

    def tell(self, kind: BuildEventKind, detail: str = "", done: int = 0, total: int = 0) -> None:
        """Send an event about this build to whoever listens."""
        stage = self.stage.value if self.stage else None
        now = datetime.datetime.now(datetime.UTC)
        try:
            with self.tally.lock:  # whoever listens need not know of threads
                self.emit_event(BuildEvent(kind, self.id, self.job, self.attempt, now, stage, detail, done, total))
        except Exception:  # an event can never affect a build
            _logger.exception("build %s: an event was lost", self.id)

    def log(self, message: str, *, source: str = "thcore") -> None:
        self.build_log.write(message, self._source(source))

    def _source(self, source: str) -> str:
        return source if self.name in {"", source} else f"{self.name}:{source}"


def _given(options: OptionKeys | None) -> tuple[OptionKeys, str]:
    """The keys that there are, and a text that is the same for the same ones."""
    given = {name: keys for name, keys in (options or {}).items() if keys != {}}
    return given, json.dumps(given, sort_keys=True, default=str)


def _numbered(place: Path) -> Path:
    """A new directory in ``place``; those of earlier ones may be there, and other threads may want one as well."""
    place.mkdir(exist_ok=True)
    for number in itertools.count(len(list(place.iterdir())) + 1):
        with contextlib.suppress(FileExistsError):
            (place / str(number)).mkdir()
            break
    return place / str(number)


def checkout(build: StageBuild) -> Checkout:
    """Run the checkout stage's plugin for a build or a provision of it."""
    (name,) = build.plan.stages[StageName.CHECKOUT]
    return build.plugins.checkout(name, build.view(name), build.plan.options.get(name))


def environment(build: StageBuild, source: Checkout) -> Environment:
    """Run the environment stage's plugin; without one, programs see only the base environment."""
    for name in build.plan.stages[StageName.ENVIRONMENT]:
        return build.plugins.environment(name, build.view(name), build.plan.options.get(name), source)
    return Environment()


def change_of(change: Change, revision: Revision) -> Change:
    """Another revision of a change's project, as the checkout plugin is asked for it."""
    base = Change(change.project, ChangeKind.BRANCH, source=change.source)
    if revision.branch is not None:
        return evolve(base, branch=revision.branch)
    if revision.tag is not None:
        return evolve(base, kind=ChangeKind.TAG, ref=f"refs/tags/{revision.tag}")
    return evolve(base, kind=ChangeKind.REF_UPDATED, commit=revision.commit)


def base_environment(workspace: Workspace) -> dict[str, str]:
    """What every program finds in its environment, whoever starts it: nothing of the worker's but its PATH."""
    home = workspace.temporary / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(workspace.temporary),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        WORKSPACE_VARIABLE: str(workspace.root),
    }


def state_of(state_root: Path, plugin: str) -> Path:
    """The directory that a plugin keeps between builds."""
    return state_root / "plugins" / plugin
