"""Which plugins are installed, and importing one of them. The only place that uses stevedore."""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter
from collections.abc import Iterable

import stevedore
from attrs import frozen

GROUP = "thcore.plugins"
"""The entry point group that plugins are found through."""


@frozen
class Candidate:
    """An installed plugin that has not been imported: entry point ``name = value`` of a distribution."""

    name: str
    value: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


@frozen
class Problem:
    """Why a plugin cannot be used. ``plugin`` is the entry point's name; ``message`` says what to do."""

    plugin: str
    distribution: str
    version: str
    message: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} ({self.distribution} {self.version}): {self.message}"


def candidates() -> tuple[Candidate, ...]:
    """Every plugin that is installed, sorted by name. Nothing is imported."""
    manager: stevedore.NamedExtensionManager[object] = stevedore.NamedExtensionManager(
        GROUP, (), on_missing_entrypoints_callback=None
    )
    owners = _owners()
    found = set()
    for entry_point in manager.list_entry_points():
        for distribution, version in owners.get((entry_point.name, entry_point.value), (("unknown", "?"),)):
            found.add(Candidate(entry_point.name, entry_point.value, distribution, version))
    return tuple(sorted(found, key=lambda candidate: (candidate.name, candidate.distribution)))


def duplicates(found: Iterable[Candidate]) -> tuple[Problem, ...]:
    """A problem for each candidate whose name another distribution uses as well: order must not decide."""
    known = tuple(found)
    count = Counter(candidate.name for candidate in known)
    problems = []
    for candidate in known:
        if count[candidate.name] > 1:
            others = " and ".join(
                f"{other.distribution} {other.version}"
                for other in known
                if other.name == candidate.name and other != candidate
            )
            problems.append(_problem(candidate, f"{others} installs a plugin of the same name; uninstall one of them"))
    return tuple(problems)


def load(candidate: Candidate) -> object | Problem:
    """Import one plugin and answer its object, or why that did not work. Whatever its import raises stays here."""
    failures: list[BaseException] = []
    try:
        manager: stevedore.NamedExtensionManager[object] = stevedore.NamedExtensionManager(
            GROUP,
            (candidate.name,),
            on_load_failure_callback=lambda _manager, _entry_point, error: failures.append(error),
            on_missing_entrypoints_callback=None,
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit or an assertion in a plugin's import is its problem only
        failures.append(error)
    if failures:
        return _problem(candidate, f"its import failed: {_describe(failures[0])}")
    for extension in manager.extensions:
        if extension.entry_point_target == candidate.value:
            loaded: object = extension.plugin
            return loaded
    return _problem(candidate, "its entry point has gone; was it uninstalled just now?")


def _owners() -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    # stevedore's cached entry points do not know their distribution.
    owners: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        ours = [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]
        if not ours:
            continue
        # Metadata that is damaged has neither name nor version.
        name = distribution.metadata["Name"] or "unknown"
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if canonical in seen and name != "unknown":
            continue  # further back on the path: another version of it, which the first one shadows
        seen.add(canonical)
        for entry_point in ours:
            key = (entry_point.name, entry_point.value)
            owners[key] = (*owners.get(key, ()), (name, distribution.metadata["Version"] or "?"))
    return owners


def _problem(candidate: Candidate, message: str) -> Problem:
    return Problem(candidate.name, candidate.distribution, candidate.version, message)


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
