"""Looking at one plugin in an interpreter of its own: what its import does cannot do harm there, and is measured.

``python -X importtime -m thcore.plugins.examination VALUE [PATH...]``. The interpreter says on standard error what each
import took, that of the plugin between two marks. What was found is printed as JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
from attrs import evolve, frozen

from thcore.config.convert import file_keys, readable, type_text
from thcore.config.problem import WrongError
from thcore.deprecation import ThcoreDeprecation
from thcore.errors import ThcoreError
from thcore.plugins.cost import Cost, measured
from thcore.plugins.discovery import GROUP
from thcore.plugins.imports import private_imports
from thcore.plugins.manager import Plugins

MODULE = "thcore.plugins.examination"
BEGIN = "thcore: the plugin's imports begin here"
END = "thcore: the plugin's imports end here"
NAME = "examined"


@frozen
class Examination:
    """What was found. ``problems`` keep the plugin from being used; ``privates`` are imports of what is not public;
    ``deprecations`` are uses of what will go; ``unclear`` are options that cannot be read, or say nothing of
    themselves. Each is told with its place."""

    problems: tuple[str, ...] = ()
    privates: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    package: str = ""
    cost: Cost | None = None


def examine(value: str) -> Examination:
    """Import what an entry point names, register it, and look at it. Whatever its import raises becomes a problem."""
    point = importlib.metadata.EntryPoint(NAME, value, GROUP)
    plugins = Plugins()
    costs: list[Cost] = []
    package = point.module.partition(".")[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _mark(BEGIN)
        try:
            with measured(costs):
                plugin = point.load()
                plugins.add(NAME, plugin)
        except BaseException as error:  # noqa: BLE001 - SystemExit or an assertion is a finding as well
            return Examination((f"its import failed: {type(error).__name__}: {error}",), package=package)
        finally:
            _mark(END)
    deprecations = tuple(
        f"{warning.filename}:{warning.lineno}: {warning.message}"
        for warning in caught
        if issubclass(warning.category, ThcoreDeprecation)
    )
    found = Examination(
        tuple(problem.message for problem in plugins.problems),
        tuple(private_imports(plugin)),
        deprecations,
        package=package,
        cost=costs[0],
    )
    if found.problems:
        return found
    loaded = plugins.get(NAME)
    return evolve(
        found,
        problems=tuple(_broken_commands(plugins)),
        unclear=(*_unclear(loaded.options), *_unclear(loaded.settings)),
        hooks=tuple(sorted(loaded.hooks)),
    )


def _broken_commands(plugins: Plugins) -> Iterator[str]:
    try:
        plugins.commands(NAME)
    except ThcoreError as error:
        yield str(error)


def _unclear(cls: type[Any] | None) -> Iterator[str]:
    if cls is None:
        return
    try:
        keys = file_keys(cls)
    except WrongError as wrong:
        yield from (problem.text for problem in wrong.problems)
        return
    if not attrs.inspect(cls).is_frozen:
        yield f"{cls.__name__} can be changed; make it @frozen"
    for key, field in keys.items():
        if not readable(field.type):
            yield f"{cls.__name__}.{key}: {type_text(field.type)} cannot be written in a file; choose another type"
        if not field.metadata.get("doc"):
            yield f"{cls.__name__}.{key}: it does not say what it is for; use thcore.hooks.option"


def _mark(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def main() -> None:
    """Entry point: what to import, and where from, on argv."""
    _, value, *paths = sys.argv
    sys.path[:0] = paths
    answer = os.dup(1)
    os.dup2(2, 1)  # what the plugin prints must not be taken for the answer
    told = json.dumps(attrs.asdict(examine(value)))
    os.write(answer, told.encode())
    os._exit(0)  # no thread of the plugin is waited for


if __name__ == "__main__":
    main()
