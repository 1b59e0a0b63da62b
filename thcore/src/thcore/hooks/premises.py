"""What the commands that a plugin adds may ask of thcore: the configuration as it concerns the plugin, and builds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import click

from thcore.hooks.build import Build
from thcore.model import Change, Command, CommandResult

PREMISES = "thcore.premises"
"""Under this name, the command line leaves in click's ``Context.meta`` what opens the premises of a plugin."""

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
"""Gives a click command the option ``--json``, as its argument ``as_json``."""


class Premises(Protocol):
    """A worker's configuration as one plugin's commands see it. No worker needs to run; one may."""

    @property
    def settings(self) -> Any:
        """The plugin's worker-wide settings, as ``Build.settings`` answers them."""

    @property
    def state(self) -> Path:
        """The directory that the plugin keeps between builds, shared with a worker that runs. Exists."""

    @property
    def jobs(self) -> Mapping[str, Any]:
        """The plugin's options in each job that names it, by the job's name, in the configuration's order."""

    def build(self, job: str, change: Change, *, timed: bool = True) -> AbstractContextManager[Build]:
        """A build of ``job`` for ``change`` that runs no stage by itself: the command does with it what a stage would.

        It lives in this process, has a workspace and a log, which are removed afterwards, and, if it is ``timed``, the
        job's timeout; it is told to end by SIGINT and SIGTERM. ``provision`` goes through the job's own plugins, the
        progress that is emitted is shown on standard error, and whatever programs are left at the end are ended. One at
        a time. Raises KeyError when ``job`` is not in ``jobs``, InfrastructureError when there is no room for a
        workspace.
        """

    def foreground(self, command: Command) -> CommandResult:
        """Run a program that has standard input, output and error of this process, such as a database's client, until
        it ends by itself; also while a build is open, whose progress is then no longer drawn. What is typed is the
        program's alone, and so is Ctrl-C. Nothing is logged. Raises InfrastructureError when it cannot be started."""


def with_premises(plugin: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command the option ``--config``, and, as its first argument, the premises of the plugin.

    Put it next to the function. The configuration is read when the command is called, and all that is wrong with it is
    told as by every command of thcore.

    .. code-block:: python

        import click
        from thcore.hooks import Premises, hookimpl, json_option, with_premises

        @click.command()
        @json_option
        @with_premises("tidy")
        def limits(premises: Premises, *, as_json: bool) -> None:
            "Show each job's limit."
            for job, options in premises.jobs.items():
                click.echo(f"{job}: {options.limit}")

        class Tidy:
            @hookimpl
            def thcore_commands(self):
                return [limits]
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(context: click.Context, /, *arguments: Any, config_file: Path | None, **options: Any) -> Any:
            opened = context.meta.get(PREMISES)
            if opened is None:
                raise click.UsageError("this command works below thcore only")
            return function(opened(plugin, config_file), *arguments, **options)

        functools.update_wrapper(called, function)
        return config_option(click.pass_context(called))

    return decorate
