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
from thcore.testing.local import LocalPlugin, load
from thcore.testing.stage import Stage, stage


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
