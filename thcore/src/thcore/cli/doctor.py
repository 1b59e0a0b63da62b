"""``thcore doctor``: could this machine do what its configuration asks for?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.findings import broken, findings_json, show_findings
from thcore.config import Config, plugin_settings
from thcore.errors import ExitCode, PluginError
from thcore.model import Finding, Severity
from thcore.pipeline.build import state_of
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins


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
        click.echo(findings_json(findings))
    else:
        show_findings(findings)
    return ExitCode.CONFIG if broken(findings) else ExitCode.SUCCESS


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
