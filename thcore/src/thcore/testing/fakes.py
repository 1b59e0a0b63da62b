"""A plugin for each stage that needs nothing: no repository, no program, no server.

For the stages beside the one that a test is about. They keep the contract as far as nothing is written to be different:
the contract suites pass on them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import (
    Change,
    Checkout,
    Environment,
    Execution,
    Fence,
    Finding,
    Outcome,
    Publication,
)
from thcore.testing.tree import write_tree

__all__ = [
    "COMMIT",
    "FakeAnalyser",
    "FakeCheckout",
    "FakeEnvironment",
    "FakeExecutor",
    "FakePublisher",
    "raising",
]

COMMIT = "9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4"
"""What is checked out where a change names no commit."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


class FakeCheckout:
    """Writes ``files`` into the work tree, whatever the change is; ``act`` is called before.

    Branches, refs and commits in ``missing`` do not exist. ``changes`` are those that were asked for.
    """

    def __init__(
        self,
        act: Callable[[Build], object] = lambda _build: None,
        *,
        files: Mapping[str, str] | None = None,
        missing: Collection[str] = (),
    ) -> None:
        self.files = dict(files or {})
        self.act = act
        self.missing = missing
        self.changes: list[Change] = []

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        """Write the files. Raises ChangeError for what is missing, and for a commit that is none."""
        build.check()
        self.changes.append(build.change)
        self.act(build)
        change = build.change
        for name in (change.branch, change.ref, change.commit):
            if name is not None and name in self.missing:
                raise ChangeError(f"{change.project} has no {name}")
        commit = change.commit or COMMIT
        if not _COMMIT.fullmatch(commit):
            raise ChangeError(f"{commit!r} is no commit")
        write_tree(build.workspace.source, self.files)
        return Checkout(build.workspace.source, commit)


class FakeEnvironment:
    """Answers what ``make`` makes of the build, with ``programs`` on its PATH: texts of scripts by name."""

    def __init__(
        self,
        make: Callable[[Build], Environment] = lambda _build: Environment(),
        *,
        programs: Mapping[str, str] | None = None,
    ) -> None:
        self.make = make
        self.programs = dict(programs or {})

    @hookimpl
    def thcore_environment(self, build: Build) -> Environment:
        """Write the programs."""
        build.check()
        made = self.make(build)
        if not self.programs:
            return made
        directory = build.workspace.temporary / "programs"
        write_tree(directory, self.programs)
        return Environment(made.variables, (directory, *made.path), made.prefix, made.python, made.description)


class FakeExecutor:
    """Executes ``act``; what it answers is the execution, None one that went well."""

    def __init__(self, act: Callable[[Build], Execution | None] = lambda _build: None) -> None:
        self.act = act

    @hookimpl
    def thcore_execute(self, build: Build) -> Execution:
        """Call ``act``."""
        build.check()
        return self.act(build) or Execution(exit_code=0)


class FakeAnalyser:
    """Answers what ``act`` makes of the execution. ``seen`` are those that were analysed."""

    def __init__(self, act: Callable[[Build, Execution], Sequence[Finding]] = lambda _build, _execution: ()) -> None:
        self.act = act
        self.seen: list[Execution] = []

    @hookimpl
    def thcore_analyse(self, build: Build, execution: Execution) -> Sequence[Finding]:
        """Call ``act``."""
        build.check()
        self.seen.append(execution)
        return self.act(build, execution)


class FakePublisher:
    """Keeps the evidence in memory; ``act`` is called before. ``url`` None: it publishes nothing.

    ``published`` is the content of every file by log path and name, ``seen`` what it was asked to publish. Each
    build has the same address.
    """

    def __init__(
        self,
        url: str | None = "https://logs.example.org/",
        act: Callable[[Build, Outcome], object] = lambda _build, _outcome: None,
    ) -> None:
        self.url = url
        self.act = act
        self.seen: list[Outcome] = []
        self.published: dict[str, Mapping[str, bytes]] = {}
        self._fences: dict[str, Fence] = {}

    @hookimpl
    def thcore_publish(self, build: Build, outcome: Outcome) -> Publication | None:
        """Keep the evidence. Raises InfrastructureError when that of a later attempt is there."""
        build.check()
        self.seen.append(outcome)
        self.act(build, outcome)
        if self.url is None:
            return None
        present = self._fences.get(build.log_path)
        if present is not None and present.after(outcome.fence):
            raise InfrastructureError("a later attempt is published", code="publish-superseded")
        self._fences[build.log_path] = outcome.fence
        self.published[build.log_path] = contents(build.workspace.artifacts)
        return Publication(self.url)


def contents(directory: Path) -> Mapping[str, bytes]:
    """The content of every plain file below a directory, by its name there. Links are not followed."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if stat.S_ISREG(path.lstat().st_mode):
            found[os.fspath(path.relative_to(directory))] = path.read_bytes()
    return found


def raising(error: BaseException) -> Callable[..., Any]:
    """An act that raises."""

    def act(*_arguments: object) -> Any:
        raise error

    return act
