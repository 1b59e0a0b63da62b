"""The ways of cloning a directory: sharing blocks where the file system can, copying elsewhere.

Others were measured and are not used. An overlay on ext4 is a copy in disguise: servers open their files to write, so
nearly all of them are copied up, in the middle of whatever statement touches them first. Importing tablespaces costs a
statement per table. A template database of PostgreSQL saves the start of a server, but builds would share one, whose
log, cache and counters then tell of others.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from thcore.hooks import Build

_FICLONE = 0x40049409
_PIECE = 256 * 1024
"""Bytes that are copied at a time: they stay in the processor's cache, where those of sendfile go through a pipe."""


class Way(enum.StrEnum):
    """How the files of a clone come to be."""

    REFLINK = "reflink"
    """They share their blocks with the snapshot until one of the two is written to (XFS, Btrfs, bcachefs)."""
    COPY = "copy"
    """Plain copies, several files at a time."""


def clone_way(where: Build | Path) -> str:
    """How clones are made here: ``reflink`` or ``copy``. Part of the conditions of every measurement."""
    if isinstance(where, Path):
        return between(where, where)
    return between(where.state, where.workspace.temporary)


def between(source: Path, target: Path) -> Way:
    """The fastest way from one directory to another, tried out; both exist and can be written to."""
    with tempfile.TemporaryFile(dir=source) as one, tempfile.TemporaryFile(dir=target) as other:
        one.write(bytes(4096))
        one.flush()
        with contextlib.suppress(OSError):
            fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
            return Way.REFLINK
    return Way.COPY


def fill(way: Way, source: int, target: int, check: Callable[[], None]) -> None:
    """Give the empty file ``target`` the content of ``source``; both are descriptors. ``check`` is called often and may
    raise. Raises OSError."""
    if way is Way.REFLINK:
        fcntl.ioctl(target, _FICLONE, source)
        return
    size = os.fstat(source).st_size
    if size > _PIECE:  # a file that grows has its blocks found one by one, which takes as long as copying them
        with contextlib.suppress(OSError):  # no room is told by the writing
            os.posix_fallocate(target, 0, size)
    buffer = memoryview(bytearray(min(size, _PIECE) or 1))
    while count := os.readv(source, [buffer]):
        written = 0
        while written < count:
            written += os.write(target, buffer[written:count])
        check()


def file_system(path: Path) -> str:
    """The type of the file system that a directory is on, such as ``ext4``; empty where that is not told."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
            if line.split()[2] == number:
                return line.rpartition(" - ")[2].split()[0]
    return ""
