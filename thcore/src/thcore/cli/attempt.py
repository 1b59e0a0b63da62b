"""An attempt of a build in this process, without a worker.

::

    run/NAME/           its workspace
    run/NAME.owner      which build and job it is of; locked as long as this process lives
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from thcore import __version__
from thcore.builtin.lock import locked, locked_if_free
from thcore.cli.terminal import printable
from thcore.config.schema import Config
from thcore.history.recollection import Recollection
from thcore.hooks import Workspace
from thcore.model import Attempt, BuildRequest, WorkerInfo
from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE, state_of
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.process import group, kin
from thcore.process.belongings import working_for
from thcore.process.interrupt import Interrupt


@contextmanager
def attempt(
    config: Config, plan: Plan, plugins: Plugins, request: BuildRequest, *, keep: bool = False
) -> Iterator[tuple[Surroundings, Workspace, Interrupt]]:
    """The ground of a build of ``plan``'s job: what it needs to know, its workspace, and what tells it to end.

    SIGINT and SIGTERM cancel it. Leaving ends all programs that are left, puts away what plugins left, and removes the
    workspace, unless it is to be kept. What an earlier one has left that was killed is put away first.
    """
    host = socket.gethostname()
    worker = WorkerInfo(name=f"{host}-run", hostname=host, version=__version__)
    past = Recollection(config)
    state, secrets = config.directories.state, config.secrets
    surroundings = Surroundings(plugins, worker, state, secrets, config.kill_grace, past, past.job)
    # A worker that serves from the same state directory removes unknown workspaces when it starts.
    runs = config.directories.work_path.with_name("run")
    _put_away_abandoned(runs, surroundings)
    place = workspace.create(runs, request.id, 1)
    kin.become_subreaper()
    theirs = kin.children()
    deadline = None if plan.timeout_s is None else time.monotonic() + plan.timeout_s
    with _owned(place, request), Interrupt(deadline=deadline) as interrupt:
        before = {
            number: signal.signal(number, lambda received, _frame: interrupt.cancel(signal.Signals(received).name))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield surroundings, place, interrupt
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            group.end_these(kin.adopted(theirs), config.kill_grace)
            _put_away(surroundings, request.id, request.job, place.root, plan=plan, keep=keep)


@contextmanager
def _owned(place: Workspace, request: BuildRequest) -> Iterator[None]:
    owner = place.root.with_name(f"{place.root.name}.owner")
    with locked(owner, lambda: None):
        owner.write_text(json.dumps([request.id, request.job]), "utf-8")
        try:
            yield
        finally:
            owner.unlink()


def _put_away_abandoned(runs: Path, surroundings: Surroundings) -> None:
    """Put away what killed processes have left. Those that live hold their locks."""
    for owner in runs.glob("*.owner"):
        root = owner.with_suffix("")
        # Another account's are left to it.
        with contextlib.suppress(PermissionError, IsADirectoryError), locked_if_free(owner) as held:
            if not held:
                continue
            group.end_these(working_for(root, (WORKSPACE_VARIABLE, str(root)), None), surroundings.grace_s)
            try:
                build, job = json.loads(owner.read_text("utf-8"))
            except ValueError:  # killed before it began
                workspace.remove(root)
            else:
                _put_away(surroundings, build, job, root)
            owner.unlink()


def _put_away(
    surroundings: Surroundings, build: str, job: str, root: Path, *, plan: Plan | None = None, keep: bool = False
) -> None:
    """Have the plugins put away what they have of a build, all of them where its plan is not known any more, and
    remove its workspace."""
    plugins = surroundings.plugins
    for name in plugins.implementing("thcore_cleanup", plan.plugins if plan else None):
        ended = Attempt(build, job, 1, root, state_of(surroundings.state, name))
        try:
            plugins.cleanup(name, ended, plan.options.get(name) if plan else None)
        except Exception as error:  # noqa: BLE001 - the build has its outcome; what stays behind is only told
            click.echo(f"Warning: {printable(str(error))}", err=True)
    if not keep and not workspace.remove(root):
        click.echo(f"Warning: could not remove {root}", err=True)
