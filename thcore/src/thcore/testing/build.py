"""A real build, for calling one hook by hand, and a whole job in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.hooks import Workspace, scatter
from thcore.model import (
    BuildEvent,
    BuildRequest,
    Change,
    ChangeKind,
    Outcome,
    Provision,
    Revision,
    Secret,
    StageName,
    WorkerInfo,
)
from thcore.pipeline import lifecycle
from thcore.pipeline.build import OptionKeys, Recollect, Remember, StageBuild, nobody, nothing
from thcore.pipeline.live import Pace
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.process.buildlog import BuildLog
from thcore.process.interrupt import Interrupt

WORKER = WorkerInfo(name="test", hostname="localhost", version="0")
BUILD = "b0000000000000000000000000000001"
LOG_PATH = "45/12345/2/check/job/b000000"
"""What a build is called where a test does not say, and where its evidence goes."""


@frozen(eq=False)
class ProvidedBuild(StageBuild):
    """A build whose ``provision``, ``resolve`` and ``preparation`` are answered by the test, when it says how."""

    provide: Callable[..., Provision] | None = None
    commit_of: Callable[[Revision], str] | None = None

    def provision(self, revision: Revision, *, options: OptionKeys | None = None) -> Provision:
        if self.provide is None:
            return super().provision(revision, options=options)
        return self.provide(revision, options=options) if options else self.provide(revision)

    def resolve(self, revision: Revision) -> str:
        if self.commit_of is not None:
            return self.commit_of(revision)
        return self.provision(revision).checkout.commit if self.provide else super().resolve(revision)

    def preparation(self, *, options: OptionKeys | None = None) -> str:
        if self.provide is None:
            return super().preparation(options=options)
        return json.dumps(options or {}, sort_keys=True, default=str)


@contextmanager
def make_build(
    directory: Path,
    *,
    change: Change | None = None,
    job: str = "job",
    build_id: str = BUILD,
    attempt: int = 1,
    parameters: Mapping[str, str] | None = None,
    log_path: str = LOG_PATH,
    settings: Any = None,
    secrets: Mapping[str, Secret] | None = None,
    timeout_s: float | None = None,
    interrupt: Interrupt | None = None,
    provide: Callable[..., Provision] | None = None,
    resolve: Callable[[Revision], str] | None = None,
    events: list[BuildEvent] | None = None,
    state: Path | None = None,
    grace_s: float = 2.0,
    recollect: Recollect = nothing,
    remember: Remember = nobody,
) -> Iterator[ProvidedBuild]:
    """A real build in ``directory`` (a test's ``tmp_path``): its programs run, its log is written.

    ``settings`` is what ``build.settings`` answers. ``interrupt`` lets a test cancel the build. ``provide`` answers
    ``build.provision``, and ``build.resolve`` by the commit of that; it is called with the revision, and with
    ``options`` where there are any; ``resolve`` answers ``build.resolve`` instead. ``recollect`` answers
    ``build.past``: it is called with step, run, change and limit; ``remember`` answers ``build.recent``: it is called
    with job and limit. Events are appended to ``events``.
    Builds that are given the same ``state`` share the directory that the plugin keeps between builds.
    """
    workspace = Workspace(directory / f"workspace-{build_id}-{attempt}")
    directory.mkdir(parents=True, exist_ok=True)
    scatter(directory)  # as a worker does where its workspaces are
    workspace.artifacts.mkdir(parents=True, exist_ok=True)
    workspace.temporary.mkdir(exist_ok=True)
    asked = change or Change("example/project", ChangeKind.BRANCH, branch="main")
    request = BuildRequest(build_id, job, asked, dict(parameters or {}), log_path)
    plan = Plan(job, (), dict.fromkeys(StageName, ()), {}, {"": settings})
    ends = interrupt or Interrupt(deadline=None if timeout_s is None else _deadline(timeout_s))
    revealed = [secret.reveal() for secret in (secrets or {}).values()]
    try:
        with BuildLog(workspace.log, secrets=revealed) as log:
            yield ProvidedBuild(
                request,
                attempt,
                asked,
                workspace,
                plan,
                Plugins(),
                state or directory / "state",
                secrets or {},
                log,
                ends,
                (events if events is not None else []).append,
                grace_s,
                recollect,
                remember,
                provide=provide,
                commit_of=resolve,
            )
    finally:
        if interrupt is None:
            ends.close()


def run_job(
    directory: Path,
    plugins: Mapping[str, object],
    *,
    stages: Mapping[StageName, tuple[str, ...]] | None = None,
    options: Mapping[str, Any] | None = None,
    change: Change | None = None,
    timeout_s: float | None = None,
    events: list[BuildEvent] | None = None,
    interrupt: Interrupt | None = None,
    pace: Pace | None = None,
) -> tuple[Outcome, Workspace]:
    """Run a whole job of the given plugin objects in this process; answers its outcome and its workspace.

    ``stages`` says who does which stage; without it, every plugin does what it implements. ``pace`` says how often
    the page of the running build is put up.
    """
    loaded = Plugins()
    for name, plugin in plugins.items():
        if not loaded.add(name, plugin):
            raise ValueError(str(loaded.problems[-1]))
    able = {stage: loaded.implementing(f"thcore_{stage.value}", plugins) for stage in StageName}
    plan = Plan(
        "job",
        tuple(plugins),
        {**able, **(stages or {})},
        dict(options or {}),
        {},
        tuple(loaded.get(name).info for name in plugins),
        timeout_s,
    )
    workspace = Workspace(directory / "workspace")
    workspace.artifacts.mkdir(parents=True)
    workspace.temporary.mkdir()
    asked = change or Change("example/project", ChangeKind.BRANCH, branch="main")
    request = BuildRequest(BUILD, "job", asked, {}, LOG_PATH)
    surroundings = lifecycle.Surroundings(loaded, WORKER, directory / "state", grace_s=2.0, pace=pace or Pace())
    ends = interrupt or Interrupt(deadline=None if timeout_s is None else _deadline(timeout_s))
    try:
        told = events if events is not None else []
        outcome = lifecycle.run(request, 1, plan, surroundings, workspace, ends, told.append)
    finally:
        if interrupt is None:
            ends.close()
    return outcome, workspace


def _deadline(timeout_s: float) -> float:
    return time.monotonic() + timeout_s
