"""Where a contract suite calls its plugin: the plugin as it is loaded, its options as they are read, real builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from attrs import evolve, frozen

from thcore.config import convert
from thcore.model import Attempt, Change, Provision
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.plugins import Plugins
from thcore.process import Interrupt
from thcore.testing.build import ProvidedBuild, make_build

NAME = "plugin"
"""What the plugin under test is called."""


@frozen
class Bench:
    """One plugin, ready to be called. All its builds are below ``directory`` and share what the plugin keeps."""

    directory: Path
    plugins: Plugins
    options: Any
    settings: Any
    change: Change | None = None
    provide: Callable[..., Provision] | None = None

    @contextmanager
    def build(
        self,
        build_id: str = "b1",
        *,
        attempt: int = 1,
        change: Change | None = None,
        interrupt: Interrupt | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[ProvidedBuild]:
        """A real build."""
        with make_build(
            self.directory,
            change=change or self.change,
            build_id=build_id,
            attempt=attempt,
            settings=self.settings,
            interrupt=interrupt,
            timeout_s=timeout_s,
            provide=self.provide,
        ) as build:
            yield build

    @contextmanager
    def cancelled(self) -> Iterator[ProvidedBuild]:
        """A build that was told to end before it began."""
        with Interrupt() as interrupt:
            interrupt.cancel("cancelled before it began")
            with self.build(interrupt=interrupt) as build:
                yield build

    def clean_up(self, build: ProvidedBuild) -> None:
        """Call the plugin's cleanup for a build's attempt, as the worker does."""
        attempt = Attempt(build.id, build.job, build.attempt, build.workspace.root, build.state)
        self.plugins.cleanup(NAME, attempt, self.options)

    def with_options(self, written: Mapping[str, Any] | None) -> Bench:
        """The same with other options, written as in a configuration. Raises ConfigError."""
        return evolve(self, options=structured(self.plugins, "thcore_job_options", written))


def loaded(plugin: object) -> Plugins:
    """The plugin, registered. Raises AssertionError when it cannot be."""
    plugins = Plugins()
    if not plugins.add(NAME, plugin):
        raise AssertionError(str(plugins.problems[-1]))
    return plugins


def structured(plugins: Plugins, hook: str, written: Mapping[str, Any] | None) -> Any:
    """What is written in a configuration as an instance of the plugin's class; None when it has none.

    ``hook`` is ``thcore_job_options`` or ``thcore_settings``. Raises ConfigError.
    """
    entry = plugins.get(NAME)
    cls = entry.options if hook == "thcore_job_options" else entry.settings
    if cls is None:
        if written:
            raise AssertionError(f"{hook} answers no class, but the suite is given {dict(written)}")
        return None
    return convert.structure(dict(written or {}), cls, "options of the suite" if "options" in hook else "settings")


def processes(directory: Path) -> list[psutil.Process]:
    """Everything that runs for the builds below a directory, or was started by this process itself."""
    children = set(psutil.Process().children(recursive=True))
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            workspace = process.environ().get(WORKSPACE_VARIABLE, "")
            if process in children or Path(workspace).is_relative_to(directory):
                found.append(process)
    return found
