"""``thcore datasets shell``: a client on a clone that is thrown away."""

from __future__ import annotations

from pathlib import Path

import click

from thcore.errors import ExitCode
from thcore.hooks import Premises, with_premises
from thplugins_dbmigration import snapshots
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.arguments import of_a_dataset, project_option
from thplugins_dbmigration.curation.catalogue import PLUGIN, Entry
from thplugins_dbmigration.curation.client import client
from thplugins_dbmigration.snapshots import Snapshot
from thplugins_dbmigration.tables import say
from thplugins_dbmigration.walk import boundary
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.route import route
from thplugins_dbmigration.walk.states import States

TRUNK = "trunk"


@click.command(short_help="Talk to a clone of a dataset with its database's own client.")
@of_a_dataset
@click.option("--at", "where", help="A release that the dataset climbs through, or trunk. Default: the dataset itself.")
@click.option("--branch", show_default="main", help="The target branch, for --at trunk.")
@click.option("--before", help="A version: the state that a build with begin_before has made. Instead of --at.")
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
    before: str | None,
    project: str | None,
) -> ExitCode:
    """Start mariadb, psql or sqlite3 on a clone of the dataset NAME. Whatever is done there is thrown away.

    The clone, on a private server of its own, is of the dataset as it was restored, or of the state that --at names;
    either is made first where it is missing. With --before, it is of the state before a step of a change, which
    thcore run --option dbmigration.begin_before=VERSION makes. Statements may also come from a pipe. Exits with 2 when
    the client says that something failed.

    \b
    Example: thcore datasets shell nova_juno --at victoria
    """
    entry = catalogue.find(premises, name, root=root, job=job)
    number = _number(entry, where)
    if branch is not None and where != TRUNK:
        raise click.UsageError(f"--branch counts for --at {TRUNK} only")
    if before is not None and where is not None:
        raise click.UsageError("--at and --before name a state each; leave one out")
    with catalogue.opened(premises, entry, project) as site:
        if before is not None:
            told, snapshot = f"before {before}", _boundary(site, before)
        else:
            end = (branch or "main") if where == TRUNK else None
            states = States.of(site, route(entry.options, site.dataset, end)[:number])
            told, snapshot = states.name(number), states.at(number).snapshot
        with site.ground(snapshot, site.place / "data") as ground:
            say(_greeting(site, told, ground.server.version), err=True)
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


def _boundary(site: Site, version: str) -> Snapshot:
    """The frozen state before a step. Raises click.BadParameter where there is none."""
    there = boundary.known(site)
    snapshot = snapshots.find(site.build, there[version]) if version in there else None
    if snapshot is None:
        known = f"there is one before {', '.join(sorted(there))}" if there else "there is none"
        made = f"thcore run --option {boundary.BEGIN_BEFORE}={version} makes it"
        raise click.BadParameter(
            f"no state of {site.dataset.name} before {version!r} is frozen; {known}; {made}", param_hint="--before"
        )
    return snapshot


def _greeting(site: Site, state: str, version: str) -> str:
    place = "as it was restored" if state == "the dataset" else f"at {state}"
    return f"A clone of {site.dataset.name} {place}, on {site.engine.name} {version}; what you change is thrown away."
