"""What decides how a project is installed in place, where that is nothing but declarations.

Building a project to learn its name, its programs and its import path takes a second or more, and its answer is the
same until a declaration changes. It may be kept only if no code of the checkout has a say in it: else an answer would
be taken for a change that would give another, or one change could give the answer for all others.
"""

from __future__ import annotations

import ast
import configparser
import enum
import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

_BACKENDS = {
    "setuptools.build_meta": "setuptools",
    "setuptools.build_meta:__legacy__": "setuptools",
    "pbr.build": "setuptools",
    "hatchling.build": "hatch",
    "flit_core.buildapi": "flit",
    "poetry.core.masonry.api": "poetry",
    "uv_build": "uv",
}
"""Build backends that read what is declared, each with its table below ``tool``."""

_TOOLS = {
    "flit-core",
    "hatch-vcs",
    "hatchling",
    "packaging",
    "pbr",
    "poetry-core",
    "setuptools",
    "setuptools-scm",
    "tomli",
    "uv-build",
    "wheel",
}
"""What they build with. Other plugins of setuptools give meanings of their own to what is declared (cffi_modules names
a file to run)."""

_SHADOWS = {*sys.stdlib_module_names, "packaging", "pbr", "setuptools", "setuptools_scm", "tomli", "wheel"} - {"test"}
"""Packages that a build would import, instead of its own, out of the directory that it works in."""

_BY_COMMIT = {"setuptools-scm", "hatch-vcs"}
_CODE = {
    "setuptools": {"attr", "cmdclass", "ext-modules", "hooks", "setup-hooks"},
    "hatch": {"force-include", "hooks", "source"},
    "flit": set[str](),
    "poetry": {"build"},
    "uv": set[str](),
}
"""For each table: keys that bring code in, or a version out of code."""

_PLACES = {"where", "package-dir", "file"}
"""Keys with paths that may lead deeper than what is looked at here."""

_NAME_AND_VERSION = re.compile(r"([\w.-]+)(?:\[[\w,. -]*\])?\s*(?:[<>=!~][^@;/]*)?(?:;.*)?")
_SETUP_CALL = "setup"
_SEARCHES = {"find_packages", "find_namespace_packages"}
_IMPORTED = {_SETUP_CALL, *_SEARCHES}
_SIZE_LIMIT = 4 * 1024 * 1024


class Version(enum.Enum):
    """What a project's version is made from."""

    DECLARED = enum.auto()
    """It is declared like everything else."""
    COUNT = enum.auto()
    """The last tag, and the commits since then (pbr)."""
    COMMIT = enum.auto()
    """The same, and the name of the commit (setuptools-scm, hatch-vcs)."""


@frozen
class Declaration:
    """``digest`` of everything that decides but the version, and what that is made from."""

    digest: str
    version: Version


def declaration(root: Path) -> Declaration | None:
    """What decides how the checkout is installed in place; None when its code has a say, or may have one."""
    try:
        described = _toml(root / "pyproject.toml")
        build = described.get("build-system", {"requires": ["setuptools"]})
        backend = build.get("build-backend", "setuptools.build_meta:__legacy__")
        call = _setup_call(root / "setup.py")
        settings = _settings(root / "setup.cfg")
        if backend not in _BACKENDS or "backend-path" in build or call is None or settings is None:
            return None
        tool = _BACKENDS[backend]
        table = described.get("tool", {}).get(tool, {})
        tools = _names([*build.get("requires", ()), *call.get("setup_requires", ())])
        if tool == "hatch" and table.get("version") == {"source": "vcs"}:
            del table["version"]
        if tools is None or not tools <= _TOOLS or _is_imported(root):
            return None
        if tool == "flit" and described.get("project", {}).get("dynamic"):
            return None  # its source is the module, which is imported where reading does not help
        if any(_brings_code(part, _CODE[tool]) for part in (table, call, settings)):
            return None
        version = _version(described, call, settings, tools)
        return None if version is None else Declaration(_digest(root), version)
    except (OSError, ValueError, SyntaxError, RecursionError, AttributeError, TypeError, configparser.Error):
        return None


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def _setup_call(path: Path) -> dict[str, Any] | None:
    """The arguments of a ``setup.py`` that is nothing but one call with literals; None for any other."""
    if not path.is_file():
        return {}
    *before, last = ast.parse(path.read_bytes()).body or [ast.Pass()]
    for statement in before:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring and not _imports_setuptools(statement):
            return None
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)) or last.value.args:
        return None
    name = last.value.func
    called = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
    if called != _SETUP_CALL or any(keyword.arg is None for keyword in last.value.keywords):
        return None
    return {str(keyword.arg): _literal(keyword.value) for keyword in last.value.keywords}


