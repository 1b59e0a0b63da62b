"""Where a project's code declares a column: what a developer looks for when rows do not fit it."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

MOST = 5000
"""Files that are looked at."""
LARGEST = 1_000_000
"""Bytes of a file that is looked at."""
_ELSEWHERE = re.compile(r"\.|node_modules$|migrations?$|migrate_repo$|versions$|alembic|tests?$|site-packages$")
"""Directories that have no models of the project: a migration declares what was once."""


@frozen
class Declaration:
    """A line of the checkout; ``path`` is relative to it."""

    path: str
    line: int
    text: str


def declaration(checkout: Path, table: str, columns: tuple[str, ...]) -> Declaration | None:
    """The first of the columns that is found in what looks like the table's model, else the model: of SQLAlchemy,
    declarative or as a Table, or of Django. Nothing of the project is run."""
    name = table.rpartition(".")[2]
    for path in itertools.islice(_sources(checkout), MOST):
        text = text_of(path)
        if text is None or name.rpartition("_")[2].lower() not in text.lower():
            continue
        relative = path.relative_to(checkout).as_posix()
        place = _model(text, name, relative)
        if place is not None:
            line = text.count("\n", 0, _column(text, place, columns)) + 1
            return Declaration(relative, line, text.splitlines()[line - 1].strip())
    return None


def declared(checkout: Path, tables: Iterable[str]) -> frozenset[str]:
    """Those of the tables that some model of the project declares."""
    left, found = set(tables), set[str]()
    for path in itertools.islice(_sources(checkout), MOST if left else 0):
        text, relative = text_of(path) or "", path.relative_to(checkout).as_posix()
        words = text.lower()
        for table in left:
            name = table.rpartition(".")[2]
            if name.rpartition("_")[2].lower() in words and _model(text, name, relative) is not None:
                found.add(table)
        left -= found
    return frozenset(found)


def _sources(checkout: Path) -> Iterator[Path]:
    for root, directories, files in os.walk(checkout):
        directories[:] = sorted(name for name in directories if not _ELSEWHERE.match(name))
        yield from (Path(root, name) for name in sorted(files) if name.endswith(".py"))


def text_of(path: Path) -> str | None:
    """What a file of somebody else's checkout holds; None where it is no plain file, or too large to be read."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
            return None
        return path.read_text("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return None


def _model(text: str, table: str, path: str) -> tuple[int, int] | None:
    """From where to where a table is declared."""
    named = re.search(rf"""(?:__tablename__|db_table)\s*=\s*["']{re.escape(table)}["']""", text)
    if named is not None:
        start = text.rfind("\nclass ", 0, named.start()) + 1
        return start, _end(text, named.end(), "\nclass ")
    made = re.search(rf"""\bTable\(\s*["']{re.escape(table)}["']""", text)
    if made is not None:
        return made.start(), _end(text, made.end(), "Table(")
    app, _, model = table.partition("_")
    if model and f"/{app}/models" in f"/{path}":
        found = re.search(rf"^class {re.escape(model)}\(", text, re.IGNORECASE | re.MULTILINE)
        if found is not None:
            return found.start(), _end(text, found.end(), "\nclass ")
    return None


def _end(text: str, start: int, mark: str) -> int:
    end = text.find(mark, start)
    return end if end >= 0 else len(text)


def _column(text: str, place: tuple[int, int], columns: tuple[str, ...]) -> int:
    start, end = place
    for column in columns:
        # Django adds _id to the name of a foreign key.
        name = "|".join(re.escape(each) for each in {column, column.removesuffix("_id")})
        pattern = rf"""^[ \t]+(?:{name})[ \t]*[:=]|\bColumn\(\s*["'](?:{name})["']"""
        found = re.compile(pattern, re.MULTILINE).search(text, start, end)
        if found is not None:
            return found.start()
    return start
