"""What a project says it needs, read from a checkout that is not to be trusted."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from thcore.errors import ChangeError, InfrastructureError

_SIZE_LIMIT = 4 * 1024 * 1024
_FILES_LIMIT = 100
_INCLUDE = re.compile(r"(?:(-r|--requirement)|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(\S.*)")
_FIND_LINKS = re.compile(r"(?:-f|--find-links)(?:\s*=\s*|\s+)(\S.*)")
_LOCAL = re.compile(r"(?:\.|/|file:)|[^@;]+@\s*file:|[^:;@\s]+/|[^:;@\s]+\.(?:whl|zip|tar\.\w+)(?:\s|$)")
_REMOTE = re.compile(r"[a-z0-9+]+://", re.IGNORECASE)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_FIXED = re.compile(r"@[0-9a-f]{40}\b")


@frozen
class Local:
    """A requirement that is a directory or file of the checkout."""

    path: Path
    editable: bool = False
    extras: str = ""

    @property
    def extra_names(self) -> tuple[str, ...]:
        """The names in ``extras``, as indexes write them."""
        return tuple(_normal(name) for name in self.extras.strip("[]").split(",") if name.strip())


@frozen
class Requirements:
    """What to install before the project.

    ``lines`` and ``constraints`` mean the same everywhere, with all includes written out. ``local`` are parts of the
    checkout. ``unsteady``: the same lines may mean something else tomorrow (a branch of another repository, a file on
    the web). ``declared`` is False when the project's needs can be learned only by building it.
    """

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    local: tuple[Local, ...] = ()
    unsteady: bool = False
    declared: bool = True


@define
class _Reader:
    """Collects the lines of requirement files."""

    root: Path
    lines: list[str] = field(factory=list)
    constraints: list[str] = field(factory=list)
    local: list[Local] = field(factory=list)
    unsteady: bool = False
    files: int = 0

    def read(self, path: Path, *, constraint: bool) -> None:
        self.files += 1
        if self.files > _FILES_LIMIT:
            raise _wrong(f"{self._name(path)}: too many files, or files that include each other")
        for line in logical_lines(_text(path, self._name(path))):
            self.take(line, path, constraint=constraint)

    def take(self, line: str, path: Path, *, constraint: bool = False) -> None:
        into = self.constraints if constraint else self.lines
        if include := _INCLUDE.fullmatch(line):
            nested = constraint or include[1] is None
            if _REMOTE.match(include[2]):
                self.unsteady = True
                into.append(line)
            else:
                self.read(self.inside(path.parent / include[2], path), constraint=nested)
        elif links := _FIND_LINKS.fullmatch(line):
            if not _REMOTE.match(links[1]):
                self.unsteady = True
                line = f"--find-links {self.inside(path.parent / links[1], path)}"
            into.append(line)
        else:
            editable = _EDITABLE.fullmatch(line)
            what = editable[1] if editable else line
            if _LOCAL.match(what) and not _REMOTE.match(what.removeprefix("file://")):
                if not constraint:
                    self.local.append(self._local(what, path, editable=editable is not None))
                return
            if re.search(r"\b(?:git|hg|svn|bzr)\+", what) and not _FIXED.search(what):
                self.unsteady = True
            into.append(line)

    def _local(self, what: str, path: Path, *, editable: bool) -> Local:
        target = what.partition(";")[0].split(" --")[0].strip()
        if "@" in target and "file:" in target:
            target = target.partition("@")[2].strip()
        name, bracket, extras = target.removeprefix("file://").removeprefix("file:").partition("[")
        return Local(self.inside(path.parent / name.strip(), path), editable, bracket + extras)

    def inside(self, path: Path, origin: Path) -> Path:
        """The path, if it is inside the checkout also when links are followed."""
        try:
            found = path.resolve()
            if found.is_relative_to(self.root):
                return found
        except (OSError, ValueError, RuntimeError):
            pass
        raise _wrong(f"{self._name(origin)} refers to {os.path.relpath(path, self.root)!r}, outside the checkout")

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def read(
    checkout: Path, files: tuple[str, ...], constraints: tuple[str, ...], *, optional: bool, project: bool
) -> Requirements:
    """Read requirement files, and constraint files, which may also be absolute paths given by the operator.

    With ``optional``, files may be missing. When there is none and ``project`` is wanted, what the project itself
    declares is taken. Raises ChangeError (``environment-failed``) for what is missing, broken or outside.
    """
    reader = _Reader(checkout.resolve())
    found = False
    for name in files:
        path = reader.inside(reader.root / name, reader.root / name)
        if path.is_file():
            found = True
            reader.read(path, constraint=False)
        elif not optional:
            raise _wrong(f"the change has no {name}")
    for name in constraints:
        if Path(name).is_absolute():
            reader.constraints.extend(operators_constraints(Path(name)))
        else:
            reader.read(reader.inside(reader.root / name, reader.root / name), constraint=True)
    declared = True
    if project and not found:
        needs = _declared(reader.root)
        declared = needs is not None
        for line in needs or ():
            reader.take(line, reader.root / "pyproject.toml")
    return Requirements(tuple(reader.lines), tuple(reader.constraints), tuple(reader.local), reader.unsteady, declared)


def operators_constraints(path: Path) -> tuple[str, ...]:
    """The lines of a constraint file of the worker, with all includes written out. Raises InfrastructureError
    (``environment-not-made``) when it is not there, and ChangeError like ``read``."""
    if not path.is_file():
        raise InfrastructureError(f"the constraint file {path} is not there", code="environment-not-made")
    reader = _Reader(path.resolve().parent)
    reader.read(path.resolve(), constraint=True)
    return tuple(reader.constraints)


def completed(needs: Requirements, checkout: Path, requires: tuple[str, ...], extras: set[str]) -> Requirements:
    """The needs with those that the metadata of the built project name, for the given extras."""
    reader = _Reader(
        checkout.resolve(), list(needs.lines), list(needs.constraints), list(needs.local), unsteady=needs.unsteady
    )
    for line in requires:
        asked = {_normal(name) for name in _EXTRA.findall(line)}
        if not asked or asked & extras:
            # Only installers know extras; here the question is settled.
            reader.take(_EXTRA.sub('python_version >= "0"', line), checkout / "pyproject.toml")
    return evolve(needs, lines=tuple(reader.lines), local=tuple(reader.local), unsteady=reader.unsteady)


def has_project(checkout: Path) -> bool:
    """Whether the checkout can be installed."""
    return any((checkout / name).is_file() for name in ("pyproject.toml", "setup.py"))


def logical_lines(text: str) -> Iterator[str]:
    """The lines of a requirement file: continued ones joined, comments and empty ones left out."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if stripped := re.sub(r"(?:^|\s)#.*$", "", line).strip():
            yield stripped


