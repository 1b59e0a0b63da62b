"""``thcore run``: one build here and now, without Gearman."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
import uuid
from pathlib import Path

import click
from rich.console import Console

from thcore import __version__
from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.progress import build_display, show_outcome
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
from thcore.process import group
from thcore.process.interrupt import Interrupt

EXIT_CODES = {
    Verdict.SUCCESS: ExitCode.SUCCESS,
    Verdict.FAILURE: ExitCode.FAILURE,
    Verdict.UNVERIFIED: ExitCode.UNVERIFIED,
    Verdict.CANCELLED: ExitCode.CANCELLED,
}


@click.command()
@click.argument("job")
@click.option("--project", required=True, help="The project, as Zuul names it: example/shop.")
@click.option("--branch", help="Target branch of the change; alone, its tip is tested.")
@click.option("--ref", help="What to fetch: refs/changes/45/12345/2, refs/tags/1.0.")
@click.option("--commit", help="The commit to end at, 40 hexadecimal digits.")
@click.option("--source", help="Base URL or directory to fetch the ref from; default: the job's origin.")
@click.option("--keep", is_flag=True, help="Keep the workspace, and say where it is.")
@config_option
@json_option
def run(
    job: str,
    project: str,
    branch: str | None,
    ref: str | None,
    commit: str | None,
    source: str | None,
    config_file: Path | None,
    *,
    keep: bool,
    as_json: bool,
) -> ExitCode:
    """Do one build of JOB here, without Gearman, and exit by its verdict.

    \b
    Example: thcore run gate-shop --project example/shop --branch main --ref refs/changes/45/12345/2
    """
    config = read_config(config_file)
    plugins = Plugins.installed(used_plugins(config))
    plans = make_plans(config, plugins)
    if job not in plans:
        raise click.UsageError(f"no job {job!r} in the configuration; it has {', '.join(plans) or 'none'}")
    unique = uuid.uuid4().hex
    arguments = zuul_arguments(job, unique, project, branch, ref, commit, source)
    request = zuul.parse(f"build:{job}", unique, json.dumps(arguments).encode())
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


def zuul_arguments(
    job: str, unique: str, project: str, branch: str | None, ref: str | None, commit: str | None, source: str | None
) -> dict[str, str]:
    """The arguments that Zuul would send for this build. Raises click.UsageError when they do not say what to test."""
    given = {
        "ZUUL_UUID": unique,
        "ZUUL_PROJECT": project,
        "ZUUL_PIPELINE": "run",
        "LOG_PATH": f"run/{job}/{unique[:7]}",
    }
    given |= {"ZUUL_URL": source} if source else {}
    given |= {"ZUUL_BRANCH": branch} if branch else {}
    if ref:
        return given | {"ZUUL_REF": ref} | ({"ZUUL_COMMIT": commit} if commit else {})
    if not branch:
        raise click.UsageError("say what to test: --branch, --ref, or --branch with --commit")
    return given | ({"ZUUL_REF": branch, "ZUUL_NEWREV": commit} if commit else {})


def _build(
    config: Config, plan: Plan, plugins: Plugins, request: BuildRequest, emit: Emit, *, keep: bool
) -> tuple[Outcome, Path]:
    host = socket.gethostname()
    worker = WorkerInfo(name=f"{host}-run", hostname=host, version=__version__)
    surroundings = Surroundings(plugins, worker, config.directories.state, config.secrets, config.kill_grace)
    work = config.directories.work or config.directories.state / "work"
    # A worker that serves from the same state directory removes unknown workspaces when it starts.
    place = workspace.create(work.with_name("run"), request.id, 1)
    group.become_subreaper()
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
            _put_away(plan, plugins, surroundings, request, place, keep=keep)
    return outcome, place.root


def _put_away(
    plan: Plan, plugins: Plugins, surroundings: Surroundings, request: BuildRequest, place: Workspace, *, keep: bool
) -> None:
    for name in plugins.implementing("thcore_cleanup", plan.plugins):
        attempt = Attempt(request.id, request.job, 1, place.root, state_of(surroundings.state, name))
        plugins.cleanup(name, attempt, plan.options.get(name))
    if not keep:
        shutil.rmtree(place.root, ignore_errors=True)
