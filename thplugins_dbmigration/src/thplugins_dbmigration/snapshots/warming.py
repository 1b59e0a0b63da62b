"""``thcore snapshots warm``: making, before any build wants them, the states that builds begin at."""

from __future__ import annotations

import json
import time

import click
from attrs import asdict, frozen

from thcore.errors import ExitCode, InfrastructureError
from thcore.hooks import Premises, json_option, with_premises
from thcore.model.quantity import format_duration
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.catalogue import PLUGIN, Entry
from thplugins_dbmigration.snapshots import store
from thplugins_dbmigration.snapshots.restore import dataset_key, restored
from thplugins_dbmigration.tables import say

_SHORT = 12


@frozen
class Warmed:
    """A state that is there now, or the ``problem`` with its dataset. ``took_s`` is in seconds."""

    job: str
    dataset: str
    snapshot: str = ""
    made: bool = False
    took_s: float = 0.0
    problem: str = ""

    @property
    def line(self) -> str:
        """All of it, for people."""
        if self.problem:
            return f"{self.dataset}: {self.problem}"
        how = f"restored in {format_duration(self.took_s)}" if self.made else "was there already"
        return f"{self.dataset}: {how} ({self.snapshot[:_SHORT]})"


@click.command(short_help="Restore datasets now, so that no build has to.")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--dataset", "names", multiple=True, help="Only the dataset of this name. May be repeated.")
@json_option
@with_premises(PLUGIN)
def warm(premises: Premises, jobs: tuple[str, ...], *, names: tuple[str, ...], as_json: bool) -> ExitCode:
    """Restore the datasets of JOB, or of all jobs, so that no build has to. What is there already stays.

    Exits with 2 when one cannot be restored; the others are.

    \b
    Example: thcore snapshots warm gate-real-db-upgrade_nova_mysql
    """
    there = _entries(premises, jobs)
    catalogue.refuse_unknown(names, (entry.name for entry in there))
    wanted = [entry for entry in there if not names or entry.name in names]
    if not wanted:
        raise click.UsageError("no job has a dataset; thcore config show says which directories are looked at")
    told = [_warmed(premises, entry) for entry in wanted]
    if as_json:
        click.echo(json.dumps([asdict(warmed) for warmed in told], indent=2))
    else:
        for warmed in told:
            say(*warmed.line.splitlines())
    return ExitCode.UNVERIFIED if any(warmed.problem for warmed in told) else ExitCode.SUCCESS


def _entries(premises: Premises, jobs: tuple[str, ...]) -> tuple[Entry, ...]:
    """The datasets of the jobs, of all jobs where none is named: each directory once. Raises click.UsageError."""
    if not jobs:
        return catalogue.entries(premises)
    found = [entry for job in jobs for entry in catalogue.entries(premises, job=job)]
    return tuple({entry.directory.resolve(): entry for entry in reversed(found)}.values())[::-1]


def _warmed(premises: Premises, entry: Entry) -> Warmed:
    if entry.problems:
        return Warmed(entry.job, entry.name, problem="\n".join(entry.problems))
    began = time.monotonic()
    try:
        with catalogue.opened(premises, entry) as site:
            key = dataset_key(site.build, site.engine, site.installation, site.dataset)
            there = store.find(site.build, key) is not None
            snapshot = restored(site.build, site.engine, site.installation, site.dataset)
    except InfrastructureError as error:
        return Warmed(entry.job, entry.name, problem=str(error))
    return Warmed(entry.job, entry.name, snapshot.key.digest, not there, time.monotonic() - began)
