"""Any program that can be told to go to a version: ``nova-manage … db sync N``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, option
from thcore.model import Command, CommandResult, Step
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.tools.tool import Enough, Guide, OneWay, Plan, Project, Stop

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_TROUBLE = re.compile(r"error|exception|fatal|fail", re.IGNORECASE)


@frozen
class CommandOptions:
    """The programs of the project. All are lists of templates, run in the working directory, inside its environment."""

    go: tuple[str, ...] = option(
        "Migrates the database to {step}; {from} is the version before. Required for this tool.",
        default=(),
        example="[nova-manage, --config-file, '{config}/nova.conf', db, sync, --local_cell, '{step}']",
    )
    back: tuple[str, ...] | None = option(
        "Takes the database back to {step} from {from}, the version after it. For the check round_trip.",
        default=None,
        example="[nova-manage, --config-file, '{config}/nova.conf', db, sync, --local_cell, '{step}']",
    )
    current: tuple[str, ...] | None = option(
        "Prints the version of the database. Without it, the version table is read.",
        default=None,
        example="[nova-manage, --config-file, '{config}/nova.conf', db, version]",
    )
    version_table: str | None = option(
        "The table that the project keeps its versions in.", default=None, example="schema_version"
    )
    version_pattern: str | None = option(
        "A regular expression that finds the version in what current and head print: its first group, or all of it. "
        "Without it, the version is their last line.",
        default=None,
        example="'version: ([0-9]+)'",
    )
    steps: tuple[str, ...] | None = option(
        "Prints one step a line, the version and then a title, in the order in which they run. A list of all steps is "
        "cut at the database's version; one that was given {current} is taken as it is.",
        default=None,
        example="[./migrate, list, --after, '{current}']",
    )
    step_files: str | None = option(
        "Instead of steps: the files that hold one step each, as a pattern relative to the checkout. Their names begin "
        "with the number of the version.",
        default=None,
        example="nova/db/sqlalchemy/migrate_repo/versions/*.py",
    )
    head: tuple[str, ...] | None = option(
        "Prints the version that the project ends at. Without it, it is that of the last step.",
        default=None,
        example="[./migrate, head]",
    )


class CommandTool:
    """The tool ``command``. See ``thplugins_dbmigration.tools.tool.Tool``."""

    name = "command"

    def options(self) -> type[Any]:
        return CommandOptions

    def detect(self, directory: Path) -> str | None:  # noqa: ARG002 - Tool
        return None

    def versions(self, build: Build, options: CommandOptions, project: Project, chain: str = "") -> frozenset[str]:  # noqa: ARG002 - Tool
        if options.current is not None:
            return frozenset({self._version(build, options, project, "current", options.current)})
        if options.version_table is None:
            raise _invalid("current", "neither it nor version_table says how to tell the database's version")
        return project.server.versions(project.address, options.version_table) or frozenset()

    def walk(self, build: Build, options: CommandOptions, project: Project, guide: Guide) -> Stop:
        try:
            for step in guide.choose(self._plan(build, options, project)):
                build.check()
                stop = self._go(build, options, project, guide, step)
                if stop.failed is not None:
                    return stop
        except Enough:
            pass
        return Stop()

    def back(self, build: Build, options: CommandOptions, project: Project, steps: Sequence[Step]) -> CommandResult:
        """See ``thplugins_dbmigration.tools.tool.Reversible``."""
        if options.back is None:
            raise OneWay("nothing says how the project goes back; name its program in dbmigration.command.back")
        if not all(step.parents for step in steps):
            raise OneWay("there is no version before the first step")
        for step in reversed(steps):
            words = project.placeholders.having(step="+".join(step.parents), **{"from": step.version})
            result = _run(build, project, words.fill_all(options.back, "command.back"))
            if not result.ok:
                break
        return result

    def _plan(self, build: Build, options: CommandOptions, project: Project) -> Plan:
        if not options.go:
            raise _invalid("go", "it is required: the program that migrates to {step}")
        now = self.versions(build, options, project)
        everything = _from_files(options.step_files, project) if options.step_files else None
        steps = everything if everything is not None else self._printed_steps(build, options, project, now)
        head = _linked_head(everything if everything is not None else steps, now)
        if options.head is not None:
            head = frozenset({self._version(build, options, project, "head", options.head)})
        taken_as_is = everything is None and "{current}" in " ".join(options.steps or ())
        ahead = _linked(steps if taken_as_is else _ahead(steps, now), now)
        return Plan(now, head, ahead, table=VersionTable.parse(options.version_table or "").counted)

    def _go(self, build: Build, options: CommandOptions, project: Project, guide: Guide, step: Step) -> Stop:
        words = project.placeholders.having(step=step.version, **{"from": "+".join(step.parents)})
        argv = words.fill_all(options.go, "command.go")
        guide.before(step)
        result = _run(build, project, argv)
        guide.after(step, result.ok)
        if not result.ok:
            last = _last_words(result)
            rest = tuple(line for line in result.tail if _plain(line) not in {last, ""})
            return Stop(step, message=f"{last} ({result.reason()})", evidence=rest)
        now = self.versions(build, options, project)
        if step.version not in now:
            at = ", ".join(sorted(now)) or "no version"
            return Stop(
                step,
                code="final-version-mismatch",
                message=f"the step ended without an error, but the database is at {at} and not at {step.version}",
                evidence=result.tail,
            )
        return Stop()

    def _printed_steps(
        self, build: Build, options: CommandOptions, project: Project, now: frozenset[str]
    ) -> tuple[Step, ...]:
        if options.steps is None:
            raise _invalid("steps", "neither it nor step_files says which steps there are")
        words = project.placeholders.having(current="+".join(sorted(now)))
        result = _run(build, project, words.fill_all(options.steps, "command.steps"), capture=True)
        _must_end_well(result, "steps")
        rows = (line.split(maxsplit=1) for line in _lines(result) if line.strip())
        return tuple(Step(row[0], title=row[1].strip() if len(row) > 1 else "") for row in rows)

    def _version(
        self, build: Build, options: CommandOptions, project: Project, key: str, templates: tuple[str, ...]
    ) -> str:
        result = _run(build, project, project.placeholders.fill_all(templates, f"command.{key}"), capture=True)
        _must_end_well(result, key)
        lines = [line.strip() for line in _lines(result) if line.strip()]
        if options.version_pattern is not None:
            try:
                found = re.search(options.version_pattern, "\n".join(lines), re.MULTILINE)
            except re.error as error:
                raise _invalid("version_pattern", f"it is no regular expression: {error}") from None
            if found is None:
                raise ChangeError(
                    f"What dbmigration.command.{key} printed has no version: {options.version_pattern!r} is not found",
                    code="tool-unusable",
                )
            return str(found[1] if found.re.groups else found[0])
        if not lines:
            raise ChangeError(f"dbmigration.command.{key} printed no version", code="tool-unusable")
        return lines[-1]


def _invalid(key: str, why: str) -> InfrastructureError:
    return InfrastructureError(f"Option dbmigration.command.{key}: {why}", code="options-invalid")


def _run(build: Build, project: Project, argv: tuple[str, ...], *, capture: bool = False) -> CommandResult:
    command = Command(
        argv, cwd=project.directory, env=dict(project.variables), source=project.log_source, capture=capture
    )
    return build.run(command, environment=project.provision.environment)


def _must_end_well(result: CommandResult, key: str) -> None:
    if not result.ok:
        raise ChangeError(
            f"dbmigration.command.{key} failed: {_last_words(result)} ({result.reason()})", code="tool-unusable"
        )


def _lines(result: CommandResult) -> list[str]:
    return _ANSI.sub("", result.stdout.decode("utf-8", "replace")).splitlines()


def _last_words(result: CommandResult) -> str:
    """The last line that sounds like the error: programs like to say something more after it."""
    spoken = [line for line in map(_plain, result.tail) if line]
    return next((line for line in reversed(spoken) if _TROUBLE.search(line)), spoken[-1] if spoken else "no output")


def _plain(line: str) -> str:
    return _ANSI.sub("", line).strip()


def _from_files(pattern: str, project: Project) -> tuple[Step, ...]:
    """The numbered files of a directory, in the order of their numbers."""
    checkout = project.provision.checkout.path
    if PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
        raise _invalid("step_files", f"{pattern!r} must be a path inside the checkout")
    numbered: dict[int, Step] = {}
    for file in sorted(checkout.glob(pattern)):
        name = re.fullmatch(r"(\d+)[_-]?(.*)", file.stem)
        if name is None:
            continue
        step = Step(name[1].lstrip("0") or "0", title=name[2].replace("_", " "), path=str(file.relative_to(checkout)))
        if int(name[1]) in numbered:
            raise ChangeError(
                f"Two files are step {step.version}: {numbered[int(name[1])].path} and {step.path}",
                code="tool-unusable",
            )
        numbered[int(name[1])] = step
    if not numbered:
        raise ChangeError(f"No migration found: no numbered file matches {pattern}", code="tool-unusable")
    return tuple(numbered[number] for number in sorted(numbered))


def _ahead(steps: Sequence[Step], now: frozenset[str]) -> tuple[Step, ...]:
    """The steps after the one that the database is at."""
    places = [place for place, step in enumerate(steps) if step.version in now]
    if places:
        return tuple(steps[max(places) + 1 :])
    if not now:
        return tuple(steps)
    if all(version.isdigit() for version in (*now, *(step.version for step in steps))):
        highest = max(map(int, now))
        return tuple(step for step in steps if int(step.version) > highest)
    raise ChangeError(
        f"The database is at {', '.join(sorted(now))}, which is not in the list of steps", code="tool-unusable"
    )


def _linked(steps: Iterable[Step], now: frozenset[str]) -> tuple[Step, ...]:
    """The same steps, each starting from the one before it."""
    linked: list[Step] = []
    parents = tuple(sorted(now))
    for step in steps:
        linked.append(Step(step.version, parents, step.title, step.path))
        parents = (step.version,)
    return tuple(linked)


def _linked_head(steps: Sequence[Step], now: frozenset[str]) -> frozenset[str]:
    return frozenset({steps[-1].version}) if steps else now
