"""Walking a project's own command, whose steps an observer tells. What the drivers of observed tools share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.messages import NOT_IMPORTED
from thplugins_dbmigration.tools.conversation import Conversation, sentence
from thplugins_dbmigration.tools.tool import Guide, Plan, Project, Stop

OBSERVER = Path(__file__).parents[1] / "observer"
"""Goes in front of the PYTHONPATH of the project's command."""
_DIALECTS = {"mariadb": "mysql"}


@frozen
class Observed:
    """A tool whose steps are observed. ``name`` is what its observer says, and its key in the options; ``title`` is how
    messages call it. ``table`` holds the versions of its main chain, as ``Server.versions`` takes it. ``remedy`` says
    what to write when the project looks at another database than the one that it was given."""

    name: str
    title: str
    table: str
    remedy: str


def walk(build: Build, project: Project, guide: Guide, tool: Observed, command: Command) -> Stop:
    """Run ``command`` (see ``command_of``) under the observer, led by ``guide``. Raises what the guide raises, and
    ChangeError or InfrastructureError when the command shows no migrations."""
    conversation = Conversation(
        guide,
        plan=lambda message: _plan(project, tool, message),
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
    return project.server.versions(address, table) or frozenset()


def _place(address: Address, tool: Observed, chain: str) -> tuple[Address, str]:
    """Where a chain keeps its versions: in ``table``, ``database.table`` or ``database.schema.table``."""
    database, _, table = chain.partition(".")
    if not chain:
        return address, tool.table
    return (evolve(address, database=database), table) if table else (address, chain)


def _chain(address: Address, tool: Observed, message: Mapping[str, Any]) -> str:
    """The name of the chain that a message is about."""
    table, database = message["table"], message["database"]
    if database in {"", address.database} or address.dialect == "sqlite":
        if message["tool"] == tool.name and table == tool.table:
            return ""
        return f"{address.database}.{table}" if "." in table else table
    return f"{database}.{table}"


def _plan(project: Project, tool: Observed, message: Mapping[str, Any]) -> Plan:
    chain = _chain(project.address, tool, message)
    current = frozenset(message["current"])
    _same_database(project, tool, message, current, versions(project, tool, chain))
    project.server.start_counting(project.address)
    return Plan(
        current=current,
        head=frozenset(message["head"]),
        implied=frozenset(message["implied"]),
        steps=tuple(_step(row, project.provision.checkout.path, chain) for row in message["steps"]),
        chain=chain,
    )


def _same_database(
    project: Project, tool: Observed, message: Mapping[str, Any], found: frozenset[str], listed: frozenset[str]
) -> None:
    """Make sure that the project looks at the database that it was given: one with an address of its own would be
    migrated, and pass, while the dataset stays as it is."""
    address = project.address
    dialect = _DIALECTS.get(message["dialect"], message["dialect"])
    if dialect not in {"", address.dialect}:
        told = f"it uses {dialect}, but the dataset is in {address.dialect}"
    elif dialect == "sqlite" and Path(message["database"] or "/").resolve() != Path(address.database).resolve():
        told = f"it uses {message['database'] or 'a database in memory'}, which is not the dataset's"
    elif found != listed:
        told = (
            f"there it finds {', '.join(sorted(found)) or 'no version'}, but the dataset is at "
            f"{', '.join(sorted(listed)) or 'no version'}"
        )
    else:
        return
    raise InfrastructureError(
        f"The project does not look where it should: {told}; {tool.remedy}", code="wrong-database"
    )


def _step(row: Mapping[str, Any], checkout: Path, chain: str) -> Step:
    path = Path(row["path"]) if row.get("path") else None
    inside = path is not None and path.is_relative_to(checkout)
    return Step(
        version=row["version"],
        parents=tuple(row["parents"]),
        title=row.get("title") or "",
        path=str(path.relative_to(checkout)) if path is not None and inside else None,
        chain=chain,
    )


def _unusable(conversation: Conversation, project: Project, tool: Observed, result: CommandResult) -> Exception:
    """Why no migration has shown itself, as the exception to raise."""
    error = conversation.unusable
    if error is None:
        last = f"; its last line: {result.tail[-1]}" if result.tail else ""
        return ChangeError(
            f"No migration found: {tool.title} showed none before the command ended: {result.reason()}{last}",
            code="tool-unusable",
        )
    words, bases = sentence(error), frozenset(error.get("bases", ()))
    if error.get("type") == "NoDriverError":
        return InfrastructureError(
            f"The project's environment has no driver for {project.address.dialect}; looked for {error['message']}. "
            f"Add one to the packages of the environment, or name another in dbmigration.{tool.name}.drivers",
            code="driver-missing",
        )
    if "builtins.ImportError" in bases:
        return ChangeError(f"{NOT_IMPORTED} {words}", code="import-failed")
    if {base.rpartition(".")[2] for base in bases if base.startswith(("sqlalchemy.", "django.db."))} & {
        "OperationalError",
        "InterfaceError",
    }:
        return InfrastructureError(f"The project cannot use the database: {words}", code="database-unusable")
    return ChangeError(f"{tool.title} cannot read the project's migrations: {words}", code="tool-unusable")
