"""The Pythons of the machine: which one a job means, and which there are when it is not there."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.builtin.uv_process import Uv
from thcore.errors import ChangeError, InfrastructureError

PLACES = ("/usr/local/bin", "/opt/python*/bin", "~/.pyenv/versions/*/bin", "~/.local/share/uv/python/*/bin")
"""Directories with interpreters, beside those of ``PATH``: ``*`` for any name, ``~`` for the worker's home."""


@frozen
class Interpreter:
    """A Python: the path of its program, and implementation and exact version, as in ``CPython 3.11.7``."""

    path: Path
    version: str

    @property
    def identity(self) -> list[str]:
        """The program that the path leads to, and the version: another one means another Python."""
        return [os.path.realpath(self.path), self.version]


def find(uv: Uv, wanted: str | None, places: tuple[str, ...], *, cwd: Path) -> Interpreter:
    """The interpreter for a version or a path; without either, the one that runs the worker.

    Raises InfrastructureError (``python-missing``), which names those that are there.
    """
    if wanted is None:
        return Interpreter(Path(sys.executable), f"{platform.python_implementation()} {platform.python_version()}")
    variables = {"PATH": _path(places)}
    try:
        found = _listed(uv, wanted, variables, cwd)
    except (ChangeError, InfrastructureError) as error:
        raise _missing(wanted, _others(uv, variables, cwd), f": {error}") from error
    if not found:
        raise _missing(wanted, _others(uv, variables, cwd))
    return found[0]


def _listed(uv: Uv, wanted: str | None, variables: dict[str, str], cwd: Path) -> list[Interpreter]:
    request = (wanted,) if wanted else ()
    said = uv(
        "python", "list", *request, "--only-installed", "--output-format", "json",
        cwd=cwd, capture=True, third_party=True, more=variables,
    )  # fmt: skip
    listing: list[dict[str, Any]] = json.loads(said or "[]")
    # uv writes what is below its working directory as relative paths.
    found = (_interpreter(entry, cwd) for entry in listing if entry.get("path"))
    return [interpreter for interpreter in found if not _of_environment(interpreter.path)]


def _interpreter(entry: dict[str, Any], cwd: Path) -> Interpreter:
    names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    name = str(entry["implementation"])
    return Interpreter(cwd / entry["path"], f"{names.get(name, name)} {entry['version']}")


def _others(uv: Uv, variables: dict[str, str], cwd: Path) -> list[Interpreter]:
    try:
        return _listed(uv, None, variables, cwd)
    except (ChangeError, InfrastructureError):
        return []


def _missing(wanted: str, others: list[Interpreter], more: str = "") -> InfrastructureError:
    versions = dict.fromkeys(interpreter.version for interpreter in others)
    here = f"found are {', '.join(versions)}" if versions else "none was found at all"
    return InfrastructureError(
        f"there is no Python {wanted} here; {here}. Install it, name its path in venv: {{python: …}}, or its directory "
        f"in the worker's setting plugins: {{venv: {{pythons: […]}}}}{more}",
        code="python-missing",
    )


def _of_environment(path: Path) -> bool:
    """A virtual environment's, such as the worker's own."""
    return (path.parent.parent / "pyvenv.cfg").exists()


def _path(places: tuple[str, ...]) -> str:
    """The worker's PATH with the places in front: version managers put mere stand-ins of interpreters into PATH."""
    return os.pathsep.join([*map(str, _directories(places)), os.environ.get("PATH", os.defpath)])


def _directories(places: tuple[str, ...]) -> Iterator[Path]:
    for place in places:
        try:
            whole = Path(place).expanduser()
        except RuntimeError:  # the worker's account has no home
            continue
        yield from sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))), reverse=True)
