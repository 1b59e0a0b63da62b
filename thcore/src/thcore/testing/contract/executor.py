"""What every executor does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from attrs import define, field, frozen

from thcore.errors import CancelledError, DeadlineError
from thcore.model import Checkout, Environment, Execution, Severity
from thcore.process import Interrupt, group
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract import hostile
from thcore.testing.contract.bench import Bench, processes
from thcore.testing.contract.kill import killed
from thcore.testing.contract.plugin import PluginContract, given
from thcore.testing.local import NAME
from thcore.testing.tree import write_tree

RUNNING = "it is running"
"""What endless work says in the build log as soon as it has begun."""

_DEADLINE_S = 3.0
_START_S = 60.0
_GRACE_S = 10.0
"""Well over the grace of these builds, 2 s: the machine may be busy."""
_LOOK_S = 0.02


@frozen
class Work:
    """Something for an executor to do: its options, written as in a configuration, and the files of the change."""

    options: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(factory=dict)


class ExecutorContract(PluginContract):
    """Checks of a plugin that implements ``thcore_execute``.

    With its ``options`` and the ``files`` of a change its work is done in a moment and goes well. ``endless`` is work
    that lasts for ever: it writes the line ``it is running`` to the build log, by itself or by a program that prints
    it, and does not end. ``failing`` is work that the change lets fail; None leaves that check out. ``environment`` is
    what the work runs in.
    """

    hook = "thcore_execute"
    files: Any = MappingProxyType({"README": "A project.\n"})
    endless: Any = None
    failing: Any = None
    environment: Any = Environment()

    @pytest.fixture
    def inside(self, request: pytest.FixtureRequest) -> Environment:
        """The environment."""
        environment: Environment = given(request, "environment")
        return environment

    @pytest.fixture
    def for_ever(self, request: pytest.FixtureRequest, bench: Bench) -> tuple[Bench, Mapping[str, str]]:
        """Endless work: the plugin with its options, and the files of the change."""
        work = given(request, "endless")
        assert work is not None, "the suite is given no endless work"
        return bench.with_options(work.options), work.files

    def test_it_answers_how_its_work_ended(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        with bench.build() as build:
            execution = _execute(bench, build, given(request, "files"), inside)

        assert execution.exit_code == 0
        assert not _failures(execution)

    def test_its_artifacts_are_files_of_the_workspace(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        with bench.build() as build:
            execution = _execute(bench, build, given(request, "files"), inside)

            for artifact in execution.artifacts:
                assert artifact.path.is_absolute()
                assert artifact.path.exists()
                assert artifact.path.resolve().is_relative_to(build.workspace.root.resolve())
                name = PurePosixPath(artifact.name)
                assert name.parts
                assert not name.is_absolute()
                assert ".." not in name.parts

    def test_work_that_fails_is_an_answer_and_no_exception(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        work = given(request, "failing")
        if work is None:
            pytest.skip("the suite is given no failing work")
        with bench.build() as build:
            execution = _execute(bench.with_options(work.options), build, work.files, inside)

        assert execution.exit_code != 0 or _failures(execution)

    def test_the_same_work_is_answered_in_the_same_way(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        files = given(request, "files")
        with bench.build("b1") as first, bench.build("b2") as second:
            assert _said(_execute(bench, first, files, inside)) == _said(_execute(bench, second, files, inside))

    def test_hostile_parameters_of_a_build_and_names_of_files_do_no_harm(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        with bench.build(parameters=hostile.PARAMETERS) as build:
            hostile.fill(build.workspace.source)
            execution = _execute(bench, build, given(request, "files"), inside)

        assert execution.exit_code == 0
        assert not _failures(execution)
        assert not [path for path in bench.directory.rglob("*") if path.name == "escape"]

    def test_after_a_kill_the_next_attempt_does_all_of_its_work(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        files = given(request, "files")
        work = partial(_execute, files=files, environment=inside)
        for ground, build_id in killed(bench, work, self.kills):
            with ground.build(build_id) as build:
                ground.clean_up(build)
                ground.clean_up(build)
                shutil.rmtree(build.workspace.root)
            with ground.build(build_id, attempt=2) as build:
                execution = _execute(ground, build, files, inside)
            assert execution.exit_code == 0
            assert not _failures(execution)

    def test_a_build_that_was_cancelled_is_not_executed(
        self, bench: Bench, inside: Environment, request: pytest.FixtureRequest
    ) -> None:
        files = given(request, "files")
        with bench.cancelled() as build, pytest.raises(CancelledError):
            _execute(bench, build, files, inside)

    def test_a_cancel_ends_its_work_soon_and_all_that_it_started(
        self, for_ever: tuple[Bench, Mapping[str, str]], inside: Environment
    ) -> None:
        bench, files = for_ever
        with Interrupt() as interrupt, bench.build(interrupt=interrupt) as build:
            before = set(processes(build.workspace.root))
            with _cancelling(build, interrupt) as watch, pytest.raises(CancelledError):
                _execute(bench, build, files, inside)
            left = set(processes(build.workspace.root)) - before

        assert watch.began, f"the endless work never wrote {RUNNING!r} to the build log"
        assert not watch.late, f"it had not ended {_GRACE_S} s after the cancel"
        assert not left

    def test_the_deadline_ends_its_work_soon_and_all_that_it_started(
        self, for_ever: tuple[Bench, Mapping[str, str]], inside: Environment
    ) -> None:
        bench, files = for_ever
        with bench.build(timeout_s=_DEADLINE_S) as build:
            before = set(processes(build.workspace.root))
            with _timing(build, _DEADLINE_S + _GRACE_S) as watch, pytest.raises(DeadlineError):
                _execute(bench, build, files, inside)
            left = set(processes(build.workspace.root)) - before

        assert not watch.late, f"it had not ended {_GRACE_S} s after the deadline"
        assert not left


def _execute(bench: Bench, build: ProvidedBuild, files: Mapping[str, str], environment: Environment) -> Execution:
    write_tree(build.workspace.source, files)
    checkout = Checkout(build.workspace.source, "1" * 40)
    return bench.plugins.execute(NAME, build, bench.options, checkout, environment)


def _said(execution: Execution) -> tuple[object, ...]:
    """What an execution says of the change."""
    return execution.exit_code, [(finding.code, finding.severity) for finding in execution.findings]


def _failures(execution: Execution) -> list[str]:
    return [finding.message for finding in execution.findings if finding.severity is Severity.FAILURE]


@define
class _Watch:
    """Looks at work from another thread. When the work is late its processes are killed, so that the check ends."""

    build: ProvidedBuild
    began: bool = False
    late: bool = False
    over: threading.Event = field(factory=threading.Event)

    def cancel_when_running(self, interrupt: Interrupt) -> None:
        give_up = time.monotonic() + _START_S
        while not self.over.wait(_LOOK_S) and time.monotonic() < give_up:
            if RUNNING.encode() in self.build.workspace.log.read_bytes():
                self.began = True
                break
        interrupt.cancel("cancelled by the suite")
        self.expect_end_in(_GRACE_S)

    def expect_end_in(self, seconds: float) -> None:
        if not self.over.wait(seconds):
            self.late = True
            group.end_these(processes(self.build.workspace.root), 0.0)


@contextmanager
def _cancelling(build: ProvidedBuild, interrupt: Interrupt) -> Iterator[_Watch]:
    watch = _Watch(build)
    with _beside(watch, threading.Thread(target=watch.cancel_when_running, args=(interrupt,))):
        yield watch


@contextmanager
def _timing(build: ProvidedBuild, seconds: float) -> Iterator[_Watch]:
    watch = _Watch(build)
    with _beside(watch, threading.Thread(target=watch.expect_end_in, args=(seconds,))):
        yield watch


@contextmanager
def _beside(watch: _Watch, thread: threading.Thread) -> Iterator[None]:
    thread.start()
    try:
        yield
    finally:
        watch.over.set()
        thread.join()
