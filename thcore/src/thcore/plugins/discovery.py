"""Which plugins are installed, and importing one of them. The only place that uses stevedore."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import site
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import stevedore
from attrs import frozen

from thcore.plugins import fit

GROUP = "thcore.plugins"
"""The entry point group that plugins are found through."""

DISABLE = "THCORE_DISABLE_PLUGINS"
"""The environment variable that names plugins or distributions, with commas between, that are not to be imported."""


@frozen
class Candidate:
    """An installed plugin that has not been imported: entry point ``name = value`` of a distribution.

    ``wants`` says which versions of thcore the distribution can work with, as in its metadata; empty for any.
    """

    name: str
    value: str
    distribution: str
    version: str
    wants: str = ""

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


def disabled(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """What the environment says is not to be imported: names of plugins and of distributions."""
    return frozenset(filter(None, (name.strip() for name in environment.get(DISABLE, "").split(","))))


def candidates() -> tuple[Candidate, ...]:
    """Every plugin that is installed, sorted by name. Nothing is imported."""
    manager: stevedore.NamedExtensionManager[object] = stevedore.NamedExtensionManager(
        GROUP, (), on_missing_entrypoints_callback=None
    )
    owners = _owners()
    found = set()
    for entry_point in manager.list_entry_points():
        for owner in owners.get((entry_point.name, entry_point.value), (("unknown", "?", ""),)):
            found.add(Candidate(entry_point.name, entry_point.value, *owner))
    return tuple(sorted(found, key=lambda candidate: (candidate.name, candidate.distribution)))


def look_again() -> None:
    """See what was installed since this process began, editable installations as well. What is imported stays as it is.

    For whoever runs on and is told of it: not to be called while somebody else looks for plugins.
    """
    importlib.invalidate_caches()
    for place in (*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])):
        site.addsitedir(place)  # an editable installation is a path in a file there, read when an interpreter starts
    found = importlib.metadata.entry_points(group=GROUP)
    stevedore.ExtensionManager.ENTRY_POINT_CACHE[GROUP] = list(found)  # what it found before, it would find for ever


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


def load(candidate: Candidate, core: str) -> object | Problem:
    """Import one plugin and answer its object, or why that did not work. Whatever its import raises stays here.

    One that does not fit the version ``core`` of thcore is not even imported.
    """
    if misfit := fit.misfit(candidate.wants, core, candidate.distribution):
        return _problem(candidate, misfit)
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


def is_disabled(candidate: Candidate, names: Iterable[str]) -> bool:
    """Whether one of the names is that of the plugin or of its distribution."""
    known = {_canonical(candidate.name), _canonical(candidate.distribution)}
    return any(_canonical(name) in known for name in names)


def disabled_in_vain(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """What the environment disables although it is not there: most likely a slip of the pen."""
    installed = candidates()
    for name in sorted(disabled(environment)):
        if not any(is_disabled(candidate, (name,)) for candidate in installed):
            yield f"{DISABLE} names {name}, which is neither a plugin nor a distribution with plugins"


def _owners() -> dict[tuple[str, str], tuple[tuple[str, str, str], ...]]:
    # stevedore's cached entry points do not know their distribution.
    owners: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {}
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        ours = [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]
        if not ours:
            continue
        # Metadata that is damaged has neither name nor version.
        name = distribution.metadata["Name"] or "unknown"
        canonical = _canonical(name)
        if canonical in seen and name != "unknown":
            continue  # further back on the path: another version of it, which the first one shadows
        seen.add(canonical)
        for entry_point in ours:
            key = (entry_point.name, entry_point.value)
            owner = (name, distribution.metadata["Version"] or "?", fit.wanted(distribution.requires or ()))
            owners[key] = (*owners.get(key, ()), owner)
    return owners


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _problem(candidate: Candidate, message: str) -> Problem:
    return Problem(candidate.name, candidate.distribution, candidate.version, message)


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
