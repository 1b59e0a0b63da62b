"""``thcore serve``: the worker."""

from __future__ import annotations

from pathlib import Path

import click

from thcore.cli.arguments import config_option, read_config
from thcore.errors import ExitCode


@click.command()
@config_option
def serve(config_file: Path | None) -> ExitCode:
    """Serve the configured jobs to a Gearman server until stopped.

    SIGTERM or Ctrl-C finishes the builds that run and takes no new ones; a second one ends them, and each is
    handed back for a retry.

    \b
    Example: thcore serve -c /etc/thcore/config.yaml
    """
    from thcore.worker import logbook
    from thcore.worker.daemon import Signals
    from thcore.worker.daemon import serve as run_worker

    config = read_config(config_file)
    logbook.start(config.log, (secret.reveal() for secret in config.secrets.values()))
    signals = Signals()
    with signals.installed():
        return run_worker(config, signals, on_ready=lambda name: click.echo(f"ready: {name}"))
