"""What a release of thcore promises to plugins, as plain values: to be recorded, and compared with later ones."""

from __future__ import annotations

import enum
import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from thcore.deprecation import ThcoreDeprecation
from thcore.plugins.public import public_names
from thcore.plugins.signature import HOOKS

Record = dict[str, Any]


def contract() -> Record:
    """Every hook with the types of its arguments and of its answer; every public name and how it is used."""
    return {
        "hooks": {name: _hook(spec) for name, spec in sorted(HOOKS.items())},
        "names": {
            module: {name: use(getattr(importlib.import_module(module), name)) for name in names}
            for module, names in public_names().items()
        },
    }


def _hook(spec: Any) -> Record:
    signature = inspect.signature(spec)
    arguments = {name: str(parameter.annotation) for name, parameter in signature.parameters.items()}
    return {"arguments": arguments, "answer": str(signature.return_annotation)}


def use(value: Any) -> Record:
    """How a plugin can use what a name stands for: what it is called with, and which members it has."""
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        return {"members": {member.name: {} for member in value}}
    if inspect.isclass(value):
        members = {name: use(member) for name, member in _members(value)}
        fields = [field.name for field in attrs.fields(value)] if attrs.has(value) else []
        return {"called": _called(value), "members": members | {name: {} for name in fields}}
    return {"called": _called(value)} if inspect.isroutine(value) else {}


def _members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(cls):
        if not name.startswith("_") and not (hasattr(BaseException, name) and issubclass(cls, BaseException)):
            yield name, member


_STARS: Mapping[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def _called(value: Any) -> str | None:
    """The parameters of a call, in Python's own notation without types and values: ``code, hint=, *, more=``."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return None
    told: list[str] = []
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not {"*", "*args"} & set(told):
            told.append("*")
        stars = _STARS.get(each.kind, "")
        told.append(stars + ("args" if stars == "*" else each.name) + ("" if each.default is each.empty else "="))
    return ", ".join(told)


# What a later release breaks of an earlier one.


def broken(before: Record, now: Record) -> list[str]:
    """What plugins made for ``before`` could do and cannot any more."""
    told = list(_missing("hook", before["hooks"], now["hooks"]))
    for name, hook in before["hooks"].items():
        if name in now["hooks"]:
            told += _narrowed(name, hook, now["hooks"][name])
    for module, names in before["names"].items():
        for name, used in names.items():
            listed = now["names"].get(module, {})
            known = listed[name] if name in listed else deprecated_name(module, name)
            told += [f"{module}.{name} is gone"] if known is None else _unlike(f"{module}.{name}", used, known)
    return told


def deprecated_name(module: str, name: str) -> Record | None:
    """How a name can be used that is not public any more, but still answers, with a warning."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return use(value) if any(issubclass(each.category, ThcoreDeprecation) for each in caught) else None


def _missing(kind: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    return (f"{kind} {name} is gone" for name in before if name not in now)


def _narrowed(name: str, before: Record, now: Record) -> Iterator[str]:
    yield from _missing(f"{name}: argument", before["arguments"], now["arguments"])
    for argument, kind in before["arguments"].items():
        more = _kinds(now["arguments"].get(argument, kind)) - _kinds(kind)
        if more:
            yield f"{name}: argument {argument} can be {' or '.join(sorted(more))} now"
    fewer = _kinds(before["answer"]) - _kinds(now["answer"])
    if fewer:
        yield f"{name}: the answer cannot be {' or '.join(sorted(fewer))} any more"


def _kinds(annotation: str) -> set[str]:
    return {part.strip() for part in annotation.split(" | ")}


def _unlike(name: str, before: Record, now: Record) -> Iterator[str]:
    yield from _missing(f"{name}: member", before.get("members", {}), now.get("members", {}))
    for member, used in before.get("members", {}).items():
        if member in now.get("members", {}):
            yield from _unlike(f"{name}.{member}", used, now["members"][member])
    old, new = before.get("called"), now.get("called")
    if old is None:
        return
    if new is None:
        yield f"{name} cannot be called any more"
        return
    yield from _called_otherwise(name, _Parameters(old), _Parameters(new))


class _Parameters:
    """The parameters of a call, out of what was recorded: which can be given by place, and which need not be given."""

    def __init__(self, written: str) -> None:
        parts = [part for part in written.split(", ") if part]
        stars = [at for at, part in enumerate(parts) if part.startswith("*")]
        self.optional = {part.strip("*=") for part in parts if part.startswith("*") or part.endswith("=")}
        self.places = [part.strip("=") for part in parts[: stars[0] if stars else None]]
        self.names = [part.strip("*=") for part in parts if part != "*"]


def _called_otherwise(name: str, old: _Parameters, new: _Parameters) -> Iterator[str]:
    for parameter in old.names:
        if parameter not in new.names:
            yield f"{name}: parameter {parameter} is gone"
        elif parameter in old.optional and parameter not in new.optional:
            yield f"{name}: parameter {parameter} must be given now"
    for at, parameter in enumerate(old.places):
        if parameter in new.names and new.places[at : at + 1] != [parameter]:
            yield f"{name}: parameter {parameter} is not the one at place {at + 1} any more"
    for parameter in new.names:
        if parameter not in old.names and parameter not in new.optional:
            yield f"{name}: parameter {parameter} is new, and must be given"
