"""Where a contract suite calls its plugin: the plugin as it is loaded, its options as they are read, real builds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from attrs import evolve, frozen

from thcore.errors import ChangeError, InfrastructureError, StoppedError
from thcore.model import Attempt, Change, Provision
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.plugins import Plugins
from thcore.process import Interrupt
from thcore.testing.build import LOG_PATH, ProvidedBuild, make_build
from thcore.testing.local import NAME, LocalPlugin


@frozen
class Bench:
    """One plugin, ready to be called. All its builds are below ``directory`` and share what the plugin keeps."""

    directory: Path
    plugin: LocalPlugin
    options: Any
    settings: Any
    change: Change | None = None
    provide: Callable[..., Provision] | None = None

    @property
    def plugins(self) -> Plugins:
        """What calls its hooks, by the name ``NAME``."""
        return self.plugin.plugins

    @contextmanager
    def build(
        self,
        build_id: str = "b1",
        *,
        attempt: int = 1,
        change: Change | None = None,
        interrupt: Interrupt | None = None,
        timeout_s: float | None = None,
        parameters: Mapping[str, str] | None = None,
        log_path: str = LOG_PATH,
    ) -> Iterator[ProvidedBuild]:
        """A real build."""
        with make_build(
            self.directory,
            change=change or self.change,
            build_id=build_id,
            attempt=attempt,
            parameters=parameters,
            log_path=log_path,
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

    @contextmanager
    def late(self) -> Iterator[ProvidedBuild]:
        """A build whose time was over before it began."""
        with Interrupt(deadline=time.monotonic()) as interrupt, self.build(interrupt=interrupt) as build:
            yield build

    def clean_up(self, build: ProvidedBuild) -> None:
        """Call the plugin's cleanup for a build's attempt, as the worker does."""
        attempt = Attempt(build.id, build.job, build.attempt, build.workspace.root, build.state)
        self.plugins.cleanup(NAME, attempt, self.options)

    def with_options(self, written: Mapping[str, Any] | None) -> Bench:
        """The same with other options, written as in a configuration. Raises ConfigError."""
        return evolve(self, options=self.plugin.options(written))


@contextmanager
def passed_on(stopped: type[StoppedError]) -> Iterator[None]:
    """What is done in here ends well, or with this: who is soon done need not look. Raises AssertionError when the end
    that the build was told was taken for a fault."""
    try:
        yield
    except (ChangeError, InfrastructureError) as error:
        raise AssertionError(f"a build that was told to end was taken for one with a fault: {error}") from error
    except stopped:
        pass


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
