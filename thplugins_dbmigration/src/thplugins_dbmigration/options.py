"""What a job may say to this plugin, and what a worker's configuration may."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from thcore.hooks import option
from thplugins_dbmigration.tools import drivers
from thplugins_dbmigration.tools.alembic import AlembicOptions
from thplugins_dbmigration.tools.command import CommandOptions
from thplugins_dbmigration.tools.django import DjangoOptions


class Judge(enum.Enum):
    """Which steps can fail a build."""

    ADDED = "added"
    """Those that the change adds to its target branch; the others can only inform."""
    ALL = "all"
    """Every step; the target branch is not looked at."""


class Postgresql(enum.StrEnum):
    """Which PostgreSQL serves the datasets."""

    SYSTEM = "system"
    EMBEDDED = "embedded"


@frozen
class DbmigrationOptions:
    """The options of a job."""

    datasets: Path = option("The directory of the datasets.", example="/var/lib/thcore/datasets")
    tool: str | None = option(
        "What the project migrates with: one of the tools, or one that another distribution adds. Without it, the "
        "dataset says; else what the checkout looks like, where that is clear.",
        default=None,
    )
    judge: Judge = option(
        "added: only the steps that the change adds to its target branch can fail it. all: every step can. A build "
        "that has no target branch (timer, tag) judges all.",
        default=Judge.ADDED,
    )
    working_directory: str = option("Where the project's programs are run, relative to the checkout.", default=".")
    variables: Mapping[str, str] = option(
        "Added to the environment of the project's programs. Templates, see the placeholders.",
        factory=dict,
        example="{AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: '{url:psycopg2}'}",
    )
    files: Mapping[str, str] = option(
        "Files that the project needs, such as its configuration: name and content, written to the private directory "
        "{config}. Templates, see the placeholders.",
        factory=dict,
        example='{nova.conf: "[database]\\nconnection = {url:pymysql}\\n"}',
    )
    alembic: AlembicOptions = option("The tool alembic.", factory=AlembicOptions)
    command: CommandOptions = option("The tool command.", factory=CommandOptions)
    django: DjangoOptions = option("The tool django.", factory=DjangoOptions)


@frozen
class DbmigrationSettings:
    """The settings of a worker."""

    mysql_programs: Path | None = option(
        "The directory of mysqld or mariadbd and its clients; without it, they are looked for.", default=None
    )
    postgresql: Postgresql | None = option(
        "system: the PostgreSQL of this machine. embedded: the one of the extra [embedded]. Without it, the embedded "
        "one where it is installed.",
        default=None,
    )
    postgresql_programs: Path | None = option(
        "The directory of postgres, initdb and their like; without it, they are looked for.", default=None
    )
    account: str | None = option(
        "The account that database servers run as, when the worker runs as root. Without it, one that the system has "
        "for them is taken.",
        default=None,
    )


def job_options() -> type[Any]:
    """The class of a job's options, with a key for each tool that other distributions add."""
    known = {field.name for field in attrs.fields(DbmigrationOptions)}
    added = {
        tool.name: attrs.field(
            type=tool.options(), factory=tool.options(), metadata={"doc": f"The tool {tool.name}."}, kw_only=True
        )
        for tool in drivers.loadable()
        if tool.name not in known
    }
    if not added:
        return DbmigrationOptions
    return attrs.make_class("DbmigrationOptions", added, bases=(DbmigrationOptions,), frozen=True)
