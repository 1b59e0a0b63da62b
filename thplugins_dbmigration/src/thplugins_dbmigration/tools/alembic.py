"""Alembic: the real revisions of the project, walked one at a time by the project's own Alembic."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.messages import NOT_IMPORTED
from thplugins_dbmigration.tools.alembic_talk import Talk, Walk, sentence
from thplugins_dbmigration.tools.tool import Plan, Project, Stop

PROGRAM = Path(__file__).with_name("alembic_walk.py")

DRIVERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb"), ("mysqlconnector", "mysql.connector")),
    "postgresql": (("psycopg2", "psycopg2"), ("psycopg", "psycopg"), ("pg8000", "pg8000")),
}
"""SQLAlchemy's drivers by dialect, each with its module, in the order in which they are tried."""


@frozen
class AlembicOptions:
    """How the project uses Alembic."""

    config: str = option("Alembic's configuration file, relative to the working directory.", default="alembic.ini")
    name: str = option("The section of that file that Alembic reads.", default="alembic")
    script_location: str | None = option(
        "Where the migration scripts are, instead of what the file says.", default=None
    )
    version_table: str = option("The table that the project keeps its versions in.", default="alembic_version")
    drivers: Mapping[str, str] = option(
        "SQLAlchemy's database driver by dialect. Without it, the first that the project has: pymysql, mysqldb or "
        "mysqlconnector; psycopg2, psycopg or pg8000.",
        factory=dict,
        example="{postgresql: asyncpg}",
    )
    url_option: str = option(
        "The option of Alembic's configuration that is set to the database's URL; empty: none. The URL is also in "
        "the environment, as DATABASE_URL (where the job does not set that) and THCORE_DATABASE_URL.",
        default="sqlalchemy.url",
    )
    x_arguments: tuple[str, ...] = option(
        "Arguments of alembic -x; templates.", default=(), example="['dbPath={url:pymysql}']"
    )


class Alembic:
    """The tool ``alembic``. See ``thplugins_dbmigration.tools.tool.Tool``."""

    name = "alembic"

    def options(self) -> type[Any]:
        return AlembicOptions

    def plan(self, build: Build, options: AlembicOptions, project: Project) -> Plan:
        talk = Talk(_task(options, project, "plan"))
        result = _run(build, project, talk)
        if talk.plan is None:
            raise _unusable(talk, project, result)
        answer = talk.plan
        listed = self.current(build, options, project)
        _same_database(options, frozenset(answer["current"]), frozenset(answer["tables"]), listed)
        return Plan(
            current=listed,
            head=frozenset(answer["head"]),
            implied=frozenset(answer["implied"]),
            steps=tuple(_step(row, project.provision.checkout.path) for row in answer["steps"]),
        )

    def current(self, build: Build, options: AlembicOptions, project: Project) -> frozenset[str]:  # noqa: ARG002 - Tool
        return project.server.versions(project.address, options.version_table) or frozenset()

    def walk(
        self,
        build: Build,
        options: AlembicOptions,
        project: Project,
        steps: Sequence[Step],
        *,
        before: Callable[[Step], None],
        after: Callable[[Step, bool], None],
    ) -> Stop:
        task = {**_task(options, project, "walk"), "steps": [step.version for step in steps]}
        walk = Walk(tuple(steps), before, after, lambda: self.current(build, options, project))
        talk = Talk(task, walk)
        result = _run(build, project, talk)
        if talk.unusable is not None:
            raise _unusable(talk, project, result)
        return walk.stop(result)


def _task(options: AlembicOptions, project: Project, mode: str) -> dict[str, Any]:
    config = project.directory / options.config
    if not config.is_file() and options.script_location is None and not _in_pyproject(project.directory):
        raise ChangeError(
            f"The checkout has no {_inside(config, project)}, Alembic's configuration; if the project has it "
            "elsewhere, say so in dbmigration.working_directory or dbmigration.alembic.config",
            code="tool-unusable",
        )
    dialect = project.address.dialect
    wanted = options.drivers.get(dialect)
    known = DRIVERS.get(dialect, (("", ""),))
    candidates = ((wanted, dict(known).get(wanted, "")),) if wanted else known
    return {
        "mode": mode,
        "config": str(config) if config.is_file() else None,
        "section": options.name,
        "script_location": options.script_location,
        "url_option": options.url_option,
        "urls": [[module, project.address.url(driver or None)] for driver, module in candidates],
        "x": list(project.placeholders.fill_all(options.x_arguments, "alembic.x_arguments")),
        "steps": [],
    }


def _inside(path: Path, project: Project) -> str:
    return os.path.relpath(path, project.provision.checkout.path)


def _in_pyproject(directory: Path) -> bool:
    try:
        return "alembic" in tomllib.loads((directory / "pyproject.toml").read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False


def _run(build: Build, project: Project, talk: Talk) -> CommandResult:
    environment = project.provision.environment
    python = str(environment.python or "python")
    command = Command(
        (python, str(PROGRAM)), cwd=project.directory, env=dict(project.variables), source=project.log_source
    )
    result = build.run(command, environment=environment, converse=talk)
    talk.raise_kept()
    return result


def _unusable(talk: Talk, project: Project, result: CommandResult) -> Exception:
    """Why the project cannot be read, as the exception to raise."""
    if talk.unusable is None:
        last = f"; its last line: {result.tail[-1]}" if result.tail else ""
        return ChangeError(
            f"Alembic ended before it had read the migrations: {result.reason()}{last}", code="tool-unusable"
        )
    kind, error = talk.unusable["kind"], talk.unusable["error"]
    words = sentence(error)
    if kind == "import":
        return ChangeError(f"{NOT_IMPORTED} {words}", code="import-failed")
    if kind == "driver":
        return InfrastructureError(
            f"The project's environment has no driver for {project.address.dialect}; looked for {error['message']}. "
            "Add one to the packages of the environment, or name another in dbmigration.alembic.drivers",
            code="driver-missing",
        )
    if kind == "database":
        return InfrastructureError(f"The project's env.py cannot use the database: {words}", code="database-unusable")
    return ChangeError(f"Alembic cannot read the project's migrations: {words}", code="tool-unusable")


def _same_database(
    options: AlembicOptions, found: frozenset[str], tables: frozenset[str], listed: frozenset[str]
) -> None:
    """Make sure that env.py looked at the database that it was given: one with an address of its own would be migrated,
    and pass, while the dataset stays as it is."""
    if found == listed:
        return
    if tables and options.version_table not in tables:
        told = f"it keeps its versions in {', '.join(sorted(tables))}; set dbmigration.alembic.version_table"
    else:
        told = (
            f"there it finds {', '.join(sorted(found)) or 'no version'}, but the dataset is at "
            f"{', '.join(sorted(listed)) or 'no version'}; say how it gets its URL: dbmigration.alembic.url_option, "
            "x_arguments, or dbmigration.variables"
        )
    raise InfrastructureError(f"The project's env.py does not look where it should: {told}", code="wrong-database")


def _step(row: Mapping[str, Any], checkout: Path) -> Step:
    path = Path(row["path"])
    inside = path.is_relative_to(checkout)
    return Step(
        version=row["version"],
        parents=tuple(row["parents"]),
        title=row["title"],
        path=str(path.relative_to(checkout)) if inside else None,
    )
