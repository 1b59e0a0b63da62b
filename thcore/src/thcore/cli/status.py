"""``thcore status``: what the worker of this machine is at."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.overview import line, overview
from thcore.cli.terminal import printable
from thcore.errors import ExitCode, InfrastructureError
from thcore.monitoring import door
from thcore.monitoring.status import Status, to_json

EVERY_S = 1.0
WIDE = 160
"""Columns of a table where there is no terminal to tell how wide it is."""

Ask = Callable[[], Status]


@click.command(short_help="Show what the worker of this machine is at.")
@config_option
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="The worker's state directory. Default: directories.state of the configuration.",
)
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@json_option
def status(config_file: Path | None, state: Path | None, *, watch: bool, as_json: bool) -> ExitCode:
    """Show what the worker of this machine is at: slots, running builds, servers, spool, quarantine, last builds.

    It is asked through a socket in its state directory, which answers its own user and root only. Exits with 0 when
    the worker takes builds, with 4 when it does not, with 69 when no worker answers.

    \b
    Example: thcore status --watch
    """
    directory = state or read_config(config_file).directories.state

    def ask() -> Status:
        return door.ask(directory)

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if watch:
        return _watch(ask, console, as_json=as_json)
    try:
        found = ask()
    except InfrastructureError as error:
        click.secho(printable(str(error)), fg="red", err=True)
        return ExitCode.UNAVAILABLE
    if as_json:
        click.echo(json.dumps(json.loads(to_json(found)), indent=2))
    else:
        console.print(overview(found), highlight=False)
    return _code(found)


def _code(found: Status | InfrastructureError) -> ExitCode:
    if isinstance(found, InfrastructureError):
        return ExitCode.UNAVAILABLE
    return ExitCode.SUCCESS if found.ready else ExitCode.NOT_READY


def _watch(ask: Ask, console: Console, *, as_json: bool) -> ExitCode:
    """Show every answer until Ctrl-C; the code is that of the last one."""
    found: Status | InfrastructureError = InfrastructureError("nobody was asked")
    with contextlib.suppress(KeyboardInterrupt), _display(console, as_json=as_json) as show:
        for found in _answers(ask):
            show(found)
            time.sleep(EVERY_S)
    return _code(found)


def _answers(ask: Ask) -> Iterator[Status | InfrastructureError]:
    """What the worker says, as often as it is wanted; the error while there is none that answers."""
    while True:
        try:
            yield ask()
        except InfrastructureError as error:
            yield error


@contextlib.contextmanager
def _display(console: Console, *, as_json: bool) -> Iterator[Callable[[Status | InfrastructureError], None]]:
    if as_json:
        yield lambda found: click.echo(_plain(found))
    elif not console.is_terminal:
        yield _Lines().show
    else:
        with Live(console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
            yield lambda found: live.update(_picture(found), refresh=True)


def _picture(found: Status | InfrastructureError) -> RenderableType:
    return Text(printable(str(found)), "bold red") if isinstance(found, InfrastructureError) else overview(found)


def _plain(found: Status | InfrastructureError) -> str:
    if isinstance(found, InfrastructureError):
        return json.dumps({"ready": False, "not_ready": [str(found)]})
    return to_json(found)


class _Lines:
    """A line for each answer that says something new."""

    def __init__(self) -> None:
        self._said = ""

    def show(self, found: Status | InfrastructureError) -> None:
        told = printable(str(found)) if isinstance(found, InfrastructureError) else line(found)
        if told != self._said:
            self._said = told
            click.echo(f"{time.strftime('%H:%M:%S')} {told}")
