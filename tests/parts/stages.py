"""A small plugin for each stage, for running a whole job in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thcore.hooks import Build, hookimpl
from thcore.model import Checkout, Environment, Execution, Finding, Outcome, Publication

COMMIT = "9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4"


class CheckOut:
    """Makes an empty work tree; ``act`` is called first."""

    def __init__(self, act: Callable[[Build], object] = lambda _build: None) -> None:
        self.act = act
        self.changes: list[Any] = []

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        self.changes.append(build.change)
        self.act(build)
        build.workspace.source.mkdir(parents=True)
        return Checkout(build.workspace.source, build.change.commit or COMMIT)


class Surround:
    """Answers an environment made by ``make``."""

    def __init__(self, make: Callable[[Build], Environment] = lambda _build: Environment()) -> None:
        self.make = make

    @hookimpl
    def thcore_environment(self, build: Build) -> Environment:
        return self.make(build)


class Execute:
    """Executes ``act``; what it answers is the execution, None an empty one that went well."""

    def __init__(self, act: Callable[[Build], Execution | None] = lambda _build: None) -> None:
        self.act = act

    @hookimpl
    def thcore_execute(self, build: Build) -> Execution:
        return self.act(build) or Execution(exit_code=0)


class Analyse:
    """Answers what ``act`` makes of the execution."""

    def __init__(self, act: Callable[[Build, Execution], Sequence[Finding]] = lambda _build, _execution: ()) -> None:
        self.act = act
        self.seen: list[Execution] = []

    @hookimpl
    def thcore_analyse(self, build: Build, execution: Execution) -> Sequence[Finding]:
        self.seen.append(execution)
        return self.act(build, execution)


class Publish:
    """Publishes to an address; ``act`` is called first."""

    def __init__(
        self, url: str | None, act: Callable[[Build, Outcome], object] = lambda _build, _outcome: None
    ) -> None:
        self.url = url
        self.act = act
        self.seen: list[Outcome] = []

    @hookimpl
    def thcore_publish(self, build: Build, outcome: Outcome) -> Publication | None:
        self.seen.append(outcome)
        self.act(build, outcome)
        return None if self.url is None else Publication(self.url)


def fail(error: BaseException) -> Callable[..., Any]:
    """An act that raises."""

    def act(*_arguments: object) -> Any:
        raise error

    return act
