"""``thcore datasets list``, ``show``, ``verify`` and ``fingerprint``: commands that change no dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from thcore.errors import ExitCode, InfrastructureError
from thcore.hooks import Premises, json_option, with_premises
from thcore.model.quantity import format_size
from thplugins_dbmigration import datasets, tables
from thplugins_dbmigration.curation import catalogue
from thplugins_dbmigration.curation.arguments import directory_option, job_option, of_a_dataset
from thplugins_dbmigration.curation.card import Card
from thplugins_dbmigration.curation.catalogue import PLUGIN, Entry
from thplugins_dbmigration.curation.contents import Contents, contents
from thplugins_dbmigration.curation.verification import Check
from thplugins_dbmigration.curation.verification import verify as verified
from thplugins_dbmigration.snapshots import dataset_key, store
from thplugins_dbmigration.tables import say

_NONE = "No datasets; thcore datasets add makes one."


@click.command("list", short_help="List the datasets, and what is wrong with broken ones.")
@click.argument(
    "root", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="[DIRECTORY]"
)
@job_option
@json_option
@with_premises(PLUGIN)
def list_(premises: Premises, root: Path | None, *, job: str | None, as_json: bool) -> None:
    """List the datasets of all jobs, or those below DIRECTORY, and what is wrong with those that cannot be used.

    \b
    Example: thcore datasets list --json | jq -r '.[].name'
    """
    found = catalogue.entries(premises, root=root, job=job)
    cards = [Card.of(entry, premises.state) for entry in found]
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    usable = [card for card in cards if not card.problems]
    if usable:
        table = tables.table("Dataset", "Project", "Type", "Version", "Start", "Size", "Limits", "Releases", "Snapshot")
        for card in usable:
            cells = (card.version, ", ".join(card.start), format_size(card.size), ", ".join(card.limits))
            snapshot = "restored" if card.snapshot else "not yet"
            tables.row(table, card.name, card.project, card.type, *cells, ", ".join(card.releases), snapshot)
        tables.show(table)
    elif not cards:
        say(_NONE)
    for card in cards:
        for problem in card.problems:
            say(f"{card.name}: broken: {problem}")


@click.command(short_help="Say everything about a dataset.")
@of_a_dataset
@json_option
@with_premises(PLUGIN)
def show(premises: Premises, name: str, *, root: Path | None, job: str | None, as_json: bool) -> ExitCode:
    """Say everything about the dataset NAME: what its config.json says, and what is in its database.

    Tables, their rows and the versions of the schema are read from a clone of its snapshot, where there is one; thcore
    datasets verify makes it. Exits with 2 when the dataset cannot be used.

    \b
    Example: thcore datasets show nova_juno
    """
    entry = catalogue.find(premises, name, root=root, job=job)
    card = Card.of(entry, premises.state)
    inside = _inside(premises, entry) if card.snapshot else None
    if as_json:
        click.echo(json.dumps({**asdict(card), "contents": asdict(inside) if inside else None}, indent=2))
    else:
        say(*card.lines())
        _show_contents(inside)
    return ExitCode.UNVERIFIED if card.problems else ExitCode.SUCCESS


@click.command(short_help="Restore a dataset, and compare it with what it says.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--again", is_flag=True, help="Restore it even if there is a snapshot of it.")
@directory_option
@job_option
@json_option
@with_premises(PLUGIN)
def verify(
    premises: Premises, names: tuple[str, ...], *, again: bool, root: Path | None, job: str | None, as_json: bool
) -> ExitCode:
    """Check the datasets NAME, or all: read every byte, restore it on a private server, compare the versions that it
    is at with its start, and open the files of its releases. What was restored stays as a snapshot for builds.

    Exits with 2 when one is not as it should be; the others are checked all the same.

    \b
    Example: thcore datasets verify nova_juno --again
    """
    if names:
        chosen = tuple(catalogue.find(premises, name, root=root, job=job) for name in names)
    else:
        chosen = catalogue.entries(premises, root=root, job=job)
    told: list[dict[str, Any]] = []
    for entry in chosen:
        checks = _checks(premises, entry, again=again)
        problems = [check for check in checks if check.problem]
        told.append({"dataset": entry.name, "whole": not problems, "checks": [asdict(check) for check in checks]})
        if not as_json:
            say(f"{entry.name}: {'not as it should be' if problems else 'whole'}")
            for check in checks:
                say(*(f"  {check.name}: {line}" for line in (check.problem or check.found).splitlines()))
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif not chosen:
        say(_NONE)
    return ExitCode.SUCCESS if all(entry["whole"] for entry in told) else ExitCode.UNVERIFIED


@click.command(short_help="Print what a dataset's snapshots are known by.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@directory_option
@job_option
@json_option
@with_premises(PLUGIN)
def fingerprint(
    premises: Premises, names: tuple[str, ...], *, root: Path | None, job: str | None, as_json: bool
) -> ExitCode:
    """Print the fingerprint of the datasets NAME, or of all: 64 digits that change when what gets restored changes.

    It is in every result, so that a measurement can be traced to the very data. Exits with 2 when one cannot be read.

    \b
    Example: thcore datasets fingerprint nova_juno
    """
    if names:
        chosen = tuple(catalogue.find(premises, name, root=root, job=job) for name in names)
    else:
        chosen = catalogue.entries(premises, root=root, job=job)
    prints: dict[str, str | None] = {}
    for entry in chosen:
        try:
            prints[entry.name] = datasets.fingerprint(entry.readable, premises.state)
        except InfrastructureError as error:
            prints[entry.name] = None
            say(*(f"Error: {line}" for line in str(error).splitlines()), err=True)
    if as_json:
        click.echo(json.dumps(prints, indent=2))
    elif not chosen:
        say(_NONE, err=True)
    else:
        say(*(f"{digest}  {name}" for name, digest in prints.items() if digest))
    return ExitCode.SUCCESS if None not in prints.values() else ExitCode.UNVERIFIED


def _checks(premises: Premises, entry: Entry, *, again: bool) -> list[Check]:
    if entry.problems:
        return [Check("config.json", problem="\n".join(entry.problems))]
    try:
        with catalogue.opened(premises, entry) as site:
            return list(verified(site, entry, again=again))
    except InfrastructureError as error:  # not even a server is to be had
        return [Check("server", problem=str(error))]


def _inside(premises: Premises, entry: Entry) -> Contents | None:
    """What is in the database, if its snapshot is that of the server here."""
    with catalogue.opened(premises, entry) as site:
        key = dataset_key(site.build, site.engine, site.installation, site.dataset)
        snapshot = store.find(site.build, key)
        if snapshot is None:
            return None
        with site.ground(snapshot, site.place / "data") as ground:
            return contents(ground, entry.options, site.dataset.tool_options)


def _show_contents(inside: Contents | None) -> None:
    if inside is None:
        say("contents: not restored yet; thcore datasets verify does that")
        return
    say(f"server: {inside.server}")
    for source, versions in inside.versions.items():
        say(f"at: {', '.join(versions) or 'nothing'} ({source})")
    table = tables.table("Table", "Rows", "Size", right=("Rows", "Size"))
    for each in inside.tables:
        tables.row(table, each.name, f"{each.rows:,}", "" if each.size is None else format_size(each.size))
    tables.show(table)
