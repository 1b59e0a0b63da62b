"""``turbo-hipster``: ``thcore serve`` under the name and with the options that init scripts know."""

from __future__ import annotations

from pathlib import Path

import click

from thcore.cli.serve import background_options, start
from thcore.config import find
from thcore.errors import ExitCode

_ASKED = "-"
"""Value of ``--config`` when it is given without one."""


@click.command("turbo-hipster", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=_ASKED,
    envvar="THCORE_CONFIG",
    help="Configuration file. Without a value: print the path of the one that is used, and exit.",
)
@background_options
def turbo_hipster(config_file: Path | None, *, in_background: bool, pidfile: Path | None) -> ExitCode:
    """Serve jobs to Zuul's Gearman server: thcore serve under its old name.

    \b
    Example: turbo-hipster -c /etc/turbo-hipster/config.json -b -p /run/turbo-hipster.pid
    """
    if config_file == Path(_ASKED):
        click.echo(find().absolute())
        return ExitCode.SUCCESS
    return start(config_file, in_background=in_background, pidfile=pidfile)
