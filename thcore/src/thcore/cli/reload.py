"""``thcore reload``: the worker of this machine reads its configuration again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from thcore.cli.arguments import config_option, read_config
from thcore.cli.terminal import printable
from thcore.errors import ExitCode, InfrastructureError
from thcore.monitoring import door
from thcore.monitoring.status import Reading, Status
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins

PATIENCE_S = 120.0
"""Above what a worker gives the process that loads the plugins."""
EVERY_S = 0.1


@click.command(short_help="Have the worker take a changed configuration and new plugins.")
@config_option
def reload(config_file: Path | None) -> ExitCode:
    """Have the worker of this machine read its configuration again, and find plugins that were installed meanwhile.

    What is wrong with it is told here, and the worker is left alone. Builds that run go on as they began; those that
    begin once this command has ended are done as the file says now.

    \b
    Example: thcore reload -c /etc/thcore/config.yaml
    """
    config = read_config(config_file)
    jobs = len(make_plans(config, Plugins.installed(used_plugins(config))))
    state = config.directories.state
    try:
        taken = _taken(state)
    except InfrastructureError as error:
        click.secho(printable(str(error)), fg="red", err=True)
        return ExitCode.UNAVAILABLE
    if not taken:
        click.secho("The worker has not taken it and goes on as before; its log says why.", fg="red", err=True)
        return ExitCode.CONFIG
    click.echo(f"The worker has taken it: {jobs} job{'s' if jobs != 1 else ''}.")
    return ExitCode.SUCCESS


def _taken(state: Path) -> bool:
    """Ask the worker, and wait for what becomes of it. Raises InfrastructureError when there is no answer."""
    before = _reading(door.ask(state))
    process = door.process(state)
    try:
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise InfrastructureError(f"the worker, process {process}, cannot be told: {error.strerror}") from error
    horizon = time.monotonic() + PATIENCE_S
    while (now := _reading(door.ask(state))) == before:
        if time.monotonic() > horizon:
            raise InfrastructureError(f"the worker, process {process}, does not say that it is done; look at its log")
        time.sleep(EVERY_S)
    return now.taken


def _reading(status: Status) -> Reading:
    if status.ends:
        raise InfrastructureError(f"the worker, process {status.pid}, is {status.phase.value}: it takes nothing new")
    if status.reading is None:
        older = f"the worker is thcore {status.worker.version}, which does not say what it has read"
        raise InfrastructureError(f"{older}; send SIGHUP to process {status.pid}, or start it again")
    return status.reading
