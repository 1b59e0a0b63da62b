"""``thcore submit``: hand a build to a Gearman server as Zuul would, and follow it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from thcore.cli.arguments import change_options, config_option, json_option, read_config, zuul_arguments
from thcore.cli.terminal import plain, printable
from thcore.errors import ConfigError, ExitCode
from thcore.gearman import client
from thcore.gearman.address import TlsFiles, parse_address
from thcore.gearman.client import Submission, SubmissionEvent, SubmissionEventKind

RESULTS: Mapping[str | None, ExitCode] = {
    "SUCCESS": ExitCode.SUCCESS,
    "ABORTED": ExitCode.CANCELLED,
    None: ExitCode.UNVERIFIED,
}
"""Exit code by result; any other result is a failure."""


@click.command(short_help="Hand a build to Gearman, as Zuul would, and follow it.")
@click.argument("job")
@change_options
@click.option(
    "--server",
    help="The Gearman server, host:port, without TLS. Default: the first one of the configuration, as it says.",
)
@click.option("--no-follow", is_flag=True, help="Do not wait for the end; print the build's id.")
@config_option
@json_option
def submit(
    job: str, server: str | None, config_file: Path | None, *, no_follow: bool, as_json: bool, **change: Any
) -> ExitCode:
    """Submit one build of JOB to a Gearman server, as Zuul would, and follow it to its end.

    Ctrl-C cancels the build.

    \b
    Example: thcore submit gate-shop --project example/shop --branch main \\
               --ref refs/changes/45/12345/2
    """
    address, tls = (_checked(server), None) if server else _first_server(config_file)
    arguments = zuul_arguments(job, "submit", **change)
    console = Console(stderr=True)
    warn_if_nobody_offers(address, job, console, tls=tls)
    with Submission(address, job, arguments, background=no_follow, tls=tls) as submission:
        if no_follow:
            click.echo(json.dumps({"build": submission.unique}) if as_json else submission.unique)
            return ExitCode.SUCCESS
        try:
            return follow(submission, console, as_json=as_json)
        except KeyboardInterrupt:
            asked = submission.stop()
            console.print("Cancelled." if asked else "No worker has it yet; it stays in the queue.")
            return ExitCode.CANCELLED


def _checked(server: str) -> str:
    try:
        return str(parse_address(server))
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--server") from error


def _first_server(config_file: Path | None) -> tuple[str, TlsFiles | None]:
    try:
        gearman = read_config(config_file).gearman
    except ConfigError:
        if config_file is not None:
            raise
        return "127.0.0.1:4730", None
    return gearman.servers[0], TlsFiles.of(gearman.tls)


def warn_if_nobody_offers(address: str, job: str, console: Console, *, tls: TlsFiles | None = None) -> None:
    """Say that a build of the job would have to wait, if so. Raises InfrastructureError when no server answers."""
    if not client.offered(address, job, tls=tls):
        function = plain(f"build:{job}")
        console.print(
            f"[yellow]Warning[/yellow]: no worker at {plain(address)} offers {function}; it will wait in the queue"
        )


def follow(submission: Submission, console: Console, *, as_json: bool) -> ExitCode:
    """Show what happens to a submitted build until it has ended; answers the exit code of its result."""
    for event in submission.events():
        if as_json:
            click.echo(json.dumps(_plain(event)))
        else:
            _show(event, submission, console)
        if event.kind is SubmissionEventKind.ENDED:
            return RESULTS.get(event.result, ExitCode.FAILURE)
    return ExitCode.UNVERIFIED


def _plain(event: SubmissionEvent) -> dict[str, object]:
    plain: dict[str, object] = {"event": event.kind.value}
    if event.kind is SubmissionEventKind.STATUS:
        return plain | {"done": event.numerator, "total": event.denominator}
    if event.kind is SubmissionEventKind.ENDED:
        plain["result"] = event.result
    return plain | ({"data": dict(event.data)} if event.data else {})


def _show(event: SubmissionEvent, submission: Submission, console: Console) -> None:
    if event.kind is SubmissionEventKind.CREATED:
        console.print(f"queued as {submission.unique}", highlight=False)
    elif event.kind is SubmissionEventKind.STARTED:
        console.print(f"started on {plain(str(submission.manager))}", highlight=False)
    elif event.kind is SubmissionEventKind.STATUS and event.denominator:
        console.print(f"{100 * event.numerator // event.denominator:3d} %", highlight=False)
    elif event.kind is SubmissionEventKind.ENDED:
        result = event.result or "no result: Zuul would launch it again"
        style = {"SUCCESS": "bold green", "no result: Zuul would launch it again": "bold yellow"}.get(
            result, "bold red"
        )
        console.print(
            f"[{style}]{plain(result)}[/{style}] {plain(str(event.data.get('summary', '')))}", highlight=False
        )
        if submission.url:
            console.print(f"Evidence: {printable(submission.url)}", markup=False, highlight=False, soft_wrap=True)
