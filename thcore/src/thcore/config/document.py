"""One configuration file, YAML or JSON, as plain data.

That is: mappings with text keys, lists, text, numbers, true, false and null.

YAML is read as its version 1.2 means it where 1.1 surprises: ``12:30``, ``010`` and ``2024-01-01`` are text. Tags that
make other objects are refused, and so are files that expand beyond all bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

from thcore.config.problem import KeyPath, Problem, key_text
from thcore.errors import ConfigError

SIZE_LIMIT = 1024 * 1024
_DEPTH_LIMIT = 40
_NODE_LIMIT = 100_000

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}


@frozen
class Document:
    """The content of a file, and problems that do not keep it from being read further."""

    content: Any
    problems: tuple[Problem, ...] = ()


def read(path: Path) -> Document:
    """Read and parse a file. Raises ConfigError when it cannot be read at all."""
    try:
        with path.open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name an existing one") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a directory; name the file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read: {reason}; check the path and its permissions") from error
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Document:
    """Parse the content of a file; ``where`` names it. Raises ConfigError when it is neither YAML nor JSON."""
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{where}: longer than {SIZE_LIMIT // 1024} KiB; no configuration is, name the right file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{where}: line {line}: not UTF-8 text; save the file as UTF-8") from error
    try:
        return _parse_json(text) if text.lstrip()[:1] in ("{", "[") else _parse_yaml(text)
    except _SyntaxError as error:
        raise ConfigError(f"{where}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: {_TOO_DEEP}") from None


_TOO_DEEP = f"nested deeper than {_DEPTH_LIMIT} levels; write it flatter"


class _SyntaxError(Exception):
    """The text is not what it should be: where in it, and why."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        self.position = (line, column)
        super().__init__(f"line {line}, column {column}: {problem}" if line else problem)


# JSON


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it was given twice."""

    twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    keys = [key for key, _ in pairs]
    result.twice = tuple(dict.fromkeys(key for key in keys if keys.count(key) > 1)) if len(result) < len(keys) else ()
    return result


def _parse_json(text: str) -> Document:
    """Parse what looks like JSON; if it is none, it may still be YAML in braces."""
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            wrong = _SyntaxError(f"{error.msg}; correct the JSON here", error.lineno, error.colno)
        else:
            wrong = _SyntaxError("a number has too many digits; write a smaller one")
        try:
            return _parse_yaml(text)
        except _SyntaxError as other:
            # The parser that came further is the one that the author had in mind.
            raise max(wrong, other, key=lambda each: each.position) from None
    problems: list[Problem] = []

    def plain(value: Any, path: KeyPath) -> Any:
        if len(path) > _DEPTH_LIMIT:
            raise _SyntaxError(_TOO_DEEP)
        if isinstance(value, _Object):
            problems.extend(Problem((*path, key), "given twice; keep one") for key in value.twice)
            return {key: plain(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item, (*path, index)) for index, item in enumerate(value)]
        return value

    content = plain(content, ())
    return Document(content, tuple(problems))


# YAML


class _Loader(yaml.SafeLoader):
    """SafeLoader that takes fewer words and numbers for something else than text."""


_Loader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [(tag, rx) for tag, rx in resolvers if tag in {_TAG + name for name in ("bool", "null", "merge")}])
}
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z", re.ASCII), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
        re.ASCII,
    ),
    list("-+0123456789."),
)


def _parse_yaml(text: str) -> Document:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise _SyntaxError("a control character; remove it", line, column) from error
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(None)
        problems = tuple(_Inspection().of(node, ()))
        return Document(loader.construct_document(node), problems)
    except yaml.MarkedYAMLError as error:
        raise _marked(error) from error
    except (ValueError, KeyError, OverflowError):
        raise _SyntaxError("a value does not fit its tag, or a number has too many digits; correct it") from None
    finally:
        loader.dispose()


def _marked(error: yaml.MarkedYAMLError) -> _SyntaxError:
    mark = error.problem_mark or error.context_mark
    words = ", ".join(part for part in (error.context, error.problem) if part)
    if "\\t" in words:
        words += "; indent with spaces, not with tabs"
    return _SyntaxError(words, *((mark.line + 1, mark.column + 1) if mark else ()))


class _Inspection:
    """A look at a YAML document before anything is made of it."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node, path: KeyPath) -> Iterator[Problem]:
        """Keys that are given twice. Raises _SyntaxError for what cannot be read as plain data."""
        if id(node) in self._open:
            raise _at(node, "this refers to itself; write it out")
        if len(path) > _DEPTH_LIMIT:
            raise _at(node, _TOO_DEEP)
        if node.tag not in _TAGS:
            raise _at(node, f"the tag {node.tag.replace(_TAG, '!!')} means nothing here; remove it")
        if id(node) in self._sizes:
            return
        self._open.add(id(node))
        size = 1
        for child, child_path, problem in self._children(node, path):
            if problem:
                yield problem
            yield from self.of(child, child_path)
            size += self._sizes[id(child)]
        self._open.remove(id(node))
        self._sizes[id(node)] = size
        if size > _NODE_LIMIT:
            raise _at(node, f"its aliases make more than {_NODE_LIMIT} values of this; write less")

    def _children(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[yaml.Node, KeyPath, Problem | None]]:
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield item, (*path, index), None
        elif isinstance(node, yaml.MappingNode):
            first_lines: dict[str, int] = {}
            for key, item in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise _at(key, "a key must be text; put quotes around it if it starts with a bracket")
                if key.tag not in {_TAG + "str", _TAG + "merge"}:
                    raise _at(key, f"the key {key_text(key.value)} is not text; put quotes around it")
                problem = None
                line = key.start_mark.line + 1
                if key.value in first_lines:
                    text = f"given twice, in line {first_lines[key.value]} and in line {line}; keep one"
                    problem = Problem((*path, key.value), text)
                first_lines.setdefault(key.value, line)
                yield item, (*path, key.value), problem


def _at(node: yaml.Node, problem: str) -> _SyntaxError:
    return _SyntaxError(problem, node.start_mark.line + 1, node.start_mark.column + 1)
