"""The contract with plugins: hooks, and the names that they may import."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from reference_words import escaped, slug
from sphinx.pycode import ModuleAnalyzer

from thcore.hooks import specs
from thcore.plugins.public import public_names

HOOK_GROUPS: Mapping[str, tuple[str, ...]] = {
    "What a plugin takes": ("thcore_job_options", "thcore_settings"),
    "The stages": (
        "thcore_checkout",
        "thcore_resolve",
        "thcore_environment",
        "thcore_execute",
        "thcore_analyse",
        "thcore_address",
        "thcore_publish_live",
        "thcore_publish",
    ),
    "Around the stages": ("thcore_wrap_command", "thcore_cleanup", "thcore_build_event", "thcore_worker_event"),
    "Around the worker": ("thcore_preload", "thcore_health", "thcore_commands"),
}
HOOKS = tuple(name for name in vars(specs) if name.startswith("thcore_"))
"""Every hook, in the order of the contract."""


def hooks() -> str:
    """Every hook of the contract."""
    lines = []
    others = tuple(name for name in HOOKS if not any(name in group for group in HOOK_GROUPS.values()))
    for title, names in (*HOOK_GROUPS.items(), *((("More", others),) if others else ())):
        lines.append(f"## {title}\n")
        for name in names:
            hook = getattr(specs, name)
            arguments = list(inspect.signature(hook).parameters)
            told = ", ".join(f"`{argument}`" for argument in arguments) if arguments else "none"
            lines += [f"### `{name}`\n", f"Arguments: {told}.\n"]
            lines += ["```{eval-rst}", f".. autofunction:: thcore.hooks.specs.{name}", "```\n"]
    return "\n".join(lines)


def hook_link(hook: str) -> str:
    """A link from another page of the reference to a hook."""
    return f"[`{hook}`](hooks.md#{slug(hook)})"


def public() -> str:
    """What plugins may import, by module."""
    lines = []
    for module, names in public_names().items():
        imported = importlib.import_module(module)
        first = (inspect.getdoc(imported) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
        lines += [f"## `{module}`\n", f"{escaped(first)}\n"]
        lines += [f"- `{name}`: {escaped(_summary(name, getattr(imported, name)))}" for name in names]
        lines.append("")
    return "\n".join(lines)


def _summary(name: str, value: Any) -> str:
    """The first sentence of what is written of a name: in a class or function, or below an assignment."""
    own = inspect.isclass(value) or inspect.isroutine(value)
    text = (inspect.getdoc(value) if own else None) or _below_assignment(name, value)
    return re.split(r"(?<=[.:;])\s", text, maxsplit=1)[0].rstrip(":;").replace("``", "`")


def _below_assignment(name: str, value: object) -> str:
    """The text below the assignment of a value, in whichever module of thcore that is."""
    for module in [known for known in sys.modules if known.partition(".")[0] == "thcore"]:
        if getattr(sys.modules[module], name, None) is value:
            documented = ModuleAnalyzer.for_module(module).find_attr_docs()
            if ("", name) in documented:
                return " ".join(documented["", name]).strip()
    return ""
