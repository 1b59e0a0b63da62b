"""``thcore snapshots``: list, warm, verify and drop."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from attrs import asdict, frozen

from thcore.errors import ExitCode, InfrastructureError
from thcore.hooks import Premises, json_option, with_premises
from thcore.model import Change, ChangeKind
from thcore.model.quantity import format_duration, format_size
from thplugins_dbmigration import datasets, tables
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.snapshots import shelf, store
from thplugins_dbmigration.snapshots.restore import dataset_key, restored

PLUGIN = "dbmigration"
_SHORT = 12


@click.group(short_help="List, make, verify and drop frozen states of datasets.")
def snapshots() -> None:
    """List, make, verify and drop the frozen states of datasets that builds are given clones of.

    \b
    Example: thcore snapshots warm
    """


@snapshots.command("list")
@json_option
@with_premises(PLUGIN)
def list_(premises: Premises, *, as_json: bool) -> None:
    """List the snapshots that are there, the last used one first.

    \b
    Example: thcore snapshots list --json | jq '.[].parts.engine'
    """
    found = sorted((_seen(place) for place in shelf.places(premises.state)), key=lambda seen: -seen.used)
    if as_json:
        click.echo(json.dumps([asdict(seen) for seen in found], indent=2))
        return
    if not found:
        click.echo("No snapshots; thcore snapshots warm makes those of all datasets.")
        return
    table = tables.table("Snapshot", "Kind", "Dataset", "Server", "Size", "Made", "Last used", "")
    for seen in found:
        server = f"{seen.parts.get('engine', '')} {seen.parts.get('engine_version', '')}"
        size, made, used = format_size(seen.size), _moment(seen.made), _moment(seen.used)
        tables.row(table, seen.digest[:_SHORT], seen.kind, seen.dataset, server, size, made, used, seen.state)
    tables.show(table)
    click.echo(f"{len(found)} of {format_size(sum(seen.size for seen in found))} in {premises.state / 'snapshots'}")


@snapshots.command(short_help="Restore datasets now, so that no build has to.")
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
    wanted = tuple(_wanted(premises, jobs, frozenset(names)))
    if not wanted:
        raise click.UsageError("no job has such a dataset; thcore config show says which directories are looked at")
    told = [_warmed(premises, job, dataset) for job, dataset in wanted]
    if as_json:
        click.echo(json.dumps([asdict(warmed) for warmed in told], indent=2))
    else:
        for warmed in told:
            click.echo(_line(warmed))
    return ExitCode.UNVERIFIED if any(warmed.problem for warmed in told) else ExitCode.SUCCESS


@snapshots.command(short_help="Read every file again, and remove what is damaged.")
@click.argument("which", nargs=-1, metavar="[SNAPSHOT]...")
@json_option
@with_premises(PLUGIN)
def verify(premises: Premises, which: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Read every file of SNAPSHOT (the beginning of its name), or of all, and compare it with what was frozen.

    A damaged one that no build uses is removed, and made again by the next build that wants it. Exits with 2 when
    there is a damaged one.

    \b
    Example: thcore snapshots verify
    """
    damaged = 0
    told = []
    for place in _chosen(premises, which) if which else shelf.places(premises.state):
        problem = store.damage(place)
        removed = problem is not None and shelf.take_away(place)
        damaged += problem is not None
        told.append({"snapshot": place.name, "problem": problem, "removed": removed})
        if not as_json:
            what = "whole" if problem is None else f"damaged: {problem}; {'removed' if removed else 'a build uses it'}"
            click.echo(f"{place.name[:_SHORT]} {what}")
    if as_json:
        click.echo(json.dumps(told, indent=2))
    return ExitCode.UNVERIFIED if damaged else ExitCode.SUCCESS


