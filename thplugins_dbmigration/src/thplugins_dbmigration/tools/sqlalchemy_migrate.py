"""sqlalchemy-migrate: numbered changes of a repository, run by the project's own command or by its library."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.tools import observed
from thplugins_dbmigration.tools.database_urls import candidates
from thplugins_dbmigration.tools.tool import Guide, OneWay, Project, Stop

PROGRAM = observed.OBSERVER / "sqlalchemy_migrate_upgrade.py"
DOWNGRADE = observed.OBSERVER / "sqlalchemy_migrate_downgrade.py"
CONFIG = "migrate.cfg"
"""The file that makes a directory a repository."""


@frozen
class SqlalchemyMigrateOptions:
    """How the project uses sqlalchemy-migrate."""

    command: tuple[str, ...] | None = option(
        "The project's own command that upgrades its database; templates. Without it, the library upgrades to the "
        "newest version of the repository.",
        default=None,
        example="[nova-manage, --config-file, '{config}/nova.conf', db, sync, --local_cell]",
    )
    repository: str | None = option(
        "The directory with migrate.cfg, relative to the working directory. Without it, the only one of the checkout.",
        default=None,
        example="glance/db/sqlalchemy/migrate_repo",
    )
    repository_id: str | None = option(
        "Whose row of the version table counts. Without it, the repository_id of migrate.cfg; where the checkout has "
        "none, the only row.",
        default=None,
        example="nova",
    )
    version_table: str = option("The table that the versions are kept in.", default="migrate_version")
    drivers: Mapping[str, str] = option(
        "SQLAlchemy's database driver by dialect. Without it, the first that the project has: pymysql, mysqldb or "
        "mysqlconnector; psycopg2 or pg8000.",
        factory=dict,
        example="{mysql: mysqldb}",
    )


class SqlalchemyMigrate:
    """The tool ``sqlalchemy_migrate``. See ``thplugins_dbmigration.tools.tool.Tool``."""

    name = "sqlalchemy_migrate"

    def options(self) -> type[Any]:
        return SqlalchemyMigrateOptions

    def detect(self, directory: Path) -> str | None:
        return ", ".join(str(found.relative_to(directory) / CONFIG) for found in _repositories(directory)) or None

    def versions(
        self,
        build: Build,  # noqa: ARG002 - Tool
        options: SqlalchemyMigrateOptions,
        project: Project,
        chain: str = "",
    ) -> frozenset[str]:
        return observed.versions(project, _tool(options, project), chain)

    def walk(self, build: Build, options: SqlalchemyMigrateOptions, project: Project, guide: Guide) -> Stop:
        return observed.walk(build, project, guide, _tool(options, project), _command(options, project))

    def back(
        self, build: Build, options: SqlalchemyMigrateOptions, project: Project, steps: Sequence[Step]
    ) -> CommandResult:
        """See ``thplugins_dbmigration.tools.tool.Reversible``."""
        if options.command is not None:
            raise OneWay(
                "dbmigration.sqlalchemy_migrate.command says how the project migrates, and not how it goes back"
            )
        if any(step.chain for step in steps):
            raise OneWay("steps of several repositories were run, and only those of the main one can be taken back")
        command = _own(DOWNGRADE, options, project, version=steps[0].parents[0])
        return build.run(command, environment=project.provision.environment)


def _tool(options: SqlalchemyMigrateOptions, project: Project) -> observed.Observed:
    row = options.repository_id or _identity(options, project)
    return observed.Observed(
        name="sqlalchemy_migrate",
        title="sqlalchemy-migrate",
        table=f"{options.version_table}:version" + (f"[repository_id={row}]" if row else ""),
        remedy="say how it gets its URL: dbmigration.variables, files, or sqlalchemy_migrate.command",
    )


def _identity(options: SqlalchemyMigrateOptions, project: Project) -> str | None:
    """Which repository the version table is read for. None when nothing is said, neither here nor there."""
    known = _repositories(project.directory) if options.repository is None else [project.directory / options.repository]
    identities = {_repository_id(path) for path in known} - {None}
    if len(identities) == 1:
        return identities.pop()
    rows = project.server.versions(project.address, f"{options.version_table}:repository_id") or frozenset()
    if len(rows) > 1:
        raise InfrastructureError(
            f"The table {options.version_table} has versions of several repositories ({', '.join(sorted(rows))}); name "
            "the project's main one in dbmigration.sqlalchemy_migrate.repository_id",
            code="options-invalid",
        )
    return next(iter(rows), None)


def _repositories(directory: Path) -> list[Path]:
    return sorted(path.parent for path in directory.rglob(CONFIG) if path.is_file())


def _repository_id(repository: Path) -> str | None:
    parser, path = configparser.RawConfigParser(), repository / CONFIG
    try:  # a checkout is somebody else's: what is no file may have no end
        parser.read_string(path.read_text("utf-8") if path.is_file() else "")
        return parser.get("db_settings", "repository_id")
    except (OSError, ValueError, configparser.Error):
        return None


def _command(options: SqlalchemyMigrateOptions, project: Project) -> Command:
    """The project's command, or our own."""
    if options.command is not None:
        argv = project.placeholders.fill_all(options.command, "sqlalchemy_migrate.command")
        return observed.command_of(project, argv)
    return _own(PROGRAM, options, project)


def _own(program: Path, options: SqlalchemyMigrateOptions, project: Project, **more: Any) -> Command:
    task = {
        "repository": str(_repository(options, project)),
        "urls": candidates(project.address, options.drivers),
        **more,
    }
    python = str(project.provision.environment.python or "python")
    return observed.command_of(project, (python, str(program)), THCORE_TASK=json.dumps(task))


def _repository(options: SqlalchemyMigrateOptions, project: Project) -> Path:
    if options.repository is not None:
        path = project.directory / options.repository
        if not (path / CONFIG).is_file():
            raise ChangeError(
                f"No migration found: {options.repository}, which dbmigration.sqlalchemy_migrate.repository names, has "
                f"no {CONFIG}",
                code="tool-unusable",
            )
        return path
    found = _repositories(project.directory)
    if not found:
        raise ChangeError(
            f"No migration found: the checkout has no {CONFIG}; name the project's own command in "
            "dbmigration.sqlalchemy_migrate.command",
            code="tool-unusable",
        )
    if len(found) > 1:
        told = ", ".join(str(path.relative_to(project.directory)) for path in found)
        raise InfrastructureError(
            f"The checkout has several repositories ({told}); name one in dbmigration.sqlalchemy_migrate.repository",
            code="options-invalid",
        )
    return found[0]
