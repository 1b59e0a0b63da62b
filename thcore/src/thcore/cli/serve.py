"""``thcore serve``: the worker."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from thcore.cli.arguments import config_option, read_config
from thcore.config import LogConfig
from thcore.errors import ConfigError, ExitCode


@click.command()
@config_option
def serve(config_file: Path | None) -> ExitCode:
    """Serve the configured jobs to a Gearman server until stopped.

    SIGTERM or Ctrl-C finishes the builds that run and takes no new ones; a second one ends them, and each is
    handed back for a retry.

    \b
    Example: thcore serve -c /etc/thcore/config.yaml
    """
    from thcore.worker.daemon import Watchers
    from thcore.worker.daemon import serve as run_worker
    from thcore.worker.signals import Signals

    config = read_config(config_file)
    _start_log(config.log)
    signals = Signals()
    with signals.installed():
        return run_worker(
            config,
            signals,
            read_again=lambda: read_config(config_file),
            watchers=Watchers(ready=lambda name: click.echo(f"ready: {name}")),
        )


def _start_log(log: LogConfig) -> None:
    """Raises ConfigError when the file cannot be written."""
    try:
        handler = logging.FileHandler(log.file, encoding="utf-8") if log.file else logging.StreamHandler()
    except OSError as error:
        raise ConfigError(f"log.file: cannot write {log.file}: {error.strerror}") from error
    layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=log.level.upper(), format=layout, handlers=[handler])
