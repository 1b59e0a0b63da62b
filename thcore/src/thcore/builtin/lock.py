"""Locks between the builds of one worker: ``flock`` on a file, ended by the system when its holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.05


@contextmanager
def locked(path: Path, check: Callable[[], None], *, shared: bool = False) -> Iterator[None]:
    """Hold the lock, waiting for it; ``check`` is called meanwhile and may raise to give up.

    The directory of ``path`` is made when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = threading.Event()
    while (descriptor := _acquire(path, shared=shared)) is None:
        check()
        waiting.wait(_POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock alone if nobody has it. Answers whether it is held; does not wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(path, shared=False)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _acquire(path: Path, *, shared: bool) -> int | None:
    """A descriptor that holds the lock, or None when someone else has it.

    The holder may remove the file: a lock on a file that is no longer at ``path`` protects nothing and is not taken.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        held = os.fstat(descriptor)
        there = os.stat(path)  # noqa: PTH116 - compared with fstat
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    if (held.st_dev, held.st_ino) != (there.st_dev, there.st_ino):
        os.close(descriptor)
        return None
    return descriptor
