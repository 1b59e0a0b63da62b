"""The lock that somebody has on a file of SQLite. It is the operating system's, on some bytes that are kept for it, and
everybody may ask who has it.

With a journal, who writes has RESERVED from the first change on, and EXCLUSIVE while pages are written to the file.
With a WAL there is one lock for writing, and nobody who reads ever waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from thplugins_dbmigration.measure.lock_view import Against, Held

INTERVAL_S = 0.02
# As https://www.sqlite.org/fileformat2.html and walformat.html have them: the bytes of the locks, where in the journal
# a number stands that each transaction draws anew, and where in the index of a WAL the count of its transactions.
_PENDING, _RESERVED, _SHARED, _SHARED_BYTES = 0x40000000, 0x40000001, 0x40000002, 510
_WAL_WRITE = 120
_NONCE, _CHANGES = (12, 4), (8, 4)
_FLOCK = "hhqqi0q"


@frozen
class SQLiteLocks:
    """Of one file. ``directory`` is written by the project, so that there may be anything."""

    database: Path
    interval_s: float = INTERVAL_S

    def look(self) -> Collection[Held]:
        return [*self._with_journal(), *self._with_wal()]

    def close(self) -> Mapping[str, int]:
        return {}

    def _with_journal(self) -> Iterator[Held]:
        with _opened(self.database) as file:
            if file is None:
                return
            who = _holder(file, _RESERVED, 1)
            alone = _holder(file, _SHARED, _SHARED_BYTES)
            soon = _holder(file, _PENDING, 1)
        with _opened(Path(f"{self.database}-journal")) as journal:
            transaction = _read(journal, *_NONCE)
        if who:
            yield Held("", "RESERVED", Against.WRITERS, frozenset({f"{who} {transaction}"}))
        if alone or soon:
            yield Held(
                "", "EXCLUSIVE" if alone else "PENDING", Against.ALL, frozenset({f"{alone or soon} {transaction}"})
            )

    def _with_wal(self) -> Iterator[Held]:
        with _opened(Path(f"{self.database}-shm")) as index:
            who = _holder(index, _WAL_WRITE, 1) if index is not None else 0
            transaction = _read(index, *_CHANGES)
        if who:
            yield Held("", "WAL_WRITE", Against.WRITERS, frozenset({f"{who} {transaction}"}))


def _holder(file: int, start: int, length: int) -> int:
    """The process that has bytes of a file for itself alone, 0 where none has."""
    question = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
    kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    return 0 if kind == fcntl.F_UNLCK else process or -1  # one in another namespace has no number here


def _read(file: int | None, start: int, length: int) -> str:
    return os.pread(file, length, start).hex() if file is not None else ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        # A pipe would have no end, a link may lead anywhere.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)
