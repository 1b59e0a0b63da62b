"""Keeping psql to SQL: a seed must not be able to start programs or read files with psql's own commands."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build

_FIRST = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""The first minor version of each major one whose psql knows ``\\restrict``; from 18 on all do."""
_OWN = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]+\r?\n")


def understands_restrict(version: str) -> bool:
    """Whether psql of this version can be kept to SQL."""
    match = re.match(r"(\d+)(?:\.(\d+))?", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2] or 0)
    return major >= 18 or minor >= _FIRST.get(major, 1_000)


@contextlib.contextmanager
def restricted_seed(build: Build, seed: Path) -> Iterator[Path]:
    """The seed without the ``\\restrict`` lines that dumps of today have: they do not nest. Line numbers stay."""
    if not _has_own(build, seed):
        yield seed
        return
    with tempfile.NamedTemporaryFile(dir=build.workspace.temporary, prefix="seed-", suffix=".sql") as copy:
        try:
            with seed.open("rb") as source:
                for number, line in enumerate(source):
                    if number % 10_000 == 0:
                        build.check()
                    copy.write(b"\n" if _OWN.fullmatch(line) else line)
            copy.flush()
        except OSError as error:
            raise InfrastructureError(
                f"cannot prepare {seed.name}: {error.strerror}", code="seed-not-loaded"
            ) from error
        yield Path(copy.name)


def _has_own(build: Build, seed: Path) -> bool:
    with seed.open("rb") as source:
        for number, line in enumerate(source):
            if number % 10_000 == 0:
                build.check()
            if line.startswith((b"\\restrict ", b"\\unrestrict ")):
                return True
    return False
