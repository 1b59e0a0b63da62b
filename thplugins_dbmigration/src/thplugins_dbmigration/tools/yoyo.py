"""yoyo: migrations that are known by the names of their files, applied by the project's own yoyo."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.tools import observed, yoyo_files
from thplugins_dbmigration.tools.database_urls import Drivers, candidates
from thplugins_dbmigration.tools.tool import Guide, OneWay, Project, Stop

PROGRAM = observed.OBSERVER / "yoyo_apply.py"
ROLLBACK = observed.OBSERVER / "yoyo_rollback.py"
TABLE = "_yoyo_migration"
LOCK = "yoyo_lock"

DRIVERS: Drivers = {
    "mysql": (("", "pymysql"), ("mysqldb", "MySQLdb")),
    "postgresql": (("", "psycopg2"), ("psycopg", "psycopg")),
}
"""yoyo's drivers by dialect: how its URLs name them, and the module."""


@frozen
class YoyoOptions:
    """How the project uses yoyo."""

    command: tuple[str, ...] | None = option(
        "The project's own command that applies its migrations; templates. Without it, it is `yoyo apply --batch` with "
        "the dataset's URL.",
        default=None,
        example="[python, -m, shop.migrate, '{url}']",
    )
    sources: tuple[str, ...] = option(
        "The directories of the migrations, as yoyo takes them. Without it, those that yoyo.ini names.",
        default=(),
        example="[migrations]",
    )
    version_table: str | None = option(
        f"The table of the applied migrations. Without it, the one that yoyo.ini names, else {TABLE}.",
        default=None,
        example="_yoyo_migration",
    )
    drivers: Mapping[str, str] = option(
        "The driver by dialect, as yoyo's URLs name it. Without it, the first that the project has: pymysql or "
        "mysqldb; psycopg2 or psycopg.",
        factory=dict,
        example="{postgresql: psycopg}",
    )


class Yoyo:
    """The tool ``yoyo``. See ``thplugins_dbmigration.tools.tool.Tool``.

    The versions of a database are the applied migrations that no other applied one depends on.
    """

    name = "yoyo"

    def options(self) -> type[Any]:
        return YoyoOptions

    def detect(self, directory: Path) -> str | None:
        return yoyo_files.INI if (directory / yoyo_files.INI).is_file() else None

    def versions(self, build: Build, options: YoyoOptions, project: Project, chain: str = "") -> frozenset[str]:  # noqa: ARG002 - Tool
        return observed.versions(project, _tool(options, _configured(options, project), project), chain)

    def walk(self, build: Build, options: YoyoOptions, project: Project, guide: Guide) -> Stop:
        configured = _configured(options, project)
        tool = _tool(options, configured, project)
        command = _command(options, configured, project)
        _unlocked(project)
        return observed.walk(build, project, guide, tool, command)

    def back(self, build: Build, options: YoyoOptions, project: Project, steps: Sequence[Step]) -> CommandResult:
        """See ``thplugins_dbmigration.tools.tool.Reversible``."""
        if options.command is not None:
            raise OneWay("dbmigration.yoyo.command says how the project migrates, and not how it goes back")
        command = _own(ROLLBACK, options, project, migrations=[step.version for step in reversed(steps)])
        return build.run(command, environment=project.provision.environment)


def _configured(options: YoyoOptions, project: Project) -> yoyo_files.Configuration:
    """What yoyo.ini says, and the options in its place."""
    said = yoyo_files.configuration(project.directory, project.provision.checkout.path, project.variables)
    return yoyo_files.Configuration(options.sources or said.sources, options.version_table or said.migration_table)


def _tool(options: YoyoOptions, configured: yoyo_files.Configuration, project: Project) -> observed.Observed:
    files = yoyo_files.migrations(project.directory, project.provision.checkout.path, configured.sources)
    return observed.Observed(
        name="yoyo",
        title="yoyo",
        table=f"{configured.migration_table or TABLE}:migration_id",
        remedy="say how it gets its URL: dbmigration.variables, files, or yoyo.command"
        if options.command
        else "is it another table? dbmigration.yoyo.version_table",
        standing=lambda versions: yoyo_files.heads(versions, files),
    )


def _command(options: YoyoOptions, configured: yoyo_files.Configuration, project: Project) -> Command:
    """The project's command, or our own."""
    if options.command is not None:
        return observed.command_of(project, project.placeholders.fill_all(options.command, "yoyo.command"))
    _some(configured, project)
    return _own(PROGRAM, options, project)


def _own(program: Path, options: YoyoOptions, project: Project, **more: Any) -> Command:
    table = ["--migration-table", options.version_table] if options.version_table else []
    task = {
        "arguments": [*table, *options.sources],
        "urls": candidates(project.address, options.drivers, DRIVERS),
        **more,
    }
    python = str(project.provision.environment.python or "python")
    return observed.command_of(project, (python, str(program)), THCORE_TASK=json.dumps(task))


def _some(configured: yoyo_files.Configuration, project: Project) -> None:
    """yoyo itself is content with a directory that does not exist: it applies nothing, and ends well."""
    if not configured.sources:
        raise ChangeError(
            f"No migration found: the checkout has no {yoyo_files.INI} that names sources; say where the migrations "
            "are in dbmigration.yoyo.sources",
            code="tool-unusable",
        )
    inside = not any(source.startswith("package:") for source in configured.sources)
    if inside and not yoyo_files.migrations(project.directory, project.provision.checkout.path, configured.sources):
        raise ChangeError(
            f"No migration found in {', '.join(configured.sources)}, where dbmigration.yoyo.sources or "
            f"{yoyo_files.INI} says that they are",
            code="tool-unusable",
        )


def _unlocked(project: Project) -> None:
    """A dump that was made while migrations ran, or after they were killed, may hold half of one."""
    holders = project.server.versions(project.address, f"{LOCK}:pid")
    if holders:
        raise InfrastructureError(
            f"The dataset is locked: its table {LOCK} says that process {', '.join(sorted(holders))} is migrating, so "
            "the seed was dumped in the middle of a migration, or after one that was killed. Make sure that none is "
            "half done, run `yoyo break-lock` and dump again; or delete the row in an overlay",
            code="database-unusable",
        )
