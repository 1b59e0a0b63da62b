"""Whether the hooks that a plugin implements are those of the contract, with its arguments."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pluggy

from thcore.hooks import specs

HOOKS: Mapping[str, Callable[..., Any]] = {
    name: value for name, value in vars(specs).items() if name.startswith("thcore_") and callable(value)
}
"""Every hook of the contract by name."""


def implementations(plugin: object, manager: pluggy.PluginManager) -> Mapping[str, Callable[..., Any]]:
    """What an object implements hooks with, by hook. Raises ValueError for what pluggy would accept in silence, or tell
    in its own words."""
    if inspect.isclass(plugin):
        raise ValueError(f"its entry point names the class {plugin.__name__}; it must name an instance of it")
    found: dict[str, Callable[..., Any]] = {}
    for attribute in dir(plugin):
        marker = manager.parse_hookimpl_opts(plugin, attribute)
        if marker is None:
            continue
        name = marker["specname"] or attribute
        if name in HOOKS:
            found[name] = getattr(plugin, attribute)
            _check_arguments(name, found[name])
        elif not marker["optionalhook"]:
            close = difflib.get_close_matches(name, HOOKS, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; a newer thcore may have it"
            raise ValueError(f"it implements the unknown hook {name}{hint}")
    if not found:
        raise ValueError("it implements no hook of thcore; is @hookimpl missing?")
    return found


def _check_arguments(hook: str, implementation: Callable[..., Any]) -> None:
    known = tuple(inspect.signature(HOOKS[hook]).parameters)
    wanted = inspect.signature(implementation).parameters.values()
    required = [one.name for one in wanted if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
    wrong = [name for name in required if name not in known]
    if wrong:
        raise ValueError(f"{hook} has no argument {', '.join(wrong)}; it has {', '.join(known) or 'none'}")
