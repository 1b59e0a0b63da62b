"""The project under migration at one revision: its tool, its directory, its variables and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from attrs import evolve, fields, frozen
from cattrs import Converter, transform_error

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Provision
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools import drivers
from thplugins_dbmigration.tools.tool import Project, Stop, Tool
from thplugins_dbmigration.walk.manner import Manner


@frozen
class Chosen:
    """A tool, and the options that the job gives it."""

    tool: Tool
    options: Any


def choose_tool(build: Build, manner: Manner, provision: Provision) -> Chosen:
    """The tool that is named, or what the checkout looks like; says in the build log how it decided. Raises
    InfrastructureError (``tool-missing``, ``options-invalid``) saying what to write."""
    options, dataset = manner.options, manner.dataset
    if manner.tool:
        name, why = manner.tool, "the job says so" if options.tool else "the dataset says so"
    else:
        name, why = _seen(options, directory_of(options, provision))
    build.log(f"the project migrates with {name}: {why}", source=dataset.name)
    tool = drivers.find(name)
    own = getattr(options, name, None) or tool.options()()
    if dataset.tool in {name, None}:
        own = _completed(own, dataset)
    return Chosen(tool, _laid_over(own, manner.tool_options, "tool_options of a release"))


def _seen(options: DbmigrationOptions, directory: Path) -> tuple[str, str]:
    """What the project migrates with, and what tells that."""
    tools = drivers.loadable()
    detected = {tool.name: f"the checkout has {what}" for tool in tools if (what := tool.detect(directory))}
    optioned = {
        tool.name: "the job has options for it"
        for tool in tools
        if getattr(options, tool.name, None) not in (None, tool.options()())
    }
    found = detected or optioned
    if len(found) > 1 and len(detected.keys() & optioned.keys()) == 1:
        found = {name: why for name, why in detected.items() if name in optioned}
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        told = "The project may migrate with " + ", or with ".join(f"{name} ({why})" for name, why in found.items())
    else:
        told = f"Nothing in {options.working_directory} of the checkout tells what the project migrates with"
    raise InfrastructureError(
        f'{told}. Write dbmigration: {{tool: …}} in the job, or "tool": … in the dataset\'s config.json; '
        f"there are {', '.join(sorted(drivers.names()))}",
        code="tool-missing",
    )


def _completed(own: Any, dataset: Dataset) -> Any:
    """The job's options of a tool, with the dataset's where the job keeps to the default."""
    if not dataset.tool_options:
        return own
    default = type(own)()
    set_here = {
        field.name: getattr(own, field.name)
        for field in fields(type(own))
        if getattr(own, field.name) != getattr(default, field.name)
    }
    given = _laid_over(default, dataset.tool_options, f"{dataset.directory}/config.json: tool_options")
    return evolve(given, **set_here)


def _laid_over(own: Any, given: Mapping[str, Any], where: str) -> Any:
    """Options of a tool with others in the place of those that are given."""
    if not given:
        return own
    try:
        read = Converter(forbid_extra_keys=True).structure(dict(given), type(own))
    except Exception as error:  # cattrs raises exception groups of any kind
        problems = "; ".join(transform_error(error, path=where))
        raise InfrastructureError(problems, code="options-invalid") from error
    return evolve(own, **{name: getattr(read, name) for name in given})


def directory_of(options: DbmigrationOptions, provision: Provision) -> Path:
    """The working directory in a checkout. Raises InfrastructureError (``options-invalid``)."""
    return provision.checkout.path / _inside(options.working_directory, "working_directory")


def project(
    build: Build, manner: Manner, provision: Provision, address: Address, server: Server, *, config: Path
) -> Project:
    """The project with its variables filled in, and its files written to the directory ``config``, which is made."""
    options, dataset = manner.options, manner.dataset
    words = Placeholders.of(
        address,
        dataset=dataset.name,
        checkout=provision.checkout.path,
        workspace=build.workspace.root,
        config=config,
        logging_conf=dataset.logging_conf,
    )
    config.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in options.files.items():
        path = config / _inside(name, "files")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words.fill(content, f"files.{name}"), "utf-8")
    return Project(
        provision=provision,
        address=address,
        server=server,
        directory=directory_of(options, provision),
        variables={name: words.fill(text, f"variables.{name}") for name, text in options.variables.items()},
        placeholders=words,
        log_source=dataset.name,
    )


def said(stop: Stop, provision: Provision) -> tuple[str, ...]:
    """All that is told of a step that failed, each line once."""
    lines = (stop.message, *(line for line in stop.evidence if line != stop.message))
    return with_short_paths(lines, provision)


def with_short_paths(lines: Iterable[str], provision: Provision) -> tuple[str, ...]:
    """What a program printed, with paths as they are inside the checkout and the virtual environment: what stands in
    front of them is of this build alone, and long."""
    environments = [path.parent for path in provision.environment.path if (path.parent / "pyvenv.cfg").is_file()]
    shown = list(lines)
    for place in (provision.checkout.path, *environments):
        shown = [line.replace(f"{place}/", "") for line in shown]
    return tuple(shown)


def _inside(path: str, key: str) -> PurePath:
    pure = PurePath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise InfrastructureError(
            f"Option dbmigration.{key}: {path!r} must be a relative path without '..'", code="options-invalid"
        )
    return pure
