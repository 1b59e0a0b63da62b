"""Reference pages that are made from the code: configuration, plugins, hooks, result.json, commands, counters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from docutils import nodes
from reference_commands import commands, exit_codes
from reference_contract import hooks, public
from reference_figures import actions, counters, counters_of_every_engine, described, metrics
from reference_options import configuration, plugins
from reference_result import config_schema, policy_schema, result, result_schema
from sphinx.application import Sphinx

from thplugins_dbmigration.measure.counters import MEANINGS, OWN, STATEMENTS

SCHEMA = "result.schema.json"
CONFIG_SCHEMA = "thcore.schema.json"
POLICY_SCHEMA = "policy.schema.json"

_MADE = re.compile(r"^```\{made\} ([a-z-]+)\n```$", re.MULTILINE)

MADE: Mapping[str, Callable[[], str]] = {
    "configuration": configuration,
    "plugins": plugins,
    "hooks": hooks,
    "public-names": public,
    "result": result,
    "commands": commands,
    "exit-codes": exit_codes,
    "counters-every": counters_of_every_engine,
    "counters-own": partial(described, OWN),
    **{f"counters-{engine}-statements": partial(described, known) for engine, known in STATEMENTS.items()},
    **{f"counters-{engine}": partial(counters, engine) for engine in MEANINGS},
    "actions": actions,
    "metrics": metrics,
}


SCHEMA_ROLES: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "schema": (SCHEMA, result_schema),
    "policy_schema": (POLICY_SCHEMA, policy_schema),
    "config_schema": (CONFIG_SCHEMA, config_schema),
}
"""Roles that link to a schema: its file, and what makes it."""


def insert(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Put what is made in place of ``{made} NAME`` blocks, before the page is parsed."""
    source[0] = _MADE.sub(lambda match: MADE[match[1]](), source[0])


def outdated(app: Sphinx, *_changes: object) -> list[str]:
    """Pages with made parts are read anew whenever the site is built: the code may have changed."""
    return [page for page in app.env.found_docs if _MADE.search(app.env.doc2path(page).read_text("utf-8"))]


def schema_link(
    name: str, _raw: str, text: str, _line: int, _inliner: object, *_more: object
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """``{schema}`text```, ``{policy_schema}`text``` and ``{config_schema}`text```: a link to a schema."""
    return [nodes.reference(text, text, refuri=SCHEMA_ROLES[name][0], internal=True)], []


def write_schemas(app: Sphinx, _config: object) -> None:
    """Put the schemas where ``html_extra_path`` takes them from."""
    place = Path(app.srcdir) / "_build" / "extra"
    place.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMA_ROLES.values():
        (place / name).write_text(json.dumps(schema(), indent=2) + "\n", "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", insert)
    app.connect("env-get-outdated", outdated)
    for role in SCHEMA_ROLES:
        app.add_role(role, schema_link)
    app.connect("config-inited", write_schemas, priority=100)  # before Sphinx looks for html_extra_path
    return {"parallel_read_safe": True, "parallel_write_safe": True}
