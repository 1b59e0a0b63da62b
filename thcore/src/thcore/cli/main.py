"""The ``thcore`` command: its sub-commands, and how errors are shown."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from thcore import __version__
from thcore.cli.documentation import documented
from thcore.cli.terminal import printable
from thcore.errors import ExitCode, InfrastructureError, ThcoreError
from thcore.hooks.premises import PREMISES, Premises

COMMANDS: Mapping[str, str] = {
    "serve": "thcore.cli.serve:serve",
    "status": "thcore.cli.status:status",
    "reload": "thcore.cli.reload:reload",
    "run": "thcore.cli.run:run",
    "submit": "thcore.cli.submit:submit",
    "builds": "thcore.cli.builds:builds",
    "show": "thcore.cli.show:show",
    "compare": "thcore.cli.compare:compare",
    "history": "thcore.cli.history:history",
    "plugins": "thcore.cli.plugins:plugins",
    "plugin": "thcore.cli.plugin:plugin",
    "config": "thcore.cli.config:config",
    "doctor": "thcore.cli.doctor:doctor",
    "completion": "thcore.cli.completion:completion",
    "quickstart": "thcore.cli.quickstart:quickstart",
}
"""Our own commands, imported when they are called."""

SERVER_CODES = frozenset({"gearman-unreachable", "gearman-lost", "history-unavailable", "result-unreachable"})
"""Codes of errors that mean: a server that the command needs does not answer."""


class Commands(click.Group):
    """Our commands, loaded lazily, and those that plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(self._added(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, name = COMMANDS[cmd_name].split(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        return self._added(ctx).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean {close[0]}?", ctx) from error

    def _added(self, ctx: click.Context) -> Mapping[str, click.Command]:
        added: dict[str, click.Command] | None = ctx.meta.get("thcore.commands")
        if added is None:
            added = ctx.meta["thcore.commands"] = _plugin_commands()
        return added


def _plugin_commands() -> dict[str, click.Command]:
    from thcore.plugins import Plugins

    plugins = Plugins.installed()
    commands: dict[str, click.Command] = {}
    for name in plugins.implementing("thcore_commands"):
        try:
            for command in plugins.commands(name):
                known = command.name in COMMANDS or command.name in commands
                if command.name is None or known:
                    click.echo(f"Warning: plugin {name}: its command {command.name} has the name of another", err=True)
                else:
                    commands[command.name] = command
        except ThcoreError as error:
            click.echo(f"Warning: {error}", err=True)
    return commands


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: thcore quickstart",
)
@click.version_option(__version__, prog_name="thcore", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run CI builds that Zuul hands out over Gearman, and judge database migrations on real data.

    \b
    Exit codes: 0 success, 1 the change is at fault, 2 could not be measured,
    3 cancelled, 4 the worker takes no builds, 64 wrong command line,
    69 a server or the worker cannot be reached, 70 fault of thcore,
    75 stopped by force, 78 wrong configuration.
    """
    ctx.meta[PREMISES] = _premises


def _premises(plugin: str, config_file: Path | None) -> Premises:
    from thcore.cli.premises import opened

    return opened(plugin, config_file)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the command."""
    _run(cli, arguments, "thcore")


def turbo_hipster(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the command under which turbo-hipster's worker is started."""
    from thcore.cli.turbo_hipster import turbo_hipster as command

    _run(command, arguments, "turbo-hipster")


def _run(command: click.Command, arguments: list[str] | None, name: str) -> NoReturn:
    """Errors that thcore raises on purpose become a message and an exit code."""
    try:
        code = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.INTERNAL)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(ExitCode.CANCELLED)
    except ThcoreError as error:
        for problem in str(error).splitlines():
            click.echo(f"{click.style('Error', fg='red', bold=True)}: {printable(problem)}", err=True)
        if page := documented(error):
            click.echo(f"In the documentation: {page}", err=True)
        sys.exit(_exit_code(error))
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be written when the interpreter shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.SUCCESS)
    except Exception:  # noqa: BLE001 - status 1 would say that the change is at fault
        traceback.print_exc()
        click.echo("This is a fault of thcore, or of a plugin named above; please report it.", err=True)
        sys.exit(ExitCode.INTERNAL)
    sys.exit(code if isinstance(code, int) else ExitCode.SUCCESS)


def _exit_code(error: ThcoreError) -> ExitCode:
    unreachable = isinstance(error, InfrastructureError) and error.code in SERVER_CODES
    return ExitCode.UNAVAILABLE if unreachable else error.exit_code


if __name__ == "__main__":
    main()
