"""What the files of a yoyo project say, without running any of it."""

from __future__ import annotations

import ast
import configparser
import glob
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

from thcore.errors import ChangeError

INI = "yoyo.ini"
_SUFFIXES = frozenset({".py", ".sql"})
_DEPENDS = re.compile(r"\s*--\s*depends\s*:\s*(.*)")
_COMMENT = re.compile(r"\s*(--.*)?")


@frozen
class Configuration:
    """What yoyo.ini says, as far as it concerns us: nothing, where there is none."""

    sources: tuple[str, ...] = ()
    migration_table: str | None = None


def configuration(directory: Path, checkout: Path, variables: Mapping[str, str]) -> Configuration:
    """Read the yoyo.ini that yoyo finds: in ``directory`` or the nearest above it. It may name ``variables`` of the
    environment. Raises ChangeError (``tool-unusable``)."""
    places = [place for place in (directory, *directory.parents) if place.is_relative_to(checkout)]
    path = next((place / INI for place in places if (place / INI).is_file()), None)
    if path is None:
        return Configuration()
    known = {name.lower(): value.replace("%", "%%") for name, value in variables.items()}
    parser = configparser.ConfigParser({**known, "here": str(path.parent)})
    try:
        parser.read_string(path.read_text("utf-8"))
        sources = parser.get("DEFAULT", "sources", fallback="")
        return Configuration(tuple(sources.split()), parser.get("DEFAULT", "migration_table", fallback=None))
    except (OSError, ValueError, configparser.Error) as error:
        raise ChangeError(f"{path.relative_to(checkout)} cannot be read: {error}", code="tool-unusable") from None


def migrations(directory: Path, checkout: Path, sources: Iterable[str]) -> dict[str, Path]:
    """The migrations by id, those of ``sources`` as yoyo understands them. Without any, every file of the checkout that
    may be one. What lies outside the checkout is not looked at."""
    found: dict[str, Path] = {}
    patterns = [_pattern(directory, source) for source in sources] or [f"{glob.escape(str(checkout))}/**/"]
    root = checkout.resolve()
    for place in sorted({place for pattern in patterns for place in glob.glob(pattern, recursive=True)}):  # noqa: PTH207 - a pattern may be absolute
        if not (path := Path(place)).is_dir() or not path.resolve().is_relative_to(root):
            continue
        for file in sorted(path.iterdir()):
            if file.suffix in _SUFFIXES and not file.name.endswith(".rollback.sql") and file.is_file():
                found[file.stem] = file
    return found


def _pattern(directory: Path, source: str) -> str:
    package = re.fullmatch(r"package:([^\s/:]+):(.*)", source)
    if package is None:
        return str(directory / source)
    return f"{glob.escape(str(directory))}/**/{package[1].replace('.', '/')}/{package[2]}"


def heads(versions: frozenset[str], files: Mapping[str, Path]) -> frozenset[str]:
    """Those of ``versions`` that no other of them depends on."""
    needed = {name for version in versions if version in files for name in depends(files[version])}
    return versions - needed


@cache
def depends(file: Path) -> frozenset[str]:
    """The migrations that one says it depends on; none, when that cannot be read."""
    try:
        text = file.read_text("utf-8")
        return _in_sql(text) if file.suffix == ".sql" else _in_python(text)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return frozenset()


def _in_sql(text: str) -> frozenset[str]:
    names: set[str] = set()
    for line in text.splitlines():
        if not _COMMENT.fullmatch(line):
            break
        if said := _DEPENDS.fullmatch(line):
            names.update(said[1].split())
    return frozenset(names)


def _in_python(text: str) -> frozenset[str]:
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__depends__" for target in targets) and node.value:
            value = ast.literal_eval(node.value)
            return frozenset({value} if isinstance(value, str) else map(str, value))
    return frozenset()
