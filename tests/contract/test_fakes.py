"""What stands in for a plugin in a test passes the suites that plugins pass."""

from __future__ import annotations

import pytest
from attrs import evolve

from thcore.errors import ChangeError
from thcore.hooks import Build
from thcore.model import Change, ChangeKind, Command, Environment, Execution, Finding, Severity
from thcore.testing.contract import (
    AnalyserContract,
    CheckoutContract,
    EnvironmentContract,
    ExecutorContract,
    PublisherContract,
    Work,
)
from thcore.testing.fakes import FakeAnalyser, FakeCheckout, FakeEnvironment, FakeExecutor, FakePublisher

CHANGE = Change("example/project", ChangeKind.CHANGE, "main", "refs/changes/45/12345/2", "1" * 40)


class TestFakeCheckout(CheckoutContract):
    plugin = FakeCheckout(files={"new.txt": "new\n", "deep/er.txt": "deeper\n"}, missing=("gone",))
    change = CHANGE
    missing = evolve(CHANGE, branch="gone")


def whole(build: Build) -> Environment:
    if (build.workspace.source / "broken").exists():
        raise ChangeError("the project is broken")
    return Environment()


class TestFakeEnvironment(EnvironmentContract):
    plugin = FakeEnvironment(whole, programs={"inside": "#!/bin/sh\nexit 0\n"})
    program = ("inside",)
    broken = {"broken": ""}  # noqa: RUF012 - read only


def script(build: Build) -> Execution:
    return Execution(build.run(Command(("sh", "./job.sh"), cwd=build.workspace.source)).exit_code)


class TestFakeExecutor(ExecutorContract):
    plugin = FakeExecutor(script)
    files = {"job.sh": "exit 0\n"}  # noqa: RUF012 - read only
    endless = Work(files={"job.sh": "echo it is running; sleep 600\n"})
    failing = Work(files={"job.sh": "exit 3\n"})


def ended_badly(_build: Build, execution: Execution) -> tuple[Finding, ...]:
    return (Finding("ended-badly", Severity.FAILURE, "It ended badly"),) if execution.exit_code else ()


class TestFakeAnalyser(AnalyserContract):
    plugin = FakeAnalyser(ended_badly)


class TestFakePublisher(PublisherContract):
    @pytest.fixture(autouse=True)
    def empty(self) -> None:
        self.plugin = FakePublisher()

    def read_back(self, options: None, log_path: str, name: str) -> bytes | None:  # noqa: ARG002 - it has none
        return self.plugin.published.get(log_path, {}).get(name)
