"""``thcore builds``: what became of builds, from the history. No worker needs to run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cattrs.preconf.json import make_converter
from rich.console import Console

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.submit import follow, warn_if_nobody_offers
from thcore.errors import ExitCode
from thcore.gearman.address import TlsFiles
from thcore.gearman.client import Submission
from thcore.model import Seconds, Verdict
from thcore.model.quantity import parse_duration
from thcore.worker.evidence import Evidence
from thcore.worker.journal import BuildEntry, Journal

if TYPE_CHECKING:
    from thcore.history.store import History


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Seconds | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class Builds(click.Group):
    """Its commands; without one, builds are listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Builds, short_help="List and show builds of the past, try quarantined ones again.")
def builds() -> None:
    """List and show the builds of the past, and try quarantined ones again. Without a command: list.

    \b
    Example: thcore builds list --verdict failure --since 2d
    """


@builds.command("list", short_help="List attempts, newest first.")
@click.option("--quarantined", is_flag=True, help="Instead: the builds that are not tried any more, and why.")
@click.option("--job", help="Only builds of this job.")
@click.option("--project", help="Only builds of this project, as Zuul names it.")
@click.option(
    "--verdict",
    type=click.Choice([verdict.value for verdict in Verdict], case_sensitive=False),
    help="Only attempts that ended so.",
)
@click.option(
    "--since", metavar="DURATION", callback=_seconds, help="Only attempts that started within this time: 2d, 90m."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@config_option
@json_option
def list_(
    config_file: Path | None,
    *,
    quarantined: bool,
    job: str | None,
    project: str | None,
    verdict: str | None,
    since: Seconds | None,
    limit: int,
    as_json: bool,
) -> None:
    """List attempts of builds, newest first.

    \b
    Example: thcore builds list --job gate-shop --json | jq '.[].summary'
    """
    if quarantined:
        _list_quarantined(config_file, as_json=as_json)
        return
    with history_of(config_file) as history:
        found = history.attempts(
            job=job,
            project=project,
            verdict=Verdict(verdict) if verdict else None,
            since=None if since is None else _ago(since),
            limit=limit,
        )
    if as_json:
        # Stages, datasets and findings are read with a build only: empty lists would say that there are none.
        click.echo(json.dumps([_plain(attempt, brief=True) for attempt in found], indent=2))
        return
    from thcore.cli.past import show_attempts

    show_attempts(found)


@builds.command("show", short_help="Show a build with all that was measured.")
@click.argument("build")
@config_option
@json_option
def show(build: str, config_file: Path | None, *, as_json: bool) -> None:
    """Show every attempt of BUILD (its id, or the beginning of it): stages, steps with what they cost, findings.

    \b
    Example: thcore builds show 8a9fd9f3
    """
    with history_of(config_file) as history:
        attempts = history.build(find(history, build))
    if as_json:
        click.echo(json.dumps([_plain(attempt) for attempt in attempts], indent=2))
        return
    from thcore.cli.past import show_build, show_quarantined

    show_build(attempts)
    config = read_config(config_file)
    entry = Journal.of(config.directories.state).build(attempts[0].build)
    if entry is not None and entry.quarantined is not None:
        show_quarantined([entry], Evidence.below(config.directories.state))


@builds.command("retry", short_help="Try a quarantined build again.")
@click.argument("build")
@click.option("--no-follow", is_flag=True, help="Return at once; the build goes on.")
@config_option
@json_option
def retry(build: str, config_file: Path | None, *, no_follow: bool, as_json: bool) -> ExitCode:
    """Lift the quarantine of BUILD (its id, or the beginning of it) and submit it once more as it was.

    The review has its answer already: the new result goes to the same page. Exits as thcore submit does.

    \b
    Example: thcore builds retry 8a9fd9f3
    """
    config = read_config(config_file)
    journal = Journal.of(config.directories.state)
    entry = _one(journal.quarantined(), build)
    _, _, node = entry.function.removeprefix("build:").partition(":")
    server, tls = config.gearman.servers[0], TlsFiles.of(config.gearman.tls)
    console = Console(stderr=True)
    # Before the pardon: a build that cannot be submitted stays where it is.
    warn_if_nobody_offers(server, entry.request.job, console, tls=tls)
    journal.pardon(entry.request.id)
    with Submission(
        server,
        entry.request.job,
        json.loads(entry.arguments),
        node=node or None,
        unique=entry.request.id,
        background=no_follow,
        tls=tls,
    ) as submission:
        if no_follow:
            click.echo(json.dumps({"build": submission.unique}) if as_json else submission.unique)
            return ExitCode.SUCCESS
        return follow(submission, console, as_json=as_json)


def _one(entries: tuple[BuildEntry, ...], text: str) -> BuildEntry:
    """The build that is meant. Raises click.UsageError."""
    found = [entry for entry in entries if text and entry.request.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(entry.request.id for entry in found)
        raise click.UsageError(f"{text!r} is the beginning of several builds: {ids}; write more of it")
    raise click.UsageError(f"no build {text!r} is in quarantine; see thcore builds list --quarantined")


def _list_quarantined(config_file: Path | None, *, as_json: bool) -> None:
    state = read_config(config_file).directories.state
    entries, evidence = Journal.of(state).quarantined(), Evidence.below(state)
    if as_json:
        click.echo(json.dumps(make_converter().unstructure(entries, tuple[BuildEntry, ...]), indent=2))
        return
    from thcore.cli.past import show_quarantined

    show_quarantined(entries, evidence)


def find(history: History, text: str) -> str:
    """The id of the build that is meant. Raises click.UsageError when it is none, or several could be."""
    found = history.builds(text) if text else ()
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"{text!r} is the beginning of several builds: {', '.join(found)}; write more of it")
    raise click.UsageError(f"the history has no build {text!r}; `thcore builds` lists those that it has")


@contextmanager
def history_of(config_file: Path | None) -> Iterator[History]:
    """The history of a configuration, open. Raises what reading the one and opening the other raise."""
    config = read_config(config_file)
    from thcore.history.database import address
    from thcore.history.store import History

    history = History.peek(address(config))
    try:
        yield history
    finally:
        history.close()


def _ago(seconds: float) -> datetime.datetime:
    now = datetime.datetime.now(datetime.UTC)
    return datetime.datetime.fromtimestamp(max(0.0, now.timestamp() - seconds), datetime.UTC)


def _plain(attempt: Any, *, brief: bool = False) -> dict[str, Any]:
    plain: dict[str, Any] = make_converter().unstructure(attempt)
    for key in ("stages", "datasets", "findings") if brief else ():
        del plain[key]
    return plain
