"""What holds for every plugin, whichever stage it does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from thcore.hooks import Workspace
from thcore.model import Attempt
from thcore.plugins.imports import private_imports
from thcore.process import group
from thcore.testing.contract.bench import Bench, processes
from thcore.testing.local import NAME, load

_PATIENCE_S = 2.0


class PluginContract:
    """Checks for every plugin. The classes of the stages inherit them.

    ``plugin`` is the object that the entry point names. What else a suite is given is an attribute of the class or a
    pytest fixture of that name. ``options`` and ``settings`` are written as in a configuration: a mapping. ``change``
    is what the builds test. ``provide``, a fixture, is a function from a revision to what ``build.provision`` answers.
    ``kills`` is at how many moments the work of the stage is killed; each costs a build or two.
    """

    plugin: ClassVar[object]
    options: Any = None
    settings: Any = None
    change: Any = None
    provide: Any = None
    kills: ClassVar[int] = 3
    hook: ClassVar[str] = ""

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
        """The plugin with its options, and what its builds are about."""
        plugin = load(self.plugin)
        options, settings = plugin.options(given(request, "options")), plugin.settings(given(request, "settings"))
        change, provide = given(request, "change"), given(request, "provide")
        return Bench(tmp_path / "contract", plugin, options, settings, change, provide)

    @pytest.fixture(autouse=True)
    def leaves_no_process(self, tmp_path: Path) -> Iterator[None]:
        """After each check nothing runs that was not there before."""
        before = processes(tmp_path)
        yield
        left = group.outlasting(set(processes(tmp_path)) - set(before), _PATIENCE_S)
        assert not left, "the plugin has left processes behind"

    def test_it_can_be_loaded_and_does_its_stage(self) -> None:
        hooks = load(self.plugin).hooks

        assert not self.hook or self.hook in hooks

    def test_it_imports_only_what_is_public_of_thcore(self) -> None:
        assert private_imports(self.plugin) == []

    def test_its_options_and_settings_can_be_read_from_a_configuration(self, bench: Bench) -> None:
        entry = bench.plugins.get(NAME)

        assert entry.options is None or isinstance(bench.options, entry.options)
        assert entry.settings is None or isinstance(bench.settings, entry.settings)

    def test_cleanup_may_come_twice_and_for_an_attempt_that_never_was(self, bench: Bench) -> None:
        root = Workspace(bench.directory / "workspace-gone").root
        attempt = Attempt("b-that-never-was", "job", 3, root, bench.directory / "state-gone")

        bench.plugins.cleanup(NAME, attempt, bench.options)
        bench.plugins.cleanup(NAME, attempt, bench.options)

        assert not root.exists()


def given(request: pytest.FixtureRequest, name: str) -> Any:
    """What a suite is given under a name: the value of the class's attribute, or what the fixture answers."""
    value = getattr(request.instance, name)
    return request.getfixturevalue(name) if callable(value) else value
