"""Locks between builds: ``flock``, which the system ends when the holder dies, so that none is ever left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from thplugins_dbmigration.engines.private import pause

POLL_S = 0.05


class Hold:
    """A shared lock on a directory for as long as this object lives: what is held by somebody is not removed.

    It is the directory's own, and goes with it when it is renamed.
    """

    def __init__(self, descriptor: int) -> None:
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of(cls, directory: Path) -> Hold | None:
        """Hold a directory. None: it is not there, or is being removed."""
        descriptor = _locked(directory, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_SH)
        return None if descriptor is None else cls(descriptor)

    def release(self) -> None:
        """Let go before the object ends. Idempotent."""
        self._finalizer()


@contextlib.contextmanager
def unheld(directory: Path) -> Iterator[bool]:
    """Keep everybody from holding a directory. Answers whether nobody does; never waits."""
    descriptor = _locked(directory, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def alone(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file ``path`` alone. ``wait`` is called before each new attempt and may raise to give up."""
    while (descriptor := _locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)) is None:
        wait()
        pause(POLL_S)
    try:
        yield
    finally:
        _let_go(path, descriptor)


@contextlib.contextmanager
def alone_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` alone if nobody has it. Answers whether it is held; never waits."""
    descriptor = _locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _let_go(path, descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _locked(path: Path, flags: int, kind: int) -> int | None:
    """A descriptor that holds the lock; None when somebody else has it or ``path`` is not there.

    The holder may remove or rename what is at ``path``: a lock on something else protects nothing, and is not taken.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116 - compared with fstat
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
