"""The PID file: it names the worker's process, and is locked, for as long as that lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from thcore.errors import ConfigError, InfrastructureError

_LONGEST = 32
"""Bytes that are read of a PID file."""
_CLOCK_S = 2.0
"""How exactly the kernel's start times of processes and a file's time can be compared."""


@contextmanager
def pid_file(path: Path) -> Iterator[None]:
    """Have ``path`` name this process, and removed at the end. It appears complete or not at all.

    A file that a dead process has left is taken over. Raises InfrastructureError when its process lives, ConfigError
    when the file is something else or cannot be written.
    """
    path = path.absolute()
    try:
        own = _publish(path)
    except OSError as error:
        raise ConfigError(f"PID file {path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if _is_at(path, own):
                path.unlink()
        os.close(own)


def _publish(path: Path) -> int:
    """Write the file beside ``path`` and move it there. Returns its descriptor, which holds the lock."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    own = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(own, fcntl.LOCK_EX)
        os.write(own, f"{os.getpid()}\n".encode())
        while not _is_at(path, own):
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                _take_over(path, draft)
    except BaseException:
        os.close(own)
        raise
    finally:
        draft.unlink(missing_ok=True)
    return own


def _take_over(path: Path, draft: Path) -> None:
    """Put ``draft`` in the place of a file that nobody stands behind any more; do nothing if it has just gone."""
    try:
        former = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    with os.fdopen(former, "rb") as file:
        if not stat.S_ISREG(os.fstat(former).st_mode):
            raise ConfigError(f"PID file {path}: this is no file; name another one")
        content = file.read(_LONGEST).strip()
        if content and not content.isdigit():
            raise ConfigError(f"PID file {path}: there is something else in it; name another one")
        try:
            fcntl.flock(former, fcntl.LOCK_EX | fcntl.LOCK_NB)
            living = bool(content) and _lives(int(content), os.fstat(former).st_mtime)
        except BlockingIOError:
            living = True
        if living:
            raise InfrastructureError(
                f"PID file {path}: process {content.decode()} lives; stop it, or name another file for this worker"
            )
        if _is_at(path, former):
            draft.replace(path)


def _lives(pid: int, since: float) -> bool:
    """Whether the process that had this number at the time ``since`` is still there: numbers are given out again."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since + _CLOCK_S
    except (psutil.NoSuchProcess, OverflowError):
        return False


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file: another process may have put its own there."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
