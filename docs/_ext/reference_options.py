"""The configuration, and what installed plugins take."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any

import attrs
from option_words import default, example, inner_class, keys, words
from reference_contract import HOOKS, hook_link
from reference_words import escaped, slug
from sphinx.util import logging

from thcore.config.schema import Config
from thcore.plugins import Plugins, inventory

_log = logging.getLogger(__name__)


def configuration() -> str:
    """Every key of the configuration file."""
    return "\n".join(_section(Config, "", "The top of the file"))


def plugins() -> str:
    """Every installed plugin with its options and settings."""
    return "\n".join(line for entry in inventory() for line in _plugin(entry.name))


def _section(cls: type[Any], prefix: str, title: str) -> Iterator[str]:
    yield f"## {title}\n"
    if prefix:
        yield f"{inspect.getdoc(cls)}\n"
    below = []
    hints = typing.get_type_hints(cls)
    for field in attrs.fields(cls):
        if field.metadata.get("internal"):
            continue
        inner, many = inner_class(hints[field.name])
        name = f"{prefix}{field.name}"
        if inner is not None:
            below.append((inner, f"{name}{'[]' if many else ''}."))
            target = f"{name}{'[]' if many else ''}"
            yield from _key(name, field, hints[field.name], more=f"Its keys are [below](#{slug(target)}).")
        else:
            yield from _key(name, field, hints[field.name])
    for inner, inner_prefix in below:
        yield from _section(inner, inner_prefix, f"`{inner_prefix[:-1]}`")


def _plugin(name: str) -> Iterator[str]:
    loaded = Plugins.installed({name})
    if loaded.problems:
        _log.warning("%s", loaded.problems[0])
        return
    plugin = loaded.get(name)
    hooks = [hook for hook in HOOKS if hook in plugin.hooks]
    yield f"## `{name}`\n"
    links = ", ".join(hook_link(hook) for hook in hooks)
    yield f"{plugin.info.distribution} {plugin.info.version}. Implements {links}.\n"
    if plugin.options is None and plugin.settings is None:
        yield "It takes no options.\n"
    if plugin.options is not None:
        yield f"### Options of `{name}`\n"
        yield f"In a job, below `plugins: {{{name}: …}}`.\n"
        for key, field, kind in keys(plugin.options, f"{name}."):
            yield from _key(key, field, kind)
    if plugin.settings is not None:
        yield f"### Settings of `{name}`\n"
        yield f"At the top of the file, below `plugins: {{{name}: …}}`.\n"
        for key, field, kind in keys(plugin.settings, f"plugins.{name}."):
            yield from _key(key, field, kind)


def _key(name: str, field: attrs.Attribute[Any], kind: Any, *, more: str = "") -> Iterator[str]:
    yield f"::::{{confval}} {name}"
    yield f":type: {words(kind)}"
    if inner_class(kind)[0] is None:
        yield f":default: {default(field, kind)}"
    yield ""
    yield escaped(field.metadata.get("doc", ""))
    if more:
        yield f"\n{more}"
    if inner_class(kind)[0] is None:
        yield f"\n```yaml\n{name.rpartition('.')[2]}: {example(field, kind)}\n```"
    yield "::::\n"
