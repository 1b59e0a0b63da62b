"""A whole build of a job in this process, as ``thcore run`` does it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import evolve, frozen

from thcore.config import Config
from thcore.config import load as read
from thcore.hooks import Workspace
from thcore.model import (
    Attempt,
    BuildEvent,
    BuildEventKind,
    BuildRequest,
    Change,
    ChangeKind,
    Finding,
    Outcome,
    StageName,
    Verdict,
)
from thcore.pipeline import lifecycle, workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE, state_of
from thcore.pipeline.plan import make_plans
from thcore.plugins import Plugins
from thcore.process import Interrupt, group
from thcore.process.belongings import working_for
from thcore.testing.build import BUILD, LOG_PATH, WORKER
from thcore.testing.fakes import FakeCheckout, FakeExecutor, contents
from thcore.testing.local import load, plain
from thcore.testing.repository import Repository

__all__ = ["FinishedBuild", "run_build"]

PROJECT = "example/project"
REF = "refs/changes/45/12345/2"
JOB = "job"
_FILES = {"README": "A project.\n"}
_HOOKS = {"fake_checkout": "thcore_checkout", "fake_executor": "thcore_execute"}


@frozen(eq=False)
class FinishedBuild:
    """What became of a build. Its workspace is there until the test ends."""

    outcome: Outcome
    workspace: Workspace
    events: tuple[BuildEvent, ...]

    @property
    def verdict(self) -> Verdict:
        """What it amounts to."""
        return self.outcome.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the heaviest first."""
        return self.outcome.findings

    @property
    def log(self) -> str:
        """The whole build log."""
        return self.workspace.log.read_text("utf-8", "replace")

    @property
    def files(self) -> Mapping[str, bytes]:
        """The evidence: what its publishers were given, by name; with ``result.json`` and ``console.log``."""
        return contents(self.workspace.artifacts)

    def finding(self, code: str) -> Finding:
        """The only finding with this code. Raises AssertionError, saying what was found, when there is not one."""
        found = [finding for finding in self.findings if finding.code == code]
        if len(found) != 1:
            told = "\n".join(f"{finding.code}: {finding.message}" for finding in self.findings)
            raise AssertionError(f"{len(found)} findings {code!r}; found was:\n{told or 'nothing'}\n{self.log}")
        return found[0]


def run_build(
    directory: Path,
    job: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    plugins: Mapping[str, object] | None = None,
    files: Mapping[str, str] | None = None,
    changed: Mapping[str, str] | None = None,
    change: Change | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    secrets: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    timeout: str | None = None,
    stages: Mapping[str, str] | None = None,
    cancel_at: StageName | None = None,
) -> FinishedBuild:
    """Do a whole build of a job in ``directory``, which must be empty, and have its plugins clean up after it.

    ``job`` is what stands under ``plugins`` in a job: options by the plugin's name. Plugins out of the test, objects or
    classes, are in ``plugins`` by name; others have to be installed. Those that the job does not mention have no
    options. ``settings`` and ``secrets`` are as in a configuration, ``timeout`` and ``stages`` as in a job.

    ``files`` are in the project's repository; ``changed`` are those that the change adds or replaces. With the plugin
    ``git`` there is a real repository, whose change has a ref; where no plugin does the checkout, the files are written
    to the work tree, and where none executes anything, that goes well. ``change`` says more of the change,
    ``parameters`` are the job arguments that come with the build. ``cancel_at`` cancels the build as a stage begins.

    Raises ConfigError, with all that ``thcore config check`` says.
    """
    before, after = dict(files or _FILES), dict(changed or {})
    asked = change or Change(PROJECT, ChangeKind.BRANCH, branch="main")
    local = dict(plugins or {})
    written = {name: dict((job or {}).get(name, {})) for name in dict.fromkeys((*(job or {}), *local))}
    loaded = Plugins.installed(set(written) - set(local))
    for name, plugin in local.items():
        loaded.add(name, load(plugin, name).object)
    if "git" in written and "git" not in local and "base_url" not in written["git"]:
        asked = _committed(directory / "repositories", asked, before, after)
        written["git"]["base_url"] = directory / "repositories"
    for name, fake in (("fake_checkout", FakeCheckout(files={**before, **after})), ("fake_executor", FakeExecutor())):
        if not loaded.implementing(_HOOKS[name], loaded.names):
            loaded.add(name, fake)
            written[name] = {}
    own = {"timeout": timeout, "stages": stages, "plugins": written}
    config = _read(
        directory / "thcore.yaml",
        {
            "directories": {"state": directory / "state"},
            "kill_grace": "2s",
            "secrets": secrets or {},
            "plugins": settings or {},
            "jobs": [{"name": JOB, **{key: value for key, value in own.items() if value}}],
        },
    )
    request = BuildRequest(BUILD, JOB, asked, dict(parameters or {}), LOG_PATH)
    return _run(config, loaded, request, cancel_at)


def _committed(root: Path, change: Change, files: Mapping[str, str], changed: Mapping[str, str]) -> Change:
    """Make the project's repository below ``root``; the change as it can be checked out from there."""
    repository = Repository(root / change.project, files)
    if not changed:
        return evolve(change, kind=ChangeKind.BRANCH, branch="main", commit=repository.head())
    commit = repository.change(REF, changed)
    return evolve(change, kind=ChangeKind.CHANGE, branch="main", ref=REF, commit=commit)


def _read(path: Path, content: Mapping[str, Any]) -> Config:
    """The configuration, by way of a file: messages name it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(plain(content), sort_keys=False), "utf-8")
    return read(path)


def _run(config: Config, plugins: Plugins, request: BuildRequest, cancel_at: StageName | None) -> FinishedBuild:
    plan = make_plans(config, plugins)[JOB]
    state, grace_s = config.directories.state, config.kill_grace
    surroundings = lifecycle.Surroundings(plugins, WORKER, state, config.secrets, grace_s)
    place = workspace.create(config.directories.work_path, request.id, 1)
    events: list[BuildEvent] = []
    deadline = None if plan.timeout_s is None else time.monotonic() + plan.timeout_s
    with Interrupt(deadline) as interrupt:

        def hear(event: BuildEvent) -> None:
            events.append(event)
            if cancel_at and (event.kind, event.stage) == (BuildEventKind.STAGE_STARTED, cancel_at.value):
                interrupt.cancel("cancelled by the test")

        outcome = lifecycle.run(request, 1, plan, surroundings, place, interrupt, hear)
    group.end_these(working_for(place.root, (WORKSPACE_VARIABLE, str(place.root)), None), grace_s)
    for name in plugins.implementing("thcore_cleanup", plan.plugins):
        attempt = Attempt(request.id, request.job, 1, place.root, state_of(state, name))
        plugins.cleanup(name, attempt, plan.options.get(name))
    return FinishedBuild(outcome, place, tuple(events))
