"""Reference pages that are made from the code: configuration, plugins, hooks, result.json, commands, counters."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec.json
from docutils import nodes
from option_words import default, example, inner_class, keys, one_of, words
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

from thcore.cli.main import cli
from thcore.config import PluginClasses, json_schema
from thcore.config.schema import Config
from thcore.errors import ExitCode
from thcore.hooks import specs
from thcore.model import Outcome
from thcore.monitoring.action import ACTIONS
from thcore.monitoring.metrics import METRICS
from thcore.plugins import Plugins, inventory
from thcore.plugins.public import public_names
from thplugins_dbmigration.measure import Meaning
from thplugins_dbmigration.measure.counters import LEGACY, MEANINGS, OWN, STATEMENTS
from thplugins_dbmigration.policy.file import PolicyFile

SCHEMA = "result.schema.json"
CONFIG_SCHEMA = "thcore.schema.json"
POLICY_SCHEMA = "policy.schema.json"

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

_MADE = re.compile(r"^```\{made\} ([a-z-]+)\n```$", re.MULTILINE)
_log = logging.getLogger(__name__)


# Configuration and options.


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
            yield from _key(name, field, hints[field.name], more=f"Its keys are [below](#{_slug(target)}).")
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
    links = ", ".join(_hook_link(hook) for hook in hooks)
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


def _hook_link(hook: str) -> str:
    return f"[`{hook}`](hooks.md#{_slug(hook)})"


def _key(name: str, field: attrs.Attribute[Any], kind: Any, *, more: str = "") -> Iterator[str]:
    yield f"::::{{confval}} {name}"
    yield f":type: {words(kind)}"
    if inner_class(kind)[0] is None:
        yield f":default: {default(field, kind)}"
    yield ""
    yield _escaped(field.metadata.get("doc", ""))
    if more:
        yield f"\n{more}"
    if inner_class(kind)[0] is None:
        yield f"\n```yaml\n{name.rpartition('.')[2]}: {example(field, kind)}\n```"
    yield "::::\n"


# Hooks.


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


# Public names.


def public() -> str:
    """What plugins may import, by module."""
    lines = []
    for module, names in public_names().items():
        imported = importlib.import_module(module)
        first = (inspect.getdoc(imported) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
        lines += [f"## `{module}`\n", f"{_escaped(first)}\n"]
        lines += [f"- `{name}`: {_escaped(_summary(name, getattr(imported, name)))}" for name in names]
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


# result.json.


def result_schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    return _schema(Outcome, "thcore result.json")


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file, with the plugins of this repository."""
    plugins = Plugins.installed()
    loaded = {name: plugins.get(name) for name in plugins.names}
    return json_schema({name: PluginClasses(plugin.options, plugin.settings) for name, plugin in loaded.items()})


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of .thcore.yaml."""
    schema = _schema(PolicyFile, ".thcore.yaml")
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    return schema


def _schema(cls: type[Any], title: str) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(cls),
    }
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"]).replace("``", "`")
    return schema


def result() -> str:
    """Every object of result.json."""
    definitions: dict[str, Any] = result_schema()["$defs"]
    lines = []
    for name, definition in definitions.items():
        lines += [f"## {name}\n", f"{definition.get('description', '')}\n"]
        if "enum" in definition:
            lines.append(f"One of {one_of(definition['enum'])}.\n")
            continue
        required = set(definition.get("required", ()))
        lines += ["| key | value | always there |", "|---|---|---|"]
        lines += [
            f"| `{key}` | {_value(value)} | {'yes' if key in required else 'no'} |"
            for key, value in definition["properties"].items()
        ]
        lines.append("")
    return "\n".join(lines)


def _value(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{_slug(name)})"
    if "anyOf" in schema:
        return " or ".join(_value(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_value(schema['items'])}"
    if schema.get("type") == "object":
        return f"object; values: {_value(schema.get('additionalProperties', {}))}"
    return {"string": "text", "integer": "whole number"}.get(schema.get("type", ""), schema.get("type", "anything"))


# Commands.


def commands() -> str:
    """Every command with its arguments and options: ours, and those that installed plugins add."""
    context = click.Context(cli, info_name="thcore")
    return "\n".join(
        line for name in cli.list_commands(context) for line in _command(context, cli.get_command(context, name))
    )


def exit_codes() -> str:
    """The exit codes of the command."""
    told = _member_docs(ExitCode)
    lines = ["| exit code | name | meaning |", "|---|---|---|"]
    lines += [
        f"| {int(code)} | `{code.name}` | {told.get(code.name, 'All is well.')} |" for code in sorted(ExitCode, key=int)
    ]
    return "\n".join(lines)


def _command(parent: click.Context, command: click.Command | None) -> Iterator[str]:
    if command is None:
        raise LookupError("a command of ours is not there")
    context = click.Context(command, info_name=command.name, parent=parent)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield from _described(command, context)
        for name in command.list_commands(context):
            yield from _command(context, command.get_command(context, name))
    else:
        yield from _described(command, context)


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    # Each piece is as long as click would print it: not at all.
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            example = paragraph.removeprefix("\b\n").removeprefix("Example: ")
            yield f"```console\n$ {example}\n```\n"
        else:
            yield f"{_escaped(paragraph)}\n"
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            yield from _option(parameter, context)


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    record = option.get_help_record(context)
    if record is None or "--help" in option.opts:
        return
    yield f"`{record[0]}`"
    yield f": {_escaped(record[1].strip())}\n"


# Counters.


def counters(engine: str) -> str:
    """What is measured around a step on an engine."""
    return _counters(MEANINGS[engine])


def counters_of_every_engine() -> str:
    """What is measured around a step, whatever the engine."""
    wall = Meaning("seconds", "wall-clock time of the step, limited by `maximum_migration_times`")
    return _counters({"wall_s": wall, **LEGACY})


def _counters(meanings: Mapping[str, Meaning]) -> str:
    lines = ["| counter | unit | what it counts |", "|---|---|---|"]
    lines += [f"| `{name}` | {_cell(meaning.unit)} | {_cell(meaning.text)} |" for name, meaning in meanings.items()]
    return "\n".join(lines)


# The worker.


def actions() -> str:
    """What each action of the worker's log means."""
    lines = ["| action | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {_cell(meaning)} |" for name, meaning in ACTIONS.items())])


def metrics() -> str:
    """Every metric of a worker."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {_cell(metric.meaning)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|").replace("``", "`")


def _member_docs(cls: type[Any]) -> dict[str, str]:
    """The texts that stand under the members of a class."""
    (body,) = ast.parse(inspect.getsource(cls)).body
    found = {}
    name = None
    for node in typing.cast("ast.ClassDef", body).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = str(node.value.value)
            name = None
    return found


def _escaped(text: str) -> str:
    """Text with what Markdown would take for markup escaped, except inside backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts)


def _slug(text: str) -> str:
    """The anchor that MyST gives a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


MADE: Mapping[str, Callable[[], str]] = {
    "configuration": configuration,
    "plugins": plugins,
    "hooks": hooks,
    "public-names": public,
    "result": result,
    "commands": commands,
    "exit-codes": exit_codes,
    "counters-every": counters_of_every_engine,
    "counters-own": partial(_counters, OWN),
    **{f"counters-{engine}-statements": partial(_counters, known) for engine, known in STATEMENTS.items()},
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
