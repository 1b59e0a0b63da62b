"""What is installed, as ``thcore plugins`` shows it."""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NewType, get_args

import attrs
from attrs import evolve, frozen

from thcore.model import Bytes, Seconds, StageName
from thcore.model.quantity import format_duration, format_size
from thcore.plugins import discovery
from thcore.plugins.cost import Cost
from thcore.plugins.discovery import Candidate, Problem
from thcore.plugins.manager import Loaded, Plugins

STAGE_HOOKS = {stage: f"thcore_{stage.value}" for stage in StageName}


@frozen
class FieldDoc:
    """One option or setting: ``type`` as Python writes it, ``default`` as text (None: required)."""

    name: str
    type: str
    default: str | None
    doc: str
    example: str | None = None


@frozen
class Entry:
    """One installed plugin. ``problems`` is empty when it can be used.

    ``wants`` are the versions of thcore that its distribution works with. ``cost`` is what loading it took in this
    process, after those before it in the alphabet. ``places`` says where what it brings was written: a hook, or the
    words ``plugin``, ``options`` and ``settings``, to ``file:line`` or to a file.
    """

    name: str
    distribution: str
    version: str
    stages: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    options: tuple[FieldDoc, ...] = ()
    settings: tuple[FieldDoc, ...] = ()
    problems: tuple[str, ...] = ()
    disabled: bool = False
    wants: str = ""
    cost: Cost | None = None
    places: Mapping[str, str] = {}


def inventory(name: str | None = None) -> tuple[Entry, ...]:
    """Every installed plugin, or those of one name, loaded or not, sorted by name. Imports them."""
    names = None if name is None else {name}
    plugins = Plugins.installed(names)
    return tuple(
        _entry(candidate, plugins) for candidate in discovery.candidates() if names is None or candidate.name in names
    )


def _entry(candidate: Candidate, plugins: Plugins) -> Entry:
    entry = Entry(candidate.name, candidate.distribution, candidate.version, wants=candidate.wants)
    if candidate in plugins.disabled:
        return evolve(entry, disabled=True)
    problems = tuple(problem.message for problem in plugins.problems if _same(problem, candidate))
    if problems or candidate.name not in plugins.names:
        return evolve(entry, problems=problems)
    loaded = plugins.get(candidate.name)
    return evolve(
        entry,
        stages=tuple(stage.value for stage, hook in STAGE_HOOKS.items() if hook in loaded.hooks),
        hooks=tuple(sorted(loaded.hooks)),
        options=fields(loaded.options),
        settings=fields(loaded.settings),
        cost=loaded.cost,
        places=dict(_places(candidate, loaded)),
    )


def _places(candidate: Candidate, loaded: Loaded) -> Iterator[tuple[str, str]]:
    module = sys.modules.get(candidate.value.partition(":")[0])
    if file := getattr(module, "__file__", None):
        yield "plugin", file
    for hook, implementation in sorted(loaded.implementations.items()):
        yield from _place(hook, implementation)
    yield from _place("options", loaded.options)
    yield from _place("settings", loaded.settings)


def _place(what: str, written: Any) -> Iterator[tuple[str, str]]:
    """Where a class or function was written; nothing when that cannot be found out."""
    with suppress(TypeError, OSError):
        told = inspect.unwrap(written)
        yield what, f"{inspect.getsourcefile(told)}:{inspect.getsourcelines(told)[1]}"


def fields(cls: type[Any] | None) -> tuple[FieldDoc, ...]:
    """The documented fields of an options or settings class."""
    if cls is None:
        return ()
    return tuple(
        FieldDoc(
            field.alias or field.name,
            _type(field.type),
            _default(field),
            field.metadata.get("doc", ""),
            field.metadata.get("example"),
        )
        for field in attrs.fields(cls)
        if field.init
    )


def _type(annotation: Any) -> str:
    """An annotation as its author wrote it; those of a module without postponed evaluation are objects."""
    if isinstance(annotation, str):
        return annotation
    plain = isinstance(annotation, type | NewType) and not get_args(annotation)
    return annotation.__name__ if plain else str(annotation)


def _default(field: attrs.Attribute[Any]) -> str | None:
    value: Any = field.default
    if value is attrs.NOTHING:
        return None
    if hasattr(value, "factory"):
        if value.takes_self:
            return "made from the others"
        value = value.factory()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if value is not None and field.type in {Seconds, "Seconds"}:
        return format_duration(value)
    if value is not None and field.type in {Bytes, "Bytes"}:
        return format_size(value)
    return "none" if value is None else str(value)


def _same(problem: Problem, candidate: discovery.Candidate) -> bool:
    return (problem.plugin, problem.distribution) == (candidate.name, candidate.distribution)
