"""Finding tools by name. Anyone adds one through the entry point group ``thplugins_dbmigration.tools``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

from stevedore import ExtensionManager, NamedExtensionManager

from thcore.errors import InfrastructureError
from thplugins_dbmigration.tools.tool import Tool

GROUP = "thplugins_dbmigration.tools"
_log = logging.getLogger(__name__)


def names() -> Counter[str]:
    """How often each tool is installed; loads none. More than once is a conflict."""
    return Counter(NamedExtensionManager(GROUP, [], on_load_failure_callback=None).entry_points_names())


def find(name: str) -> Tool:
    """The tool called ``name``; the others are not loaded. Raises InfrastructureError (``tool-missing``) when there is
    none, more than one, or when it does not load."""
    installed = names()
    if name not in installed:
        known = ", ".join(sorted(installed)) or "none"
        raise InfrastructureError(
            f"There is no migration tool called {name!r}; installed are: {known}. Correct the option dbmigration.tool "
            "or the dataset's key tool, or install the distribution that has it",
            code="tool-missing",
        )
    if installed[name] > 1:
        raise InfrastructureError(
            f"{installed[name]} installed distributions have a migration tool called {name!r}; uninstall all but one",
            code="tool-missing",
        )
    found, problems = _load([name])
    if name not in found:
        raise InfrastructureError("; ".join(problems), code="tool-missing")
    return found[name]


def loadable() -> tuple[Tool, ...]:
    """Every tool that can be used, by name. One that does not load is logged and left out."""
    unique = [name for name, count in names().items() if count == 1]
    found, problems = _load(unique)
    for problem in problems:
        _log.warning("%s", problem)
    return tuple(tool for _, tool in sorted(found.items()))


def _load(wanted: Iterable[str]) -> tuple[dict[str, Tool], list[str]]:
    found: dict[str, Tool] = {}
    problems: list[str] = []

    def failed(_manager: ExtensionManager[Any], entry_point: EntryPoint, error: BaseException) -> None:
        what = f"{type(error).__name__}: {error}"
        problems.append(f"The migration tool {entry_point.name!r} ({entry_point.value}) does not load: {what}")

    for name in wanted:
        try:
            manager: NamedExtensionManager[Any] = NamedExtensionManager(
                GROUP, [name], invoke_on_load=True, on_load_failure_callback=failed
            )
        except SystemExit as error:  # the one thing a module may raise that stevedore does not catch
            problems.append(f"The migration tool {name!r} does not load: it ended with {error.code!r}")
        else:
            found.update({extension.name: extension.obj for extension in manager.extensions if extension.obj})
    return found, problems
