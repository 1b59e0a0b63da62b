"""What a job may say to this plugin, and what a worker's configuration may."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from thcore.hooks import option
from thcore.model import Bytes, Seconds
from thplugins_dbmigration.engines.engine import LOADING_MEMORY, MEMORY
from thplugins_dbmigration.tools import drivers
from thplugins_dbmigration.tools.alembic import AlembicOptions
from thplugins_dbmigration.tools.command import CommandOptions
from thplugins_dbmigration.tools.django import DjangoOptions
from thplugins_dbmigration.walk.release import Fixup, Release

LEAST_MEMORY = 16 * 1024 * 1024


class Judge(enum.Enum):
    """Which steps can fail a build."""

    ADDED = "added"
    """Those that the change adds to its target branch; the others can only inform."""
    ALL = "all"
    """Every step; the target branch is not looked at."""


class SilentLoss(enum.Enum):
    """What it is when a step of the change ends well and leaves fewer rows or values than there were."""

    WARNING = "warning"
    """Told; the build may pass."""
    FAILURE = "failure"
    """The build fails."""
    OFF = "off"
    """Rows and values are not counted."""


class PolicyFrom(enum.Enum):
    """Whose policy file counts."""

    TARGET = "target"
    """The target branch's, so that no change excuses itself."""
    CHANGE = "change"
    """The change's own."""


class LearnedLimits(enum.Enum):
    """What it is when a step of the change costs more than builds before have taught."""

    OFF = "off"
    """Nothing is learned."""
    WARNING = "warning"
    """Told; the build may pass."""
    FAILURE = "failure"
    """The build fails."""


class InterruptedRun(enum.Enum):
    """What is killed in the middle of each step of the change, to see whether it can be run again."""

    OFF = "off"
    """Nothing."""
    CLIENT = "client"
    """The project's program."""
    SERVER = "server"
    """The database server."""
    BOTH = "both"
    """First the one, then, on another clone, the other."""


class Weight(enum.Enum):
    """What it is when a check that the job asks for fails."""

    WARNING = "warning"
    """Told; the build may pass."""
    FAILURE = "failure"
    """The build fails."""


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
        example="alembic",
    )
    judge: Judge = option(
        "added: only the steps that the change adds to its target branch can fail it. all: every step can. A build "
        "that has no target branch (timer, tag) judges all.",
        default=Judge.ADDED,
    )
    silent_loss: SilentLoss = option(
        "When a step of the change ends without an error, but rows of a table or values of a column have vanished. "
        "warning: it is told. failure: it fails the build, unless the table or column was dropped. off: rows and "
        "values are not counted.",
        default=SilentLoss.WARNING,
    )
    policy_from: PolicyFrom = option(
        "Whose .thcore.yaml counts. target: the target branch's, so that a change cannot excuse itself. change: the "
        "change's own. A build that has no target branch takes the one of its checkout.",
        default=PolicyFrom.TARGET,
    )
    learned_limits: LearnedLimits = option(
        "When a step of the change costs far more than it did in builds before, where at least 20 are known. warning: "
        "it is told. failure: it fails the build. off: the worker's history is not asked.",
        default=LearnedLimits.WARNING,
    )
    canary: bool = option(
        "Small sessions beside each step of the change find out how long readers and writers of the tables would have "
        "had to wait for it. Not on SQLite.",
        default=True,
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
    releases: tuple[Release, ...] = option(
        "The releases that every dataset climbs through, in this order, before its target branch and the change. A "
        "dataset that says releases itself has its own.",
        default=(),
    )
    fixups: tuple[Fixup, ...] = option(
        "What has to be done to the data on the way through the target branch and the change. As for releases, a "
        "dataset's own count instead.",
        default=(),
    )
    keep_boundaries: bool = option(
        "When a step of the change fails after others of the change, the state before it is made once more and frozen. "
        "The next build of the same commit goes on from there, so that the step is repeated at once.",
        default=False,
    )
    begin_before: str | None = option(
        "The version that a step of the change leads to, as reports write it. The change's leg begins at the state "
        "before that step, which is made once and frozen; what leads there is not judged. For somebody who repeats a "
        "build, with thcore run --option.",
        default=None,
        example="a3f9c1d2e4b5",
    )
    same_schema: bool = option(
        "Compare the schema of the migrated dataset with that of a fresh install, which is what the project's command "
        "makes of an empty database. With Alembic, also with the project's models, where env.py names them.",
        default=False,
    )
    round_trip: bool = option(
        "Take the steps of the change back, and run them again, on a clone, and compare schema and data with what was "
        "there before. Where the tool can go back.",
        default=False,
    )
    interrupted_run: InterruptedRun = option(
        "Kill the project's program, or the database server, in the middle of each step of the change, on a clone, and "
        "run the command again: it must get to the same end, or fail and leave nothing half done.",
        default=InterruptedRun.OFF,
    )
    checks: Weight = option(
        "What it is when same_schema, round_trip or interrupted_run finds something. warning: it is told. failure: it "
        "fails the build.",
        default=Weight.WARNING,
    )
    alembic: AlembicOptions = option("The tool alembic.", factory=AlembicOptions)
    command: CommandOptions = option("The tool command.", factory=CommandOptions)
    django: DjangoOptions = option("The tool django.", factory=DjangoOptions)


def _slots(_instance: Any, _field: Any, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError("there must be at least 1; for one dataset at a time, write 1")


def _memory(_instance: Any, _field: Any, value: int) -> None:
    if value < LEAST_MEMORY:
        raise ValueError("a database server needs at least 16MiB")


@frozen
class DbmigrationSettings:
    """The settings of a worker."""

    mysql_programs: Path | None = option(
        "The directory of mysqld or mariadbd and its clients; without it, they are looked for.",
        default=None,
        example="/opt/mysql-8.4/bin",
    )
    postgresql: Postgresql | None = option(
        "system: the PostgreSQL of this machine. embedded: the one of the extra [embedded]. Without it, the embedded "
        "one where it is installed.",
        default=None,
        example="system",
    )
    postgresql_programs: Path | None = option(
        "The directory of postgres, initdb and their like; without it, they are looked for.",
        default=None,
        example="/usr/lib/postgresql/17/bin",
    )
    dataset_slots: int | None = option(
        "How many datasets of a build are taken through side by side, each with a server and a share of the processors "
        "of its own. Without it, half as many as there are processors, from 1 to 4. Steps that are judged run one at a "
        "time all the same, with no other dataset's step, restore or clone beside them.",
        default=None,
        example="2",
        validator=_slots,
    )
    server_memory: Bytes = option(
        "How much of its tables a database server may keep in memory: innodb_buffer_pool_size, shared_buffers.",
        default=Bytes(MEMORY),
        example="1GiB",
        validator=_memory,
    )
    loading_memory: Bytes = option(
        "The same while a server loads a dataset, which is done once; `server_memory` if that is more. A dump whose "
        "tables and indexes fit loads many times faster than one whose do not.",
        default=Bytes(LOADING_MEMORY),
        example="8GiB",
        validator=_memory,
    )
    account: str | None = option(
        "The account that database servers run as, when the worker runs as root. Without it, one that the system has "
        "for them is taken.",
        default=None,
        example="mysql",
    )
    snapshot_size: Bytes | None = option(
        "How large all snapshots together may be; the least recently used ones go first, never one that a build uses. "
        "Without it, a quarter of the file system that they are on.",
        default=None,
        example="200GiB",
    )
    snapshot_age: Seconds = option(
        "A snapshot that no build has wanted for longer goes.", default=Seconds(30 * 86400.0), example="14d"
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