@snapshots.command(short_help="Remove snapshots that no build uses.")
@click.argument("which", nargs=-1, metavar="[SNAPSHOT]...")
@click.option("--dataset", "names", multiple=True, help="All snapshots of this dataset. May be repeated.")
@click.option("--all", "everything", is_flag=True, help="All snapshots.")
@json_option
@with_premises(PLUGIN)
def drop(
    premises: Premises, which: tuple[str, ...], *, names: tuple[str, ...], everything: bool, as_json: bool
) -> ExitCode:
    """Remove SNAPSHOT (the beginning of its name), unless a build uses it. Exits with 2 when one stays.

    \b
    Example: thcore snapshots drop --dataset nova_juno
    """
    chosen = list(_chosen(premises, which))
    for place in shelf.places(premises.state):
        record = shelf.read(place)
        if (everything or (record and record.key.dataset in names)) and place not in chosen:
            chosen.append(place)
    if not chosen and not (everything or names):
        raise click.UsageError("say which: SNAPSHOT, --dataset NAME or --all; thcore snapshots list shows them")
    told = [{"snapshot": place.name, "removed": shelf.take_away(place)} for place in chosen]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for entry in told:
            words = "removed" if entry["removed"] else "stays: a build makes or uses it"
            click.echo(f"{str(entry['snapshot'])[:_SHORT]} {words}")
    return ExitCode.SUCCESS if all(entry["removed"] for entry in told) else ExitCode.UNVERIFIED


@frozen
class _Seen:
    """One that is there. Times are in seconds since 1970. ``state`` is ``whole``, ``in use`` or ``damaged``; only what
    can be seen without looking at the data."""

    digest: str
    kind: str
    dataset: str
    parts: dict[str, str]
    notes: dict[str, Any]
    size: int
    made: float
    used: float
    state: str


@frozen
class _Warmed:
    job: str
    dataset: str
    snapshot: str = ""
    made: bool = False
    took_s: float = 0.0
    problem: str = ""


def _seen(place: Path) -> _Seen:
    record = shelf.read(place)
    if record is None:
        return _Seen(place.name, "", "", {}, {}, 0, 0.0, 0.0, "damaged")
    key = record.key
    state = "in use" if shelf.in_use(place) else "whole"
    used = shelf.last_used(place)
    return _Seen(
        place.name, key.kind, key.dataset, dict(key.parts), dict(record.notes), record.size, record.made, used, state
    )


def _wanted(premises: Premises, jobs: tuple[str, ...], names: frozenset[str]) -> Iterator[tuple[str, Dataset]]:
    """The datasets to restore, each with a job that uses it. Raises click.UsageError."""
    for job in jobs:
        if job not in premises.jobs:
            known = ", ".join(premises.jobs) or "none"
            raise click.UsageError(f"no job {job!r} uses the plugin {PLUGIN}; there is {known}")
    seen: set[Path] = set()
    for job, options in premises.jobs.items():
        if jobs and job not in jobs:
            continue
        found, problems = datasets.every(options.datasets)
        for problem in problems:
            click.echo(f"Warning: {problem}", err=True)
        for dataset in found:
            if dataset.directory not in seen and (not names or dataset.name in names):
                seen.add(dataset.directory)
                yield job, dataset


def _warmed(premises: Premises, job: str, dataset: Dataset) -> _Warmed:
    began = time.monotonic()
    try:
        with premises.build(job, Change(dataset.project, ChangeKind.BRANCH)) as build:
            engine = engine_for(dataset.type)
            installation = engine.installation(build)
            there = store.find(build, dataset_key(build, engine, installation, dataset)) is not None
            snapshot = restored(build, engine, installation, dataset)
    except InfrastructureError as error:
        return _Warmed(job, dataset.name, problem=str(error))
    return _Warmed(job, dataset.name, snapshot.key.digest, not there, time.monotonic() - began)


def _line(warmed: _Warmed) -> str:
    if warmed.problem:
        return f"{warmed.dataset}: {warmed.problem}"
    how = f"restored in {format_duration(warmed.took_s)}" if warmed.made else "was there already"
    return f"{warmed.dataset}: {how} ({warmed.snapshot[:_SHORT]})"


def _chosen(premises: Premises, which: Iterable[str]) -> Iterator[Path]:
    """The snapshots that are meant. Raises click.UsageError."""
    places = shelf.places(premises.state)
    for text in which:
        found = [place for place in places if text and place.name.startswith(text)]
        if len(found) != 1:
            how = "several snapshots have names that begin" if found else "no snapshot has a name that begins"
            raise click.UsageError(f"{how} with {text!r}; see thcore snapshots list")
        yield found[0]


def _moment(at: float) -> str:
    return f"{datetime.datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}" if at else ""
