"""``thcore doctor``: could this machine do what its configuration asks for?"""

from __future__ import annotations

from pathlib import Path

import click

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.findings import broken, findings_json, show_findings
from thcore.cli.health import health
from thcore.errors import ExitCode


@click.command(short_help="Run the health checks of every configured plugin.")
@config_option
@json_option
def doctor(config_file: Path | None, *, as_json: bool) -> int:
    """Run the health checks of every configured plugin; each problem comes with its remedy.

    \b
    Example: thcore doctor -c /etc/thcore/config.yaml
    """
    findings = health(read_config(config_file))
    if as_json:
        click.echo(findings_json(findings))
    else:
        show_findings(findings)
    return ExitCode.CONFIG if broken(findings) else ExitCode.SUCCESS
