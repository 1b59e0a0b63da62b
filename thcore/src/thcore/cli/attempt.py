"""An attempt of a build in this process, without a worker."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from thcore import __version__
from thcore.cli.terminal import printable
from thcore.config.schema import Config
from thcore.hooks import Workspace
from thcore.model import Attempt, BuildRequest, WorkerInfo
from thcore.pipeline import workspace
from thcore.pipeline.build import state_of
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.process import group, kin
from thcore.process.interrupt import Interrupt


@contextmanager
def attempt(
    config: Config, plan: Plan, plugins: Plugins, request: BuildRequest, *, keep: bool = False
) -> Iterator[tuple[Surroundings, Workspace, Interrupt]]:
    """The ground of a build of ``plan``'s job: what it needs to know, its workspace, and what tells it to end.

    SIGINT and SIGTERM cancel it. Leaving ends all programs that are left, puts away what plugins left, and removes the
    workspace, unless it is to be kept.
    """
    host = socket.gethostname()
    worker = WorkerInfo(name=f"{host}-run", hostname=host, version=__version__)
    surroundings = Surroundings(plugins, worker, config.directories.state, config.secrets, config.kill_grace)
    # A worker that serves from the same state directory removes unknown workspaces when it starts.
    place = workspace.create(config.directories.work_path.with_name("run"), request.id, 1)
    kin.become_subreaper()
    theirs = kin.children()
    deadline = None if plan.timeout_s is None else time.monotonic() + plan.timeout_s
    with Interrupt(deadline=deadline) as interrupt:
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
            _put_away(plan, plugins, surroundings, request, place, keep=keep)


def _put_away(
    plan: Plan, plugins: Plugins, surroundings: Surroundings, request: BuildRequest, place: Workspace, *, keep: bool
) -> None:
    for name in plugins.implementing("thcore_cleanup", plan.plugins):
        ended = Attempt(request.id, request.job, 1, place.root, state_of(surroundings.state, name))
        try:
            plugins.cleanup(name, ended, plan.options.get(name))
        except Exception as error:  # noqa: BLE001 - the build has its outcome; what stays behind is only told
            click.echo(f"Warning: {printable(str(error))}", err=True)
    if not keep and not workspace.remove(place.root):
        click.echo(f"Warning: could not remove {place.root}", err=True)