def _literal(value: ast.expr) -> Any:
    """The value of a literal, or the arguments of a search for packages. Raises ValueError for anything else."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _SEARCHES:
        given = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in value.keywords}
        return {"where": [ast.literal_eval(argument) for argument in value.args], **given}
    return ast.literal_eval(value)


def _imports_setuptools(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        names = {alias.name for alias in statement.names if alias.asname is None}
        return statement.module == "setuptools" and len(names) == len(statement.names) and names <= _IMPORTED
    return isinstance(statement, ast.Import) and [(alias.name, alias.asname) for alias in statement.names] == [
        ("setuptools", None)
    ]


def _settings(path: Path) -> dict[str, dict[str, str]] | None:
    """The sections of ``setup.cfg``; None when one of them brings code of the checkout in."""
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text("utf-8"))
    sections = {name: dict(parser[name]) for name in parser.sections()}
    values = [value for section in sections.values() for value in section.values() if value]
    if "global" in sections or any(value.strip().startswith("attr:") for value in values):
        return None
    return {
        name: section
        for name, section in sections.items()
        if name.split(".")[0] in {"metadata", "options", "files", "pbr", "build_ext"}
    }


def _names(requirements: list[str]) -> set[str] | None:
    """The names of what builds the project; None when one is not taken from an index by name and version."""
    found = [_NAME_AND_VERSION.fullmatch(requirement.strip()) for requirement in requirements]
    return None if not all(found) else {re.sub(r"[-_.]+", "-", match[1]).lower() for match in found if match}


def _brings_code(part: Any, code: set[str]) -> bool:
    """Whether a table names code, or a place deeper in the checkout than what ``_digest`` looks at."""
    if isinstance(part, list | tuple):
        return any(_brings_code(item, code) for item in part)
    if not isinstance(part, dict):
        return False
    for key, value in part.items():
        name = str(key).replace("_", "-")
        if name in code or (name in _PLACES and "/" in str(value).strip("/")):
            return True
        if isinstance(value, str) and value.strip().startswith("file:") and "/" in value:
            return True
        if _brings_code(value, code):
            return True
    return False


def _is_imported(root: Path) -> bool:
    """Whether a build would import code of the checkout because of its name, or because it is announced there."""
    return any(
        path.suffix in {".egg-info", ".dist-info"} or (path.name in _SHADOWS and (path / "__init__.py").exists())
        for path in root.iterdir()
        if path.is_dir()
    )


def _version(
    described: dict[str, Any], call: dict[str, Any], settings: dict[str, dict[str, str]], tools: set[str]
) -> Version | None:
    places = (
        described.get("project", {}),
        described.get("tool", {}).get("poetry", {}),
        call,
        settings.get("metadata", {}),
    )
    if any("version" in place for place in places):
        return Version.DECLARED
    if _BY_COMMIT & tools:
        return Version.COMMIT
    return Version.COUNT if "pbr" in tools else None


def _digest(root: Path) -> str:
    """Of the files at the top of the checkout, and of the names of directories in it and one below."""
    digest = hashlib.sha256()
    for path in sorted(root.iterdir()):
        if path.name == ".git":
            continue
        if path.is_symlink():
            digest.update(bytes(path.readlink()) + b"\0")
        if path.is_dir():
            for name in (f"{path.name}/", *(f"{path.name}/{below}" for below in _packages(path))):
                digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        elif path.is_file():
            status = path.stat()
            if status.st_size > _SIZE_LIMIT:
                raise ValueError(path.name)
            content = path.read_bytes()
            head = f"{path.name}\0{status.st_mode}\0{len(content)}\0"
            digest.update(head.encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest()


def _packages(directory: Path) -> Iterator[str]:
    """The directories in one, and whether it is a package."""
    with os.scandir(directory) as entries:
        yield from sorted(
            entry.name for entry in entries if entry.name == "__init__.py" or entry.is_dir(follow_symlinks=False)
        )
