"""``thcore run``: one build here and now, without Gearman."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from thcore import __version__
from thcore.cli.arguments import change_options, config_option, json_option, read_config, zuul_arguments
from thcore.cli.progress import build_display, show_outcome
from thcore.cli.terminal import printable
from thcore.config.schema import Config
from thcore.errors import ExitCode
from thcore.gearman import zuul
from thcore.hooks import Workspace
from thcore.model import Attempt, BuildRequest, Outcome, Verdict, WorkerInfo
from thcore.model.document import to_json
from thcore.pipeline import lifecycle, workspace
from thcore.pipeline.build import Emit, state_of
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.process import group, kin
from thcore.process.interrupt import Interrupt

EXIT_CODES = {
    Verdict.SUCCESS: ExitCode.SUCCESS,
    Verdict.FAILURE: ExitCode.FAILURE,
    Verdict.UNVERIFIED: ExitCode.UNVERIFIED,
    Verdict.CANCELLED: ExitCode.CANCELLED,
}


@click.command(short_help="Do one build here, without Gearman.")
@click.argument("job")
@change_options
@click.option("--keep", is_flag=True, help="Keep the workspace, and say where it is.")
@config_option
@json_option
def run(job: str, config_file: Path | None, *, keep: bool, as_json: bool, **change: Any) -> ExitCode:
    """Do one build of JOB here, without Gearman, and exit by its verdict.

    \b
    Example: thcore run gate-shop --project example/shop --branch main \\
               --ref refs/changes/45/12345/2
    """
    config = read_config(config_file)
    plugins = Plugins.installed(used_plugins(config))
    plans = make_plans(config, plugins)
    if job not in plans:
        raise click.UsageError(f"no job {job!r} in the configuration; it has {', '.join(plans) or 'none'}")
    arguments = zuul_arguments(job, "run", **change)
    request = zuul.parse(f"build:{job}", arguments["ZUUL_UUID"], json.dumps(arguments).encode())
    console = Console(stderr=as_json)
    with build_display(console, quiet=as_json) as display:
        outcome, root = _build(config, plans[job], plugins, request, display.hear, keep=keep)
    if as_json:
        click.echo(to_json(outcome), nl=False)
    else:
        show_outcome(console, outcome)
    if keep:
        click.echo(f"Workspace: {root}", err=as_json)
    return EXIT_CODES[outcome.verdict]


def _build(
    config: Config, plan: Plan, plugins: Plugins, request: BuildRequest, emit: Emit, *, keep: bool
) -> tuple[Outcome, Path]:
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
            outcome = lifecycle.run(request, 1, plan, surroundings, place, interrupt, emit)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            group.end_these(kin.adopted(theirs), config.kill_grace)
            _put_away(plan, plugins, surroundings, request, place, keep=keep)
    return outcome, place.root


def _put_away(
    plan: Plan, plugins: Plugins, surroundings: Surroundings, request: BuildRequest, place: Workspace, *, keep: bool
) -> None:
    for name in plugins.implementing("thcore_cleanup", plan.plugins):
        attempt = Attempt(request.id, request.job, 1, place.root, state_of(surroundings.state, name))
        try:
            plugins.cleanup(name, attempt, plan.options.get(name))
        except Exception as error:  # noqa: BLE001 - the build has its outcome; what stays behind is only told
            click.echo(f"Warning: {printable(str(error))}", err=True)
    if not keep and not workspace.remove(place.root):
        click.echo(f"Warning: could not remove {place.root}", err=True)
