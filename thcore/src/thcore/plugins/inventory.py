"""What is installed, as ``thcore plugins`` shows it."""

from __future__ import annotations

import enum
from typing import Any, NewType, get_args

import attrs
from attrs import frozen

from thcore.model import StageName
from thcore.plugins import discovery
from thcore.plugins.discovery import Problem
from thcore.plugins.manager import Plugins

STAGE_HOOKS = {stage: f"thcore_{stage.value}" for stage in StageName}


@frozen
class FieldDoc:
    """One option or setting: ``type`` as Python writes it, ``default`` as text (None: required)."""

    name: str
    type: str
    default: str | None
    doc: str


@frozen
class Entry:
    """One installed plugin. ``problems`` is empty when it can be used."""

    name: str
    distribution: str
    version: str
    stages: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    options: tuple[FieldDoc, ...] = ()
    settings: tuple[FieldDoc, ...] = ()
    problems: tuple[str, ...] = ()


def inventory() -> tuple[Entry, ...]:
    """Every installed plugin, loaded or not, sorted by name. Imports them all."""
    plugins = Plugins.installed()
    entries = []
    for candidate in discovery.candidates():
        problems = tuple(problem.message for problem in plugins.problems if _same(problem, candidate))
        if problems or candidate.name not in plugins.names:
            entries.append(Entry(candidate.name, candidate.distribution, candidate.version, problems=problems))
            continue
        loaded = plugins.get(candidate.name)
        entries.append(
            Entry(
                candidate.name,
                candidate.distribution,
                candidate.version,
                stages=tuple(stage.value for stage, hook in STAGE_HOOKS.items() if hook in loaded.hooks),
                hooks=tuple(sorted(loaded.hooks)),
                options=fields(loaded.options),
                settings=fields(loaded.settings),
            )
        )
    return tuple(entries)


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
    return "none" if value is None else str(value)


def _same(problem: Problem, candidate: discovery.Candidate) -> bool:
    return (problem.plugin, problem.distribution) == (candidate.name, candidate.distribution)
