"""``thcore run``: one build here and now, without Gearman."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from attrs import evolve
from rich.console import Console

from thcore.cli.arguments import change_options, config_option, json_option, read_config, zuul_arguments
from thcore.cli.attempt import attempt
from thcore.cli.outcome import show_outcome
from thcore.cli.progress import build_display
from thcore.config import written_option
from thcore.errors import ConfigError, ExitCode
from thcore.gearman import zuul
from thcore.model import Verdict
from thcore.model.document import to_json
from thcore.pipeline import lifecycle
from thcore.pipeline.plan import Plan, make_plans, used_plugins
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
@click.option(
    "--option",
    "given",
    multiple=True,
    metavar="PLUGIN.OPTION=VALUE",
    help="An option of one of the job's plugins, for this build. May be repeated.",
)
@click.option("--keep", is_flag=True, help="Keep the workspace, and say where it is.")
@config_option
@json_option
def run(
    job: str, config_file: Path | None, *, given: tuple[str, ...], keep: bool, as_json: bool, **change: Any
) -> ExitCode:
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
    plan = _having(plans[job], given)
    arguments = zuul_arguments(job, "run", **change)
    request = zuul.parse(f"build:{job}", arguments["ZUUL_UUID"], json.dumps(arguments).encode())
    console = Console(stderr=as_json)
    with (
        build_display(console, quiet=as_json) as display,
        attempt(config, plan, plugins, request, keep=keep) as (surroundings, workspace, interrupt),
    ):
        outcome = lifecycle.run(request, 1, plan, surroundings, workspace, interrupt, display.hear)
    if as_json:
        click.echo(to_json(outcome), nl=False)
    else:
        show_outcome(console, outcome)
    if keep:
        click.echo(f"Workspace: {workspace.root}", err=as_json)
    return EXIT_CODES[outcome.verdict]


def _having(plan: Plan, given: Iterable[str]) -> Plan:
    """The plan with the options that the command line gives. Raises click.UsageError."""
    options = dict(plan.options)
    for written in given:
        name, is_given, value = written.partition("=")
        plugin, _, option = name.partition(".")
        try:
            written.encode()
        except UnicodeEncodeError as error:  # what the shell gave is kept as halves of characters
            raise click.BadParameter(
                f"what is written for {name!r} is not UTF-8 text", param_hint="--option"
            ) from error
        if not (option and is_given):
            raise click.BadParameter(f"{written!r} is not PLUGIN.OPTION=VALUE", param_hint="--option")
        if plugin not in options:
            raise click.BadParameter(
                f"the job has no plugin {plugin!r}; it has {', '.join(options)}", param_hint="--option"
            )
        try:
            options[plugin] = written_option(options[plugin], option, value, f"--option: {plugin}")
        except ConfigError as error:
            raise click.UsageError("; ".join(error.problems)) from error
    return evolve(plan, options=options)
