"""``thcore serve``: the worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from thcore.cli.arguments import config_option, read_config
from thcore.config import Config, load
from thcore.errors import ExitCode, InfrastructureError

log = logging.getLogger(__name__)

BACKGROUND_LOG = "worker.log"
"""The log of a worker in the background that has no ``log.file``, below its state directory."""


def background_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--background`` and ``--pidfile``."""
    for option in (
        click.option(
            "-p",
            "--pidfile",
            type=click.Path(path_type=Path),
            help="PID file, locked while the worker runs and removed at its end.",
        ),
        click.option(
            "-b",
            "--background",
            "in_background",
            is_flag=True,
            help="Run as a daemon in the background. Returns when the worker is ready, or says why it is not.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@config_option
@click.option(
    "--strict",
    is_flag=True,
    help="Do not start with any plugin that is broken or outdated, used or not, or whose health check fails.",
)
@background_options
def serve(config_file: Path | None, *, strict: bool, in_background: bool, pidfile: Path | None) -> ExitCode:
    """Serve the configured jobs to a Gearman server until stopped.

    SIGTERM or Ctrl-C finishes the builds that run and takes no new ones; a second one ends them, and each is
    handed back for a retry.

    \b
    Example: thcore serve -c /etc/thcore/config.yaml
    """
    return start(config_file, strict=strict, in_background=in_background, pidfile=pidfile)


def start(config_file: Path | None, *, in_background: bool, pidfile: Path | None, strict: bool = False) -> ExitCode:
    """Run a worker until it is stopped. Raises ConfigError or InfrastructureError when it cannot start."""
    from thcore.cli.strictness import insist
    from thcore.monitoring import logbook
    from thcore.monitoring.notify import Notifier
    from thcore.worker.daemon import Watchers
    from thcore.worker.daemon import serve as run_worker
    from thcore.worker.pidfile import pid_file
    from thcore.worker.signals import Signals

    config = read_config(config_file)
    if strict:
        insist(config)
    path = config.files[0].absolute()  # a daemon is somewhere else when it reads it again

    def read_again() -> Config:
        changed = load(path)
        if strict:
            insist(changed)
        return changed

    with ExitStack() as stack:
        ready: Callable[[str], None] = _say_ready
        if in_background:
            config, ready = _go_into_background(config, stack)
        else:
            logbook.start(config.log, _secrets(config))
        for note in config.notes:
            log.info("%s", note)
        if pidfile is not None:
            stack.enter_context(pid_file(pidfile))
        signals = Signals()
        with signals.installed():
            return run_worker(
                config,
                signals,
                read_again=read_again,
                watchers=Watchers(ready=ready),
                notifier=Notifier.from_environment(),
            )


def _say_ready(name: str) -> None:
    click.echo(f"ready: {name}")


def _go_into_background(config: Config, stack: ExitStack) -> tuple[Config, Callable[[str], None]]:
    """Returns, in the background process only, the configuration for it, and what to call when the worker is ready."""
    from thcore.cli.background import background
    from thcore.monitoring import logbook

    state = config.directories.state
    if config.log.file is None:
        try:
            state.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"cannot use the state directory {state}: {error.strerror}") from error
    file = (config.log.file or state / BACKGROUND_LOG).absolute()
    terminal = stack.enter_context(background(file))
    config = evolve(config, log=evolve(config.log, file=file))
    logbook.start(config.log, _secrets(config))
    terminal.show_warnings()
    return config, lambda name: terminal.ready(f"ready: {name}, process {os.getpid()}, log {file}")


def _secrets(config: Config) -> Iterator[str]:
    return (secret.reveal() for secret in config.secrets.values())
