"""Commands of the operator: ``thcore evidence``."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from thcore.errors import InfrastructureError
from thcore.hooks import Premises, with_premises
from thcore.model.quantity import format_size
from thplugins_publish_local.options import PublishLocalOptions


@click.group()
def evidence() -> None:
    """Look after what is published to directories of this machine.

    \b
    Example: thcore evidence prune --dry-run
    """


@evidence.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@with_premises("publish_local")
def prune(premises: Premises, *, dry_run: bool) -> None:
    """Remove published builds that are kept no longer, as `keep` and `keep_size` of publish_local say.

    A worker does so by itself, for some seconds an hour; this takes the time that it takes.

    \b
    Example: thcore evidence prune --dry-run
    """
    from thplugins_publish_local import retention, upkeep

    limited = tuple(_different(premises))
    if not limited:
        click.echo("no job says how long builds are kept: publish_local has the keys keep and keep_size for it")
    for options in limited:
        try:
            if dry_run:
                found = retention.published(options.path)
                outdated = retention.outdated(found, options.retention, time.time())
                for build in outdated:
                    click.echo(f"{options.path}/{'/'.join(build.names)} ({format_size(build.size)})")
                if not outdated:
                    click.echo(f"{options.path}: nothing would be removed")
            else:
                click.echo(f"{options.path}: removed {upkeep.clean(options)}")
        except OSError as error:
            raise InfrastructureError(f"{options.path}: {error.strerror or error}") from error


def _different(premises: Premises) -> Iterator[PublishLocalOptions]:
    """The options that differ in what is kept where."""
    seen = []
    for options in premises.jobs.values():
        if not options.retention.everything and (options.path, options.retention) not in seen:
            seen.append((options.path, options.retention))
            yield options
