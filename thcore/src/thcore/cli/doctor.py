"""``thcore doctor``: could this machine do what its configuration asks for?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from cattrs.preconf.json import make_converter
from rich.console import Console

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.terminal import plain
from thcore.config import Config, plugin_settings
from thcore.errors import ExitCode, PluginError
from thcore.model import Finding, Severity
from thcore.pipeline.build import state_of
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins

_MARKS = {
    Severity.INFO: "[green]ok[/green]      ",
    Severity.WARNING: "[yellow]warning[/yellow] ",
    Severity.UNVERIFIED: "[red]broken[/red]  ",
    Severity.FAILURE: "[red]broken[/red]  ",
}


@click.command(short_help="Run the health checks of every configured plugin.")
@config_option
@json_option
def doctor(config_file: Path | None, *, as_json: bool) -> int:
    """Run the health checks of every configured plugin; each problem comes with its remedy.

    \b
    Example: thcore doctor -c /etc/thcore/config.yaml
    """
    config = read_config(config_file)
    plugins = Plugins.installed(used_plugins(config))
    plans = make_plans(config, plugins)  # what is wrong with the configuration itself comes first
    names = plugins.implementing("thcore_health")
    findings = [finding for name in names for finding in _check(config, plugins, plans.values(), name)]
    if as_json:
        click.echo(json.dumps(make_converter().unstructure(findings, list[Finding]), indent=2))
    else:
        _show(findings)
    broken = any(finding.severity in {Severity.UNVERIFIED, Severity.FAILURE} for finding in findings)
    return ExitCode.CONFIG if broken else ExitCode.SUCCESS


def _check(config: Config, plugins: Plugins, plans: Iterable[Plan], name: str) -> tuple[Finding, ...]:
    settings = plugin_settings(config, name, plugins.get(name).settings)
    directories = config.directories
    options: list[Any] = []  # they need not have a hash
    for plan in plans:
        if name in plan.plugins and plan.options.get(name) not in options:
            options.append(plan.options.get(name))
    try:
        state = state_of(directories.state, name)
        return plugins.health(name, settings, state, directories.work_path, tuple(options))
    except PluginError as error:
        return (Finding("health-check-failed", Severity.UNVERIFIED, str(error), plugin=name),)


def _show(findings: list[Finding]) -> None:
    console = Console()
    for finding in findings:
        told = f"{_MARKS[finding.severity]} {finding.plugin}: {plain(finding.message)}"
        console.print(told, highlight=False, soft_wrap=True)
        if finding.hint:
            console.print(f"         {plain(finding.hint)}", highlight=False, soft_wrap=True)
