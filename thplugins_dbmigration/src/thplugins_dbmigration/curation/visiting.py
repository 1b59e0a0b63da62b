"""``thcore datasets shell``: a client on a clone that is thrown away."""

from __future__ import annotations

from pathlib import Path

import click

from thcore.errors import ExitCode
from thcore.hooks import Premises, with_premises
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.arguments import of_a_dataset, project_option
from thplugins_dbmigration.curation.catalogue import PLUGIN, Entry
from thplugins_dbmigration.curation.client import client
from thplugins_dbmigration.tables import say
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.route import route
from thplugins_dbmigration.walk.states import States

TRUNK = "trunk"


@click.command(short_help="Talk to a clone of a dataset with its database's own client.")
@of_a_dataset
@click.option("--at", "where", help="A release that the dataset climbs through, or trunk. Default: the dataset itself.")
@click.option("--branch", show_default="main", help="The target branch, for --at trunk.")
@project_option
@with_premises(PLUGIN)
def shell(
    premises: Premises,
    name: str,
    *,
    root: Path | None,
    job: str | None,
    where: str | None,
    branch: str | None,
    project: str | None,
) -> ExitCode:
    """Start mariadb, psql or sqlite3 on a clone of the dataset NAME. Whatever is done there is thrown away.

    The clone, on a private server of its own, is of the dataset as it was restored, or of the state that --at names;
    either is made first where it is missing. Statements may also come from a pipe. Exits with 2 when the client says
    that something failed.

    \b
    Example: thcore datasets shell nova_juno --at victoria
    """
    entry = catalogue.find(premises, name, root=root, job=job)
    number = _number(entry, where)
    if branch is not None and where != TRUNK:
        raise click.UsageError(f"--branch counts for --at {TRUNK} only")
    with catalogue.opened(premises, entry, project) as site:
        states = States.of(
            site, route(entry.options, site.dataset, (branch or "main") if where == TRUNK else None)[:number]
        )
        state = states.at(number)
        with site.ground(state.snapshot, site.place / "data") as ground:
            say(_greeting(site, states.name(number), ground.server.version), err=True)
            ended = premises.foreground(client(ground.address, site.installation))
    return ExitCode.SUCCESS if ended.ok else ExitCode.UNVERIFIED


def _number(entry: Entry, where: str | None) -> int:
    """Which state is meant, counted as by ``States``. Raises click.UsageError."""
    names = [release.name for release in entry.releases]
    if where is None:
        return 0
    if where in names:
        return names.index(where) + 1
    if where == TRUNK:
        return len(names) + 1
    raise click.BadParameter(f"{where!r} is none of {', '.join((*names, TRUNK))}", param_hint="--at")


def _greeting(site: Site, state: str, version: str) -> str:
    place = "as it was restored" if state == "the dataset" else f"at {state}"
    return f"A clone of {site.dataset.name} {place}, on {site.engine.name} {version}; what you change is thrown away."
