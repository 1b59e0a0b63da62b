"""``thcore datasets add`` and ``update``: making datasets, and bringing them forward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

import cattrs
import click

from thcore.hooks import Premises, json_option, with_premises
from thcore.model import Change, ChangeKind, Secret
from thplugins_dbmigration import tables
from thplugins_dbmigration.curation import advance, catalogue, intake
from thplugins_dbmigration.curation.arguments import directory_option, job_option, of_a_dataset, project_option
from thplugins_dbmigration.curation.catalogue import PLUGIN
from thplugins_dbmigration.curation.draft import NAME
from thplugins_dbmigration.curation.intake import Order
from thplugins_dbmigration.curation.source import Source
from thplugins_dbmigration.tables import say

WARNING = (
    "ANONYMISE the data of this dataset before any build sees it. The code of every change that is tested can read all "
    "of it, and what programs print is published. thcore has changed nothing: names, addresses, passwords and keys "
    "are in the dataset as they were in its source."
)


@click.command(short_help="Make a dataset from a dump, or from a database that runs.")
@click.argument("name")
@click.option("--project", required=True, help="The project that the dataset is for, as Zuul names it: example/shop.")
@click.option(
    "--dump",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A dump: SQL, plain or packed with gzip or zstd, or an SQLite database.",
)
@click.option(
    "--url",
    envvar="THCORE_SOURCE_URL",
    show_envvar=True,
    help="A database that runs, to be dumped: mysql://USER@HOST/DATABASE, postgresql://…, sqlite:////FILE. A password "
    "may stand in the variable only, not here.",
)
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help="A file with the password for --url; - is standard input.",
)
@click.option("--type", "kind", help="The engine: mysql, postgresql, sqlite. Default: it is seen.")
@click.option("--database", help="The database to make. Default: named as in the URL.")
@click.option("--user", help="The account to make. Default: named like it.")
@click.option("--start", multiple=True, help="The schema version of the data. May be repeated.")
@click.option("--label", default="", help="The dataset's own version, for people: 2026-11.")
@click.option("--character-set", help="Of the database to make.")
@click.option("--extension", "extensions", multiple=True, help="An extension of PostgreSQL. May be repeated.")
@directory_option
@job_option
@json_option
@with_premises(PLUGIN)
def add(
    premises: Premises,
    name: str,
    *,
    project: str,
    dump: Path | None,
    url: str | None,
    password_file: TextIO | None,
    kind: str | None,
    database: str | None,
    user: str | None,
    start: tuple[str, ...],
    label: str,
    character_set: str | None,
    extensions: tuple[str, ...],
    root: Path | None,
    job: str | None,
    as_json: bool,
) -> None:
    """Make the dataset NAME from a dump (--dump), or from a database that runs (--url), which is only read.

    Writes NAME/config.json and the seed where the job looks for datasets, whole or not at all, and overwrites nothing.
    Anonymise the data; nothing here does that.

    \b
    Example: thcore datasets add shop --project example/shop --dump shop.sql.zst
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter("use letters, digits, _, - and .", param_hint="NAME")
    if dump is not None:
        given_url = click.get_current_context().get_parameter_source("url")
        if given_url is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("say either --dump or --url")
        if password_file is not None:
            raise click.UsageError("--password-file is for --url; a dump has no password")
        source: Source | Path = dump
    elif url is not None:
        source = _source(url, password_file)
    else:
        raise click.UsageError("say where the data comes from: --dump FILE or --url URL")
    order = Order(name, project, kind, database, user, start, label, character_set, extensions)
    job = catalogue.job_of(premises, job)
    place = (root or premises.jobs[job].datasets) / name
    with premises.build(job, Change(project, ChangeKind.BRANCH), timed=False) as build:
        made = intake.take_in(build, order, source, place)
    if as_json:
        click.echo(json.dumps({"dataset": name, "directory": str(place), "type": made.type, "seed": made.seed.name}))
    else:
        say(f"{name}: made in {place}", f"Check it: thcore datasets verify {name}")
    tables.warn(WARNING)


def _source(url: str, password_file: TextIO | None) -> Source:
    try:
        source = Source.parse(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    given = click.get_current_context().get_parameter_source("url")
    if source.password and given is click.core.ParameterSource.COMMANDLINE:
        raise click.BadParameter(
            "everyone on this machine can read the password in a command line; change that password, and give it in "
            "the variable THCORE_SOURCE_URL or with --password-file",
            param_hint="--url",
        )
    if password_file is not None:
        return source.having(Secret(password_file.read().rstrip("\r\n")))
    return source


@click.command(short_help="Walk a dataset forward to a release, its new start.")
@of_a_dataset
@click.option("--to", "release", required=True, help="One of the releases that the dataset climbs through.")
@click.option("--as", "new_name", help="Make a new dataset of this name, and leave the old one as it is.")
@click.option("--label", help="Its new version, for people. Default: the old one, and the release.")
@project_option
@json_option
@with_premises(PLUGIN)
def update(
    premises: Premises,
    name: str,
    *,
    root: Path | None,
    job: str | None,
    release: str,
    new_name: str | None,
    label: str | None,
    project: str | None,
    as_json: bool,
) -> None:
    """Walk the dataset NAME through its releases up to one of them, and make what is there then its seed.

    The walk is that of a build: each release with its own code, environment, tool and fix-ups. What it arrives at is
    dumped, restored again and compared; only then config.json is replaced, with its start, and the releases that are
    left. The old config.json is kept as before-RELEASE.json beside the old seed.

    \b
    Example: thcore datasets update nova_juno --to victoria --as nova_victoria
    """
    entry = catalogue.find(premises, name, root=root, job=job)
    names = [each.name for each in entry.releases]
    if release not in names:
        known = ", ".join(names) or "none: declare them in the dataset's config.json, or in the job"
        raise click.BadParameter(f"{name} climbs through no release {release!r}; there is {known}", param_hint="--to")
    if new_name is not None and not NAME.fullmatch(new_name):
        raise click.BadParameter("use letters, digits, _, - and .", param_hint="--as")
    with catalogue.opened(premises, entry, project) as site:
        made = advance.advance(site, entry, release, label=label, name=new_name)
    if as_json:
        click.echo(json.dumps({"dataset": made.directory.name, **_plain(made)}, indent=2))
        return
    start = ", ".join(made.start) or f"not said, because {release} keeps its version where another tool does not look"
    left = ", ".join(made.releases) or "none"
    say(f"{made.directory.name}: now at {release}; start: {start}; releases left: {left}")
    if made.kept is not None:
        say(f"To go back: mv {made.kept} {made.kept.with_name('config.json')}")


def _plain(made: advance.Advanced) -> dict[str, object]:
    plain: dict[str, object] = cattrs.unstructure(made)
    return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}
