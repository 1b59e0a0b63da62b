"""Django: the migrations of every app, run by the project's own ``migrate``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.tools import observed
from thplugins_dbmigration.tools.tool import Guide, OneWay, Project, Stop

OBSERVED = observed.Observed(
    name="django",
    title="Django",
    table="django_migrations:app+name",
    remedy="say how its settings get the database: dbmigration.variables, files, or django.settings",
)
_MARK = "django"
"""What stands in a manage.py of Django: other frameworks have files of that name."""
_LONGEST = 100_000


@frozen
class DjangoOptions:
    """How the project uses Django."""

    command: tuple[str, ...] | None = option(
        "The project's own command that migrates; templates. Without it, migrate --noinput of the manage.py in the "
        "working directory or in one directory of it, else of python -m django.",
        default=None,
        example="[netbox, migrate, --noinput]",
    )
    settings: str | None = option(
        "The module of settings, as in DJANGO_SETTINGS_MODULE; it may be one of the job's files. Without it, the "
        "project's own.",
        default=None,
        example="gate_settings",
    )
    database: str = option("The database to migrate, by its name in DATABASES. Not for a command.", default="default")
    target: str | None = option(
        "Where to end: at the newest migration of an app, or at one migration. Without it, everything is migrated. Not "
        "for a command.",
        default=None,
        example="shop.0042_order_status",
    )


class Django:
    """The tool ``django``. See ``thplugins_dbmigration.tools.tool.Tool``.

    A version is an app and a migration, ``shop.0042_order_status``. A database lists all that it has been through.
    """

    name = "django"

    def options(self) -> type[Any]:
        return DjangoOptions

    def detect(self, directory: Path) -> str | None:
        program = _manage(directory)
        return str(program.relative_to(directory)) if program else None

    def versions(self, build: Build, options: DjangoOptions, project: Project, chain: str = "") -> frozenset[str]:  # noqa: ARG002 - Tool
        return observed.versions(project, OBSERVED, chain)

    def walk(self, build: Build, options: DjangoOptions, project: Project, guide: Guide) -> Stop:
        return observed.walk(build, project, guide, OBSERVED, _command(options, project, _argv(options, project)))

    def back(self, build: Build, options: DjangoOptions, project: Project, steps: Sequence[Step]) -> CommandResult:
        """See ``thplugins_dbmigration.tools.tool.Reversible``."""
        if options.command is not None:
            raise OneWay("dbmigration.django.command says how the project migrates, and not how it goes back")
        if any(step.chain for step in steps):
            raise OneWay("steps in several databases were run, and only those in the main one can be taken back")
        for app, name in _first(steps).items():
            argv = _argv(options, project, target=(app, name))
            result = build.run(_command(options, project, argv), environment=project.provision.environment)
            if not result.ok:
                break
        return result


def _first(steps: Sequence[Step]) -> dict[str, str]:
    """By app, last one first, the migration before the first of its ``steps``. Django takes back by itself what other
    apps have on top."""
    found: dict[str, str] = {}
    for step in reversed(steps):
        app = step.version.partition(".")[0]
        found[app] = next((parent.partition(".")[2] for parent in step.parents), "zero")
    return found


def _command(options: DjangoOptions, project: Project, argv: tuple[str, ...]) -> Command:
    # What dj-database-url and django-environ look for.
    variables = {"DATABASE_URL": project.address.url()}
    if options.settings is not None:
        variables["DJANGO_SETTINGS_MODULE"] = options.settings
    return observed.command_of(project, argv, **variables)


def _argv(options: DjangoOptions, project: Project, target: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The project's command, or Django's own."""
    if options.command is not None:
        if options.target is not None or options.database != DjangoOptions().database:
            raise _invalid("command", "it is run as it stands; write in it what target and database should say")
        return project.placeholders.fill_all(options.command, "django.command")
    program = _manage(project.directory)
    if program is not None:
        start: tuple[str, ...] = (str(program.relative_to(project.directory)),)
    elif options.settings is not None or "DJANGO_SETTINGS_MODULE" in project.variables:
        start = ("-m", "django")
    else:
        raise ChangeError(
            "The checkout has no manage.py of Django in its working directory, nor in one directory of it; say where "
            "it is in dbmigration.working_directory, or name dbmigration.django.settings or command",
            code="tool-unusable",
        )
    python = str(project.provision.environment.python or "python")
    where = _target(options) if target is None else target
    return (python, *start, "migrate", *where, "--noinput", f"--database={options.database}")


def _target(options: DjangoOptions) -> tuple[str, ...]:
    if options.target is None:
        return ()
    if re.fullmatch(r"\w+(\.\w+)?", options.target) is None:
        raise _invalid("target", f"{options.target!r} is neither an app nor app.migration")
    return tuple(options.target.split("."))


def _manage(directory: Path) -> Path | None:
    """The project's manage.py: in the directory, or in the only directory of it that has one."""
    own = directory / "manage.py"
    if _is_django(own):
        return own
    inside = [program for program in directory.glob("*/manage.py") if _is_django(program)]
    return inside[0] if len(inside) == 1 else None


def _is_django(program: Path) -> bool:
    try:
        if not program.is_file():
            return False
        with program.open(encoding="utf-8", errors="replace") as stream:
            return _MARK in stream.read(_LONGEST)
    except OSError:
        return False


def _invalid(key: str, why: str) -> InfrastructureError:
    return InfrastructureError(f"Option dbmigration.django.{key}: {why}", code="options-invalid")
