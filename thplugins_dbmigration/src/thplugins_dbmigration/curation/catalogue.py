"""The datasets that there are: those of the configured jobs, or those below a directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Premises
from thcore.model import Change, ChangeKind
from thplugins_dbmigration import datasets
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.release import Release

PLUGIN = "dbmigration"


@frozen
class Entry:
    """A directory of a dataset. ``job`` is the one with whose plugins and ``options`` it is worked on. ``dataset`` is
    None when it cannot be read; ``problems`` say why, or what else is wrong."""

    job: str
    options: DbmigrationOptions
    directory: Path
    dataset: Dataset | None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The dataset's, which is the directory's."""
        return self.directory.name

    @property
    def readable(self) -> Dataset:
        """The dataset. Raises InfrastructureError (``seed-broken``) when it cannot be read."""
        if self.dataset is None:
            raise InfrastructureError("\n".join(self.problems), code="seed-broken")
        return self.dataset

    @property
    def releases(self) -> tuple[Release, ...]:
        """What it climbs through: its own releases, or the job's."""
        own = self.readable.releases
        return self.options.releases if own is None else own


def entries(premises: Premises, *, root: Path | None = None, job: str | None = None) -> tuple[Entry, ...]:
    """Everything that is there: below ``root``, else where ``job``, or any job, looks. Each directory once, with the
    first job that has it. Raises click.UsageError."""
    jobs = {job: options_of(premises, job)} if job else premises.jobs
    found: dict[Path, Entry] = {}
    for name, options in jobs.items():
        place = root or options.datasets
        if not place.is_dir():
            if root is None:
                found.setdefault(place, Entry(name, options, place, None, (f"{place}: there is no such directory",)))
            continue
        names: dict[str, Path] = {}
        for directory in datasets.directories(place):
            twin = names.setdefault(directory.name, directory)
            if directory.resolve() not in found:
                dataset, problems = datasets.read(directory)
                if twin != directory:  # no build takes either
                    problems += (f"{twin} has the same name; rename one of the two directories",)
                found[directory.resolve()] = Entry(name, options, directory, dataset, problems)
    return tuple(sorted(found.values(), key=lambda entry: entry.name))


def find(premises: Premises, name: str, *, root: Path | None = None, job: str | None = None) -> Entry:
    """The dataset of that name. Raises click.UsageError when there is none, or more than one."""
    there = entries(premises, root=root, job=job)
    found = [entry for entry in there if entry.name == name]
    refuse_unknown((name,), (entry.name for entry in there))
    if len(found) > 1:
        places = " and ".join(str(entry.directory) for entry in found)
        raise click.UsageError(f"{name!r} is both {places}; say which with --directory")
    return found[0]


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise click.UsageError for names that are none of the known ones, which it says as well."""
    there = sorted(set(known))
    unknown = [name for name in dict.fromkeys(names) if name not in there]
    if unknown:
        raise click.UsageError(
            f"there is no dataset {', '.join(map(repr, unknown))}; there is {', '.join(there) or 'none'}"
        )


def options_of(premises: Premises, job: str | None) -> DbmigrationOptions:
    """The options of a job, or of the first one. Raises click.UsageError."""
    return premises.jobs[job_of(premises, job)]  # type: ignore[no-any-return] # the plugin's own


def job_of(premises: Premises, job: str | None) -> str:
    """That job, or the first one. Raises click.UsageError when there is none."""
    if job in premises.jobs:
        return str(job)
    known = ", ".join(premises.jobs) or "none"
    if job is not None:
        raise click.UsageError(f"no job {job!r} uses the plugin {PLUGIN}; there is {known}")
    if not premises.jobs:
        raise click.UsageError(f"no job uses the plugin {PLUGIN}; datasets are worked on with a job's plugins")
    return next(iter(premises.jobs))


@contextmanager
def opened(premises: Premises, entry: Entry, project: str | None = None) -> Iterator[Site]:
    """A build of the dataset's job, and where the dataset's servers run in it. ``project`` is Zuul's name of it, where
    the dataset has a shorter one. What halts the dataset's walk is raised as InfrastructureError."""
    dataset = entry.readable
    with premises.build(entry.job, Change(project or dataset.project, ChangeKind.BRANCH), timed=False) as build:
        engine = engine_for(dataset.type)
        evidence = build.workspace.artifacts / "datasets" / dataset.name
        evidence.mkdir(parents=True, exist_ok=True)
        place = build.workspace.temporary / "datasets" / dataset.name
        site = Site(build, Turns(build.check), dataset, engine, engine.installation(build), evidence, place)
        try:
            yield site
        except Halt as halt:
            finding = halt.finding
            raise InfrastructureError("\n".join((finding.message, *finding.evidence)), code=finding.code) from halt
