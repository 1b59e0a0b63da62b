"""What every environment does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

import shutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from thcore.errors import CancelledError, ChangeError, DeadlineError, InfrastructureError
from thcore.model import Checkout, Command, Environment
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract import hostile
from thcore.testing.contract.bench import Bench, passed_on
from thcore.testing.contract.kill import killed
from thcore.testing.contract.plugin import PluginContract, given
from thcore.testing.local import NAME
from thcore.testing.tree import write_tree

_SECRET = "THCORE_CONTRACT_SECRET"  # noqa: S105 - the name of a variable


class EnvironmentContract(PluginContract):
    """Checks of a plugin that implements ``thcore_environment``.

    ``project`` is a small project, files by name, and ``program`` a program that succeeds inside its environment but
    needs it, such as an import of the project. ``broken`` is a project whose environment cannot be made; None leaves
    that check out.
    """

    hook = "thcore_environment"
    project: Any = MappingProxyType({"README": "A project.\n"})
    program: Any = ("true",)
    broken: Any = None

    @pytest.fixture
    def files(self, request: pytest.FixtureRequest) -> Mapping[str, str]:
        """The project."""
        files: Mapping[str, str] = given(request, "project")
        return files

    @pytest.fixture
    def inside(self, request: pytest.FixtureRequest) -> tuple[str, ...]:
        """The program."""
        return tuple(given(request, "program"))

    def test_programs_run_inside_it(self, bench: Bench, files: Mapping[str, str], inside: tuple[str, ...]) -> None:
        with bench.build() as build:
            _runs(build, _make(bench, build, files), inside)

    def test_nothing_of_the_workers_own_environment_leaks_into_it(
        self, bench: Bench, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(_SECRET, "do not tell")
        with bench.build() as build:
            environment = _make(bench, build, files)
            result = build.run(Command(("env",), capture=True), environment=environment)

            assert result.ok, result.tail
            assert b"PATH=" in result.stdout
            assert _SECRET.encode() not in result.stdout
            assert b"do not tell" not in result.stdout

    def test_a_second_build_gets_the_same_and_outlives_the_first(
        self, bench: Bench, files: Mapping[str, str], inside: tuple[str, ...]
    ) -> None:
        with bench.build("b1") as first, bench.build("b2") as second:
            before, after = _make(bench, first, files), _make(bench, second, files)
            assert before.description == after.description
            _runs(first, before, inside)
            bench.clean_up(first)
            shutil.rmtree(first.workspace.root)
            _runs(second, after, inside)

    def test_a_broken_project_is_told_as_such(self, bench: Bench, request: pytest.FixtureRequest) -> None:
        broken = given(request, "broken")
        if broken is None:
            pytest.skip("the suite is given no broken project")
        with bench.build() as build, pytest.raises((ChangeError, InfrastructureError)):
            _make(bench, build, broken)

    def test_hostile_names_of_files_do_no_harm(
        self, bench: Bench, files: Mapping[str, str], inside: tuple[str, ...]
    ) -> None:
        with bench.build() as build:
            hostile.fill(build.workspace.source)
            try:
                environment = _make(bench, build, files)
            except ChangeError:
                return
            _runs(build, environment, inside)

    def test_a_cancel_is_passed_on(self, bench: Bench, files: Mapping[str, str]) -> None:
        with bench.cancelled() as build, passed_on(CancelledError):
            _make(bench, build, files)

    def test_a_deadline_is_passed_on(self, bench: Bench, files: Mapping[str, str]) -> None:
        with bench.late() as build, passed_on(DeadlineError):
            _make(bench, build, files)

    def test_after_a_kill_the_next_attempt_gets_a_whole_one(
        self, bench: Bench, files: Mapping[str, str], inside: tuple[str, ...]
    ) -> None:
        for ground, build_id in killed(bench, lambda ground, build: _make(ground, build, files), self.kills):
            with ground.build(build_id) as build:
                ground.clean_up(build)
                ground.clean_up(build)
                shutil.rmtree(build.workspace.root)
            with ground.build(build_id, attempt=2) as build:
                _runs(build, _make(ground, build, files), inside)

    def test_cleanup_after_a_build_may_come_twice(
        self, bench: Bench, files: Mapping[str, str], inside: tuple[str, ...]
    ) -> None:
        with bench.build("b1") as build:
            _make(bench, build, files)
            bench.clean_up(build)
            bench.clean_up(build)
        with bench.build("b1", attempt=2) as again:
            _runs(again, _make(bench, again, files), inside)


def _make(bench: Bench, build: ProvidedBuild, files: Mapping[str, str]) -> Environment:
    write_tree(build.workspace.source, files)
    return bench.plugins.environment(NAME, build, bench.options, Checkout(build.workspace.source, "1" * 40))


def _runs(build: ProvidedBuild, environment: Environment, program: tuple[str, ...]) -> None:
    result = build.run(Command(program, cwd=build.workspace.temporary), environment=environment)
    assert result.ok, result.tail
