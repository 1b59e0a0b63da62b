"""The JSON Schema of the configuration file, by which an editor completes and checks it.

It says what the strict reader takes (``thcore.config.convert``), type by type. What only a validator knows, such as
that a worker's name is one word, is left to ``thcore config check``. Draft 7 is the newest that editors of YAML
know whole.
"""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import attrs

from thcore.config.convert import file_keys, unstructure
from thcore.config.schema import Config, DefaultsConfig, JobConfig
from thcore.model import Bytes, Seconds, Secret

Schema = dict[str, Any]

_LISTS = (tuple, list, set, frozenset, Sequence)

_DURATION = r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"
_SIZE = r"^\s*\d+(\.\d+)?\s*[KMGTkmgt]?([iI]?[bB])?\s*$"
_NAME = {"type": "string", "minLength": 1}

_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
    Path: _NAME,
    Seconds: {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DURATION}]},
    Bytes: {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SIZE}]},
    Secret: {
        "anyOf": [
            _NAME,
            *(
                {"type": "object", "properties": {source: _NAME}, "required": [source], "additionalProperties": False}
                for source in ("env", "file")
            ),
        ]
    },
    Any: {},
    object: {},
}


@attrs.frozen
class PluginClasses:
    """The classes that a plugin reads its part of the file with; None where it takes nothing."""

    options: type[Any] | None
    settings: type[Any] | None


def json_schema(plugins: Mapping[str, PluginClasses]) -> Schema:
    """The schema of a whole file, with the options and settings of ``plugins`` by their names.

    turbo-hipster's format is not in it. Raises WrongError when the annotations of a plugin's class name what its author
    has not imported.
    """
    definitions = _Definitions()
    options = {name: definitions.of_plugin(classes.options) for name, classes in plugins.items()}
    settings = {name: definitions.of_plugin(classes.settings) for name, classes in plugins.items()}
    # A job's options are laid over those of the defaults: what is required may stand in either.
    partial = {name: {"anyOf": [_all_optional(schema), {"type": "null"}]} for name, schema in options.items()}
    removable = {name: {"anyOf": [*schema["anyOf"], {"const": False}]} for name, schema in partial.items()}
    top = definitions.object_of(Config)
    top["properties"]["plugins"] |= _closed(settings)
    definitions.written[_name(DefaultsConfig)]["properties"]["plugins"] |= _closed(partial)
    definitions.written[_name(JobConfig)]["properties"]["plugins"] |= _closed(removable)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "thcore's configuration",
        **top,
        "definitions": definitions.written,
    }


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"properties": dict(properties), "additionalProperties": False}


def _all_optional(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "required"}


def _name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


class _Definitions:
    """Schemas of the classes met on the way, each written once: a class may hold itself."""

    def __init__(self) -> None:
        self.written: dict[str, Schema] = {}

    def of_plugin(self, cls: type[Any] | None) -> Schema:
        return {"type": "object", "additionalProperties": False} if cls is None else self.object_of(cls)

    def object_of(self, cls: type[Any]) -> Schema:
        keys = file_keys(cls)
        required = [key for key, field in keys.items() if field.default is attrs.NOTHING]
        return {
            "type": "object",
            "description": inspect.getdoc(cls) or "",
            "properties": {key: self._key(field) for key, field in keys.items()},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def _key(self, field: attrs.Attribute[Any]) -> Schema:
        schema = self.of(field.type)
        told = {"description": field.metadata["doc"]} if "doc" in field.metadata else {}
        told |= _default(field)
        # Beside $ref draft 7 reads nothing else.
        return {"allOf": [schema], **told} if "$ref" in schema else {**schema, **told}

    def of(self, kind: Any) -> Schema:
        """The schema of a type; that of anything for one that the reader refuses, which says so itself."""
        while get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if any(kind is scalar for scalar in _SCALARS):
            return dict(_SCALARS[kind])
        if isinstance(kind, NewType):
            return self.of(kind.__supertype__)
        if get_origin(kind) in (Union, types.UnionType):
            return {"anyOf": [self.of(part) for part in get_args(kind)]}
        if get_origin(kind) is Literal:
            return _choice(get_args(kind))
        return self._of_class(get_origin(kind) or kind, get_args(kind))

    def _of_class(self, kind: Any, inner: tuple[Any, ...]) -> Schema:
        if not isinstance(kind, type):
            return {}
        if issubclass(kind, enum.Enum):
            return _choice(tuple(member.value for member in kind))
        if attrs.has(kind):
            return self._reference(kind)
        if issubclass(kind, Mapping):
            return {"type": "object", "additionalProperties": self.of(inner[1]) if inner else {}}
        return self._list(kind, inner) if issubclass(kind, _LISTS) else {}

    def _reference(self, cls: type[Any]) -> Schema:
        name = _name(cls)
        if name not in self.written:
            self.written[name] = {}  # so that the class finds itself written
            self.written[name] |= self.object_of(cls)
        return {"$ref": f"#/definitions/{name}"}

    def _list(self, kind: type[Any], inner: tuple[Any, ...]) -> Schema:
        if kind is tuple and inner and inner[-1] is not Ellipsis:
            items = [self.of(part) for part in inner]
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": self.of(inner[0]) if inner else {}}


def _choice(values: tuple[Any, ...]) -> Schema:
    # The reader takes the words that YAML has for true and false; so must who checks what YAML has read.
    words: Mapping[Any, bool] = {"on": True, "off": False}
    return {"enum": [*values, *(words[value] for value in values if isinstance(value, str) and value in words)]}


def _default(field: attrs.Attribute[Any]) -> Schema:
    value: Any = field.default
    factory: Callable[[], Any] | None = getattr(value, "factory", None)
    if factory is not None:
        if value.takes_self or (isinstance(factory, type) and attrs.has(factory)):
            return {}
        value = factory()
    if value is attrs.NOTHING or value is None or isinstance(value, Secret) or attrs.has(type(value)):
        return {}
    return {"default": unstructure(value)}
