"""``thcore run``: one build here and now, without Gearman."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from thcore.cli.arguments import change_options, config_option, json_option, read_config, zuul_arguments
from thcore.cli.attempt import attempt
from thcore.cli.outcome import show_outcome
from thcore.cli.progress import build_display
from thcore.errors import ExitCode
from thcore.gearman import zuul
from thcore.model import Verdict
from thcore.model.document import to_json
from thcore.pipeline import lifecycle
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins

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
    with (
        build_display(console, quiet=as_json) as display,
        attempt(config, plans[job], plugins, request, keep=keep) as (surroundings, workspace, interrupt),
    ):
        outcome = lifecycle.run(request, 1, plans[job], surroundings, workspace, interrupt, display.hear)
    if as_json:
        click.echo(to_json(outcome), nl=False)
    else:
        show_outcome(console, outcome)
    if keep:
        click.echo(f"Workspace: {workspace.root}", err=as_json)
    return EXIT_CODES[outcome.verdict]
