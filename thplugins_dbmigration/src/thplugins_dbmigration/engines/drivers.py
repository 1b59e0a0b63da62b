"""The engines that are installed, looked up by the type that a dataset names. Each is imported on its own."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import stevedore
from attrs import frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.engine import Engine

GROUP = "thplugins_dbmigration.engines"
"""The entry point group that engines are found through."""


@frozen
class Drivers:
    """What is installed: engines that can be used, and why others cannot."""

    engines: tuple[Engine, ...]
    problems: tuple[str, ...]

    def find(self, kind: str) -> Engine:
        """The engine that serves datasets of this type. Raises InfrastructureError (``engine-missing``)."""
        wanted = kind.lower()
        fitting = [engine for engine in self.engines if wanted in engine.types]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            both = " and ".join(type(engine).__module__ for engine in fitting)
            raise InfrastructureError(
                f"{both} both serve datasets of type {kind}; uninstall one of them", code="engine-missing"
            )
        known = ", ".join(sorted(name for engine in self.engines for name in engine.types)) or "none"
        broken = "".join(f"\n{problem}" for problem in self.problems)
        raise InfrastructureError(
            f"no engine is installed for datasets of type {kind}; known types: {known}. Correct `type` in the "
            f"dataset's config.json, or install a distribution with an entry point in the group {GROUP}{broken}",
            code="engine-missing",
        )


def drivers() -> Drivers:
    """Import every engine that is installed. One that cannot be imported is a problem that names its distribution."""
    engines: list[Engine] = []
    problems: list[str] = []
    for name, value, owner in _installed():
        loaded = _load(name, value)
        if isinstance(loaded, str):
            problems.append(f"engine {name} ({owner}): {loaded}")
        else:
            engines.append(loaded)
    return Drivers(tuple(engines), tuple(problems))


def engine_for(kind: str) -> Engine:
    """The engine that serves datasets of this type. Raises InfrastructureError (``engine-missing``)."""
    return drivers().find(kind)


def _installed() -> list[tuple[str, str, str]]:
    # stevedore's cached entry points do not know their distribution.
    found = {
        (point.name, point.value, f"{distribution.metadata['Name']} {distribution.version}")
        for distribution in importlib.metadata.distributions()
        for point in distribution.entry_points
        if point.group == GROUP
    }
    return sorted(found)


def _load(name: str, value: str) -> Engine | str:
    failures: list[BaseException] = []
    try:
        manager: stevedore.NamedExtensionManager[Any] = stevedore.NamedExtensionManager(
            GROUP,
            (name,),
            on_load_failure_callback=lambda _manager, _point, error: failures.append(error),
            on_missing_entrypoints_callback=None,
        )
        for extension in manager.extensions:
            if extension.entry_point_target == value:
                engine: Engine = extension.plugin()
                return engine
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a driver's import raises is that driver's problem only
        failures.append(error)
    if failures:
        return f"its import failed: {type(failures[0]).__name__}: {failures[0]}"
    return "its entry point has gone; was it uninstalled just now?"
