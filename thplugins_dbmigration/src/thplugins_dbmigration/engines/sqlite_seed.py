"""What an SQLite database is loaded from: SQL text, or another database."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build

MAGIC = b"SQLite format 3\x00"
"""How a database file starts; a seed may be one instead of SQL text."""


def is_database(seed: Path) -> bool:
    """Whether a file is an SQLite database rather than SQL text."""
    with seed.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def copy(build: Build, seed: Path, target: Path) -> None:
    """Load a database. Raises InfrastructureError (``seed-not-loaded``) when it is none."""
    build.check()
    try:
        shutil.copyfile(seed, target)
        with contextlib.closing(sqlite3.connect(target)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise InfrastructureError(f"{seed.name} cannot be loaded: {error}", code="seed-not-loaded") from error


def statements(seed: Path) -> Iterator[tuple[int, str]]:
    """The statements of an SQL file one at a time, each with the line it starts at."""
    collected: list[str] = []
    start = 1
    with seed.open(encoding="utf-8", newline="") as stream:
        for number, line in enumerate(stream, 1):
            if not collected:
                if not line.strip():
                    continue
                start = number
            collected.append(line)
            if line.rstrip().endswith(";") and sqlite3.complete_statement("".join(collected)):
                yield start, "".join(collected)
                collected = []
    if "".join(collected).strip():
        yield start, "".join(collected)
