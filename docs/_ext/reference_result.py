"""result.json, and the schemas of all documents."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec.json
from option_words import one_of
from reference_words import slug

from thcore.config import PluginClasses, json_schema
from thcore.model import Outcome
from thcore.plugins import Plugins
from thplugins_dbmigration.policy.file import PolicyFile


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
        return f"[{name}](#{slug(name)})"
    if "anyOf" in schema:
        return " or ".join(_value(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_value(schema['items'])}"
    if schema.get("type") == "object":
        return f"object; values: {_value(schema.get('additionalProperties', {}))}"
    return {"string": "text", "integer": "whole number"}.get(schema.get("type", ""), schema.get("type", "anything"))