def _declared(root: Path) -> tuple[str, ...] | None:
    """The dependencies that a project declares; None when they are made up only when it is built."""
    try:
        described: dict[str, Any] = tomllib.loads(_text(root / "pyproject.toml", "pyproject.toml", missing=""))
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"pyproject.toml is no TOML: {error}") from error
    project = described.get("project")
    if isinstance(project, dict) and "dependencies" not in project.get("dynamic", ()):
        needs = project.get("dependencies", [])
        if isinstance(needs, list) and all(isinstance(need, str) for need in needs):
            return tuple(" ".join(need.split()) for need in needs)
        raise _wrong("pyproject.toml: project.dependencies is no list of texts")
    if project is None and not (root / "setup.py").is_file() and (root / "setup.cfg").is_file():
        return _from_setup_cfg(root)
    return None if has_project(root) else ()


def _from_setup_cfg(root: Path) -> tuple[str, ...] | None:
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string(_text(root / "setup.cfg", "setup.cfg"))
    except configparser.Error as error:
        raise _wrong(f"setup.cfg cannot be read: {error}") from error
    needs = settings.get("options", "install_requires", fallback=None)
    # Other build backends keep other words in setup.cfg.
    return None if needs is None or needs.startswith("file:") else tuple(logical_lines(needs))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _text(path: Path, name: str, missing: str | None = None) -> str:
    try:
        if not path.is_file():
            if missing is not None:
                return missing
            raise _wrong(f"there is no {name}")
        if path.stat().st_size > _SIZE_LIMIT:
            raise _wrong(f"{name} is larger than {_SIZE_LIMIT} bytes")
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"{name} is not UTF-8: {error}") from error
    except OSError as error:
        raise _wrong(f"{name} cannot be read: {error.strerror}") from error


def _wrong(text: str) -> ChangeError:
    return ChangeError(text, code="environment-failed")
