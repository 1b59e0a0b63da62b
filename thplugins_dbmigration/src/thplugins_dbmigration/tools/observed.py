"""Walking a project's own command, whose steps an observer tells. What the drivers of observed tools share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.messages import NOT_IMPORTED
from thplugins_dbmigration.tools.conversation import Conversation
from thplugins_dbmigration.tools.told import ChainShown, ShownStep
from thplugins_dbmigration.tools.tool import Guide, Plan, Project, Stop

OBSERVER = Path(__file__).parents[1] / "observer"
"""Goes in front of the PYTHONPATH of the project's command."""
_DIALECTS = {"mariadb": "mysql"}
_DATABASE = re.compile(
    r"(sqlalchemy|django\.db|pymysql|MySQLdb|psycopg2?|sqlite3)\.(.*\.)?(OperationalError|InterfaceError)"
)


@frozen
class Observed:
    """A tool whose steps are observed. ``name`` is what its observer says, and its key in the options; ``title`` is how
    messages call it. ``table`` holds the versions of its main chain, as ``Server.versions`` takes it. ``remedy`` says
    what to write when the project looks at another database than the one that it was given. Where that table lists
    every migration that was ever applied, ``standing`` answers which of them stand for all."""

    name: str
    title: str
    table: str
    remedy: str
    standing: Callable[[frozenset[str]], frozenset[str]] = lambda versions: versions


def walk(build: Build, project: Project, guide: Guide, tool: Observed, command: Command) -> Stop:
    """Run ``command`` (see ``command_of``) under the observer, led by ``guide``. Raises what the guide raises, and
    ChangeError or InfrastructureError when the command shows no migrations, or fails where it has none to run."""
    conversation = Conversation(
        guide,
        plan=lambda shown: _plan(project, tool, shown),
        versions=lambda chain: versions(project, tool, chain),
    )
    result = build.run(command, environment=project.provision.environment, converse=conversation)
    conversation.raise_kept()
    if conversation.silent:
        raise _unusable(conversation, project, tool, result)
    return conversation.stop(result)


def command_of(project: Project, argv: tuple[str, ...], **variables: str) -> Command:
    """A command of the project that tells its steps. ``variables`` are added to its environment."""
    own = project.variables.get("PYTHONPATH") or project.provision.environment.variables.get("PYTHONPATH")
    path = f"{OBSERVER}:{own}" if own else str(OBSERVER)
    env = {**variables, **project.variables, "PYTHONPATH": path}
    return Command(argv, cwd=project.directory, env=env, source=project.log_source)


def versions(project: Project, tool: Observed, chain: str = "") -> frozenset[str]:
    """What the database lists for a chain."""
    address, table = _place(project.address, tool, chain)
    listed = project.server.versions(address, table) or frozenset()
    return listed if chain else tool.standing(listed)


def _place(address: Address, tool: Observed, chain: str) -> tuple[Address, str]:
    """Where a chain keeps its versions: in ``table``, ``database.table`` or ``database.schema.table``."""
    database, _, table = chain.partition(".")
    if not chain:
        return address, tool.table
    return (evolve(address, database=database), table) if table else (address, chain)


def _chain(address: Address, tool: Observed, shown: ChainShown) -> str:
    """The name of a chain that shows itself."""
    if shown.database in {"", address.database} or address.dialect == "sqlite":
        if shown.tool == tool.name and shown.table == tool.table:
            return ""
        return f"{address.database}.{shown.table}" if "." in shown.table else shown.table
    return f"{shown.database}.{shown.table}"


def _plan(project: Project, tool: Observed, shown: ChainShown) -> Plan:
    chain = _chain(project.address, tool, shown)
    current, head = shown.current, shown.head
    if not chain:
        current, head = tool.standing(current), tool.standing(head)
    _same_database(project, tool, evolve(shown, current=current), versions(project, tool, chain))
    project.server.start_counting(project.address)
    checkout = project.provision.checkout.path
    steps = tuple(_step(row, checkout, chain) for row in shown.steps)
    table = VersionTable.parse(shown.table).counted
    return Plan(current, head, steps, shown.implied, chain, table, shown.names)


def _same_database(project: Project, tool: Observed, shown: ChainShown, listed: frozenset[str]) -> None:
    """Make sure that the project looks at the database that it was given: one with an address of its own would be
    migrated, and pass, while the dataset stays as it is."""
    address = project.address
    dialect = _DIALECTS.get(shown.dialect, shown.dialect)
    if dialect not in {"", address.dialect}:
        told = f"it uses {dialect}, but the dataset is in {address.dialect}"
    elif dialect == "sqlite" and Path(shown.database or "/").resolve() != Path(address.database).resolve():
        told = f"it uses {shown.database or 'a database in memory'}, which is not the dataset's"
    elif not _same_versions(shown, listed):
        told = (
            f"there it finds {', '.join(sorted(shown.current)) or 'no version'}, but the dataset is at "
            f"{', '.join(sorted(listed)) or 'no version'}"
        )
    else:
        return
    raise InfrastructureError(
        f"The project does not look where it should: {told}; {tool.remedy}", code="wrong-database"
    )


def _same_versions(shown: ChainShown, listed: frozenset[str]) -> bool:
    """Whether a project finds what the database lists: that may be all that it has been through, not only the last."""
    return shown.current <= listed <= shown.current | shown.implied and bool(shown.current) == bool(listed)


def _step(shown: ShownStep, checkout: Path, chain: str) -> Step:
    path = Path(os.path.normpath(shown.path)) if shown.path else None
    inside = str(path.relative_to(checkout)) if path is not None and path.is_relative_to(checkout) else None
    return Step(shown.version, shown.parents, shown.title, inside, chain)


def _unusable(conversation: Conversation, project: Project, tool: Observed, result: CommandResult) -> Exception:
    """Why no migration has shown itself, as the exception to raise."""
    error = conversation.unusable
    if error is None:
        last = f"; its last line: {result.tail[-1]}" if result.tail else ""
        return ChangeError(
            f"No migration found: {tool.title} showed none before the command ended: {result.reason()}{last}",
            code="tool-unusable",
        )
    words = error.sentence()
    if error.type == "NoDriverError":
        return InfrastructureError(
            f"The project's environment has no driver for {project.address.dialect}; looked for {error.message}. "
            f"Add one to the packages of the environment, or name another in dbmigration.{tool.name}.drivers",
            code="driver-missing",
        )
    if "builtins.ImportError" in error.bases:
        return ChangeError(f"{NOT_IMPORTED} {words}", code="import-failed")
    if any(_DATABASE.fullmatch(base) for base in error.bases):
        return InfrastructureError(f"The project cannot use the database: {words}", code="database-unusable")
    return ChangeError(f"{tool.title} cannot read the project's migrations: {words}", code="tool-unusable")
