"""The pytest plugin for authors of plugins. Opt in, in the top ``conftest.py``::

    pytest_plugins = ["thcore.testing.plugin"]

Nothing of it runs unless a test asks for one of its fixtures. Those of real servers skip the test, saying what is to be
installed, where something is missing; with the setting ``thcore_require`` of pytest, which names them, they fail it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from thcore.testing.finished import FinishedBuild, run_build
from thcore.testing.gearmand import FakeGearmand, Gearmand, GearmanServer
from thcore.testing.git_server import GitServer
from thcore.testing.local import LocalPlugin, load
from thcore.testing.mariadb import MariaDB
from thcore.testing.postgresql import PostgreSQL
from thcore.testing.stage import Stage, stage
from thcore.testing.swift import Swift

__all__ = ["LoadPlugin", "OpenStage", "RunBuild"]


class RunBuild(Protocol):
    """What the fixture ``thcore_build`` is: ``run_build`` without the directory."""

    def __call__(self, job: Any = None, **more: Any) -> FinishedBuild:
        """Do a whole build."""


class OpenStage(Protocol):
    """What the fixture ``thcore_stage`` is: ``stage`` without the directory, until the end of the test."""

    def __call__(self, plugin: object, options: Any = None, **more: Any) -> Stage:
        """Open a build for one plugin."""


class LoadPlugin(Protocol):
    """What the fixture ``thcore_plugin`` is."""

    def __call__(self, plugin: object, name: str = "plugin") -> LocalPlugin:
        """Load a plugin."""


@pytest.fixture
def thcore_build(tmp_path: Path) -> RunBuild:
    """Does a whole build of a job in the test's process; answers what became of it.

    Each call is a build of its own, in a directory of its own.
    """
    numbers = count(1)

    def run(job: Any = None, **more: Any) -> FinishedBuild:
        return run_build(tmp_path / f"build-{next(numbers)}", job, **more)

    return run


@pytest.fixture
def thcore_stage(tmp_path: Path) -> Iterator[OpenStage]:
    """Opens a real build for one plugin, whose stages the test calls one at a time."""
    numbers = count(1)
    with ExitStack() as opened:

        def enter(plugin: object, options: Any = None, **more: Any) -> Stage:
            directory = tmp_path / f"stage-{next(numbers)}"
            return opened.enter_context(stage(directory, plugin, options, **more))

        yield enter


@pytest.fixture
def thcore_plugin() -> LoadPlugin:
    """Loads a class or an object of the test as the worker loads an installed plugin."""
    return load


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's only setting."""
    help_text = (
        "servers that must be installed, of gearmand, git, mariadb, postgresql and swift: no test is skipped for them"
    )
    parser.addini("thcore_require", help_text, type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Let warnings be errors: what the library ``gear`` does is not the author's to mend."""
    for name in ("notifyAll", "setDaemon"):
        config.addinivalue_line("filterwarnings", rf"ignore:{name}\(\) is deprecated:DeprecationWarning")


def installed(config: pytest.Config, name: str, missing: str | None) -> None:
    """Skip the test that asks for a server which is missing, or fail it where the server is required."""
    if missing is None:
        return
    if name in config.getini("thcore_require"):
        pytest.fail(f"{name} is required (thcore_require): {missing}", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def thcore_gearman(pytestconfig: pytest.Config) -> Iterator[GearmanServer]:
    """A Gearman server: gearmand where it is installed, else one inside this process."""
    if "gearmand" in pytestconfig.getini("thcore_require"):
        installed(pytestconfig, "gearmand", Gearmand.missing())
    with FakeGearmand() if Gearmand.missing() else Gearmand() as server:
        yield server


@pytest.fixture(scope="session")
def thcore_git(pytestconfig: pytest.Config) -> Iterator[GitServer]:
    """A git server on the loopback interface, without a repository yet."""
    installed(pytestconfig, "git", GitServer.missing())
    with GitServer() as server:
        yield server


@pytest.fixture(scope="session")
def thcore_mariadb(pytestconfig: pytest.Config) -> Iterator[MariaDB]:
    """A MariaDB server; ``database()`` makes an empty database for a test."""
    installed(pytestconfig, "mariadb", MariaDB.missing())
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def thcore_postgresql(pytestconfig: pytest.Config) -> Iterator[PostgreSQL]:
    """A PostgreSQL server; ``database()`` makes an empty database for a test."""
    installed(pytestconfig, "postgresql", PostgreSQL.missing())
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def thcore_swift(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """An OpenStack Swift."""
    installed(pytestconfig, "swift", Swift.missing())
    with Swift(tmp_path_factory.mktemp("swift")) as server:
        yield server
