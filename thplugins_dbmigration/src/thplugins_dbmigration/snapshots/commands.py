"""``thcore snapshots``: the command group, and list, verify and drop."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from attrs import asdict, frozen

from thcore.errors import ExitCode
from thcore.hooks import Premises, json_option, with_premises
from thcore.model.quantity import format_size
from thplugins_dbmigration import tables
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.catalogue import PLUGIN
from thplugins_dbmigration.snapshots import shelf, store
from thplugins_dbmigration.snapshots.warming import warm

_SHORT = 12
_NONE = "No snapshots."


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


snapshots.add_command(warm)


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
    elif not told:
        click.echo(_NONE)
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

    A dataset may be gone and its snapshots still there; a name that is neither one's is refused.

    \b
    Example: thcore snapshots drop --dataset nova_juno
    """
    chosen = list(_chosen(premises, which))
    if not chosen and not (everything or names):
        raise click.UsageError("say which: SNAPSHOT, --dataset NAME or --all; thcore snapshots list shows them")
    owners = {place: _owner(place) for place in shelf.places(premises.state)}
    if names:
        kept = (owner for owner in owners.values() if owner is not None)
        catalogue.refuse_unknown(names, (*kept, *(entry.name for entry in catalogue.entries(premises))))
    chosen += [place for place, owner in owners.items() if (everything or owner in names) and place not in chosen]
    told = [{"snapshot": place.name, "removed": shelf.take_away(place)} for place in chosen]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif not told:
        click.echo(_NONE)
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


def _owner(place: Path) -> str | None:
    """The dataset that a snapshot is of. None: it is damaged."""
    record = shelf.read(place)
    return record.key.dataset if record else None


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
