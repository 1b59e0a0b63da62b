"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from thcore.config import load
from thcore.config.schema import Config

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="THCORE_CONFIG",
    show_envvar=True,
    help="Configuration file. Default: ./thcore.yaml, then /etc/thcore/config.yaml.",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people."
)


def read_config(config_file: Path | None) -> Config:
    """The configuration that a command works with. Raises ConfigError with all problems."""
    return load.load(load.find(config_file))
