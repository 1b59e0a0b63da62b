"""Alembic: the real revisions of the project, run by the project's own Alembic."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.tools import observed
from thplugins_dbmigration.tools.database_urls import candidates
from thplugins_dbmigration.tools.tool import Guide, OneWay, Project, Stop

PROGRAM = observed.OBSERVER / "alembic_upgrade.py"
DOWNGRADE = observed.OBSERVER / "alembic_downgrade.py"
MODELS = observed.OBSERVER / "alembic_models.py"
LARGEST = 1024 * 1024
"""Bytes of a report that are read: the project's own process writes it."""


@frozen
class AlembicOptions:
    """How the project uses Alembic."""

    command: tuple[str, ...] | None = option(
        "The project's own command that upgrades its database; templates, {target} among them. It finds the database "
        "through variables and files. Without it, the revisions are run by Alembic as the other options say.",
        default=None,
        example="[neutron-db-manage, --config-file, '{config}/neutron.conf', upgrade, '{target}']",
    )
    back: tuple[str, ...] | None = option(
        "The project's own command that takes its database back to the revision {target}; templates. For the check "
        "round_trip, where there is a command.",
        default=None,
        example="[airflow, db, downgrade, --yes, --to-revision, '{target}']",
    )
    target: str = option(
        "What to upgrade to: heads, a revision, a label, branch@head, +1.", default="heads", example="expand@head"
    )
    config: str = option("Alembic's configuration file, relative to the working directory.", default="alembic.ini")
    name: str = option(
        "The section of that file that Alembic reads; several, one after the other, are separated by commas.",
        default="alembic",
    )
    script_location: str | None = option(
        "Where the migration scripts are, instead of what the file says.", default=None, example="shop/migrations"
    )
    version_table: str = option("The table of the project's main chain of versions.", default="alembic_version")
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

    def detect(self, directory: Path) -> str | None:
        if (directory / "alembic.ini").is_file():
            return "alembic.ini"
        return "[tool.alembic] in pyproject.toml" if _in_pyproject(directory) else None

    def versions(self, build: Build, options: AlembicOptions, project: Project, chain: str = "") -> frozenset[str]:  # noqa: ARG002 - Tool
        return observed.versions(project, _tool(options), chain)

    def walk(self, build: Build, options: AlembicOptions, project: Project, guide: Guide) -> Stop:
        return observed.walk(build, project, guide, _tool(options), _command(options, project))

    def back(self, build: Build, options: AlembicOptions, project: Project, steps: Sequence[Step]) -> CommandResult:
        """See ``thplugins_dbmigration.tools.tool.Reversible``."""
        environment, targets = project.provision.environment, _targets(steps)
        if options.command is None:
            return build.run(_own(DOWNGRADE, options, project, targets=targets), environment=environment)
        if options.back is None:
            raise OneWay("dbmigration.alembic.command has no counterpart; write it in dbmigration.alembic.back")
        for target in targets:
            argv = project.placeholders.having(target=target).fill_all(options.back, "alembic.back")
            result = build.run(observed.command_of(project, argv), environment=environment)
            if not result.ok:
                break
        return result

    def unlike_models(self, build: Build, options: AlembicOptions, project: Project) -> tuple[str, ...] | None:
        """See ``thplugins_dbmigration.tools.tool.Modelled``. Only where the revisions are run as the options say: what
        a command of the project's own does to find its models is not known."""
        if options.command is not None:
            return None
        report = build.workspace.temporary / f"models-{project.log_source}.json"
        report.unlink(missing_ok=True)
        result = build.run(
            _own(MODELS, options, project, report=str(report)), environment=project.provision.environment
        )
        try:
            told = json.loads(report.read_bytes()[:LARGEST]) if result.ok and report.is_file() else None
        except (OSError, ValueError):
            return None
        return tuple(sorted(str(line)[:1000] for line in told)) if isinstance(told, list) else None


def _targets(steps: Sequence[Step]) -> list[str]:
    """What to downgrade to, so that ``steps`` are taken back: what stands on a step that goes, goes with it."""
    if any(step.chain for step in steps):
        raise OneWay("steps of several chains of versions were run, and only those of the main one can be taken back")
    taken = {step.version for step in steps}
    roots = [step for step in reversed(steps) if not taken.intersection(step.parents)]
    if len(roots) > 1 and not all(root.parents for root in roots):
        raise OneWay("the change begins a branch, which has no version to go back to")
    return [root.parents[0] if root.parents else "base" for root in roots]


def _tool(options: AlembicOptions) -> observed.Observed:
    return observed.Observed(
        name="alembic",
        title="Alembic",
        table=options.version_table,
        remedy="say how it gets its URL: dbmigration.alembic.url_option, x_arguments, or dbmigration.variables",
    )


def _command(options: AlembicOptions, project: Project) -> Command:
    """The project's command, or our own."""
    if options.command is not None:
        words = project.placeholders.having(target=options.target)
        return observed.command_of(project, words.fill_all(options.command, "alembic.command"))
    return _own(PROGRAM, options, project)


def _own(program: Path, options: AlembicOptions, project: Project, **task: Any) -> Command:
    python = str(project.provision.environment.python or "python")
    whole = {**_task(options, project), **task}
    return observed.command_of(project, (python, str(program)), THCORE_TASK=json.dumps(whole))


def _task(options: AlembicOptions, project: Project) -> dict[str, Any]:
    """What ``observer/alembic_upgrade.py`` is to do."""
    config = project.directory / options.config
    if not config.is_file() and options.script_location is None and not _in_pyproject(project.directory):
        raise ChangeError(
            f"The checkout has no {_inside(config, project)}, Alembic's configuration; if the project has it "
            "elsewhere, say so in dbmigration.working_directory or dbmigration.alembic.config",
            code="tool-unusable",
        )
    return {
        "config": str(config) if config.is_file() else None,
        "sections": [name.strip() for name in options.name.split(",")],
        "script_location": options.script_location,
        "url_option": options.url_option,
        "urls": candidates(project.address, options.drivers),
        "x": list(project.placeholders.fill_all(options.x_arguments, "alembic.x_arguments")),
        "target": options.target,
    }


def _inside(path: Path, project: Project) -> str:
    return os.path.relpath(path, project.provision.checkout.path)


def _in_pyproject(directory: Path) -> bool:
    path = directory / "pyproject.toml"
    try:  # a checkout is somebody else's: what is no file may have no end
        return path.is_file() and "alembic" in tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False
