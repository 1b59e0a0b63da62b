"""``thcore snapshots warm``: making, before any build wants them, the states that builds begin at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import click
from attrs import asdict, frozen

from thcore.errors import ExitCode, InfrastructureError
from thcore.hooks import Premises, json_option, with_premises
from thcore.model.quantity import format_duration
from thplugins_dbmigration import snapshots
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.catalogue import PLUGIN, Entry
from thplugins_dbmigration.datasets import same_project
from thplugins_dbmigration.snapshots import Key, Snapshot, dataset_key
from thplugins_dbmigration.tables import say
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.route import route
from thplugins_dbmigration.walk.states import States

_SHORT = 12


@frozen
class Warmed:
    """A state that is there now, or the ``problem`` that kept the job's dataset from it. ``state`` is empty for the
    dataset as it was restored, else what reports call it; ``took_s`` is in seconds."""

    job: str
    dataset: str
    state: str = ""
    snapshot: str = ""
    made: bool = False
    took_s: float = 0.0
    problem: str = ""

    @property
    def line(self) -> str:
        """All of it, for people."""
        if self.problem:
            return f"{self.dataset} (job {self.job}): {self.problem}"
        what, verb = (f"{self.dataset}, {self.state}", "reached") if self.state else (self.dataset, "restored")
        how = f"{verb} in {format_duration(self.took_s)}" if self.made else "was there already"
        return f"{what}: {how} ({self.snapshot[:_SHORT]})"


@frozen
class Order:
    """How far to go: through the ``releases``, and to the target ``branch`` after them. ``project`` is Zuul's name of
    the datasets' project, None: as they say it themselves."""

    releases: bool
    branch: str | None
    project: str | None

    @property
    def walks(self) -> bool:
        """Whether anything depends on the options of a job, and not on the dataset alone."""
        return self.releases or self.branch is not None


@click.command(short_help="Make the states now that builds begin at, so that no build has to.")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--dataset", "names", multiple=True, help="Only the dataset of this name. May be repeated.")
@click.option("--releases", is_flag=True, help="Also the state after each release that the datasets climb through.")
@click.option("--branch", help="Also those, and the state after this target branch, at which its changes begin.")
@click.option("--project", help="Only datasets of this project, as Zuul names it; theirs may be a shorter name.")
@json_option
@with_premises(PLUGIN)
def warm(
    premises: Premises,
    jobs: tuple[str, ...],
    *,
    names: tuple[str, ...],
    releases: bool,
    branch: str | None,
    project: str | None,
    as_json: bool,
) -> ExitCode:
    """Restore the datasets of JOB, or of all jobs, so that no build has to. What is there already stays.

    With --releases or --branch they are then walked on as a build of the job does it, each release and the branch with
    its own code and environment; the job's timeout does not count. Exits with 2 when a dataset does not get there; the
    others do.

    \b
    Example: thcore snapshots warm gate-real-db-upgrade_nova_mysql --branch main
    """
    order = Order(releases, branch, project)
    there = [entry for entry in _entries(premises, jobs, order) if _of_project(entry, project)]
    catalogue.refuse_unknown(names, (entry.name for entry in there))
    wanted = [entry for entry in there if not names or entry.name in names]
    if not wanted:
        whose = f" for the project {project}" if project else ""
        raise click.UsageError(f"no job has a dataset{whose}; thcore config show says which directories are looked at")
    told: dict[str, Warmed] = {}
    for entry in wanted:
        for warmed in _warmed(premises, entry, order):
            told.setdefault(warmed.snapshot or f"{warmed.job} {entry.directory}", warmed)  # two jobs may share states
    if as_json:
        click.echo(json.dumps([asdict(warmed) for warmed in told.values()], indent=2))
    else:
        for warmed in told.values():
            say(*warmed.line.splitlines())
    return ExitCode.UNVERIFIED if any(warmed.problem for warmed in told.values()) else ExitCode.SUCCESS


def _entries(premises: Premises, jobs: tuple[str, ...], order: Order) -> tuple[Entry, ...]:
    """The datasets of the jobs, of all jobs where none is named. One that several jobs have is restored for all of
    them at once, but walked for each. Raises click.UsageError."""
    found = [entry for job in jobs or premises.jobs for entry in catalogue.entries(premises, job=job)]
    if order.walks:
        return tuple(found)
    once: dict[object, Entry] = {}
    for entry in found:
        once.setdefault(entry.directory.resolve(), entry)
    return tuple(once.values())


def _of_project(entry: Entry, project: str | None) -> bool:
    """One that cannot be read may be of any project."""
    return project is None or entry.dataset is None or same_project(entry.dataset.project, project)


def _warmed(premises: Premises, entry: Entry, order: Order) -> Iterator[Warmed]:
    """State after state, up to the first one that cannot be had."""
    if entry.problems:
        yield Warmed(entry.job, entry.name, problem="\n".join(entry.problems))
        return
    try:
        with catalogue.opened(premises, entry, order.project) as site:
            yield _restored(site, entry.job)
            if order.walks:
                states = States.of(site, route(entry.options, site.dataset, order.branch))
                for number in range(1, len(states.keys)):
                    yield _reached(states, number, entry.job)
    except InfrastructureError as error:
        yield Warmed(entry.job, entry.name, problem=str(error))


def _restored(site: Site, job: str) -> Warmed:
    key = dataset_key(site.build, site.engine, site.installation, site.dataset)
    return _timed(
        site, job, "", key, lambda: snapshots.restored(site.build, site.engine, site.installation, site.dataset)
    )


def _reached(states: States, number: int, job: str) -> Warmed:
    return _timed(states.site, job, states.name(number), states.keys[number], lambda: states.at(number).snapshot)


def _timed(site: Site, job: str, state: str, key: Key, make: Callable[[], Snapshot]) -> Warmed:
    began = time.monotonic()
    there = snapshots.find(site.build, key) is not None
    made = make()
    return Warmed(job, site.dataset.name, state, made.key.digest, not there, time.monotonic() - began)
