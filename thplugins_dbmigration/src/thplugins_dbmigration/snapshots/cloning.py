"""Cloning: a data directory of its own for a build, made from a frozen one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thplugins_dbmigration.snapshots import shelf, ways
from thplugins_dbmigration.snapshots.listing import Entry
from thplugins_dbmigration.snapshots.shelf import Snapshot
from thplugins_dbmigration.snapshots.ways import Way

THREADS = 4
"""Files that are copied at the same time: a plain copy waits for memory, and a little for the disk."""
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_TARGET = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class _DamagedError(Exception):
    """A file is not what it was when the snapshot was made."""


def clone(build: Build, snapshot: Snapshot, target: Path) -> None:
    """Make a data directory at ``target``, which must not exist, that can be written to.

    Raises InfrastructureError: ``snapshot-damaged`` when the snapshot is no longer what it was (it is made again for
    who asks for it again), ``snapshot-not-cloned`` when there is no room or the like. Nothing half-made stays.
    """
    place = snapshot.data.parent
    record = shelf.read(place)
    entries = shelf.contents(place, record) if record else None
    if entries is None:
        raise InfrastructureError(f"{snapshot.key}: the snapshot is damaged or gone", code="snapshot-damaged")
    made = False
    try:
        shelf.passable(target.parent)
        way = ways.between(place.parent, target.parent)
        target.mkdir(mode=0o700)
        made = True
        _copy(build, snapshot.data, target, entries, way)
    except BaseException as error:
        if made:
            shelf.remove(target)
        if isinstance(error, _DamagedError):
            raise InfrastructureError(
                f"{snapshot.key}: the snapshot is damaged: {error}", code="snapshot-damaged"
            ) from error
        if isinstance(error, OSError):
            raise InfrastructureError(
                f"{snapshot.key}: cannot clone the snapshot to {target}: {error.strerror or error}",
                code="snapshot-not-cloned",
            ) from error
        raise


def _copy(build: Build, source: Path, target: Path, entries: tuple[Entry, ...], way: Way) -> None:
    directories = [entry for entry in entries if entry.is_directory]
    files = sorted((entry for entry in entries if not entry.is_directory), key=lambda entry: -entry.size)
    for entry in directories[1:]:
        (target / entry.path).mkdir(mode=0o700)
    # Text, and few calls: there can be thousands of small files, and each of these is paid for every one of them.
    before, after = f"{source}/", f"{target}/"

    def some(share: list[Entry]) -> None:
        for entry in share:
            build.check()
            _file(before + entry.path, after + entry.path, entry, way, build.check)

    if way is Way.REFLINK:
        some(files)
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(some, [files[number::THREADS] for number in range(THREADS)]))
    for entry in reversed(directories):
        found = (source / entry.path).lstat()
        _own(target / entry.path, found)
        (target / entry.path).chmod(entry.mode)


def _file(source: str, target: str, entry: Entry, way: Way, check: Callable[[], None]) -> None:
    try:
        reading = os.open(source, _SOURCE)
    except FileNotFoundError:
        raise _DamagedError(f"{entry.path} is missing") from None
    try:
        found = os.fstat(reading)
        if (found.st_size, found.st_mtime_ns) != (entry.size, entry.time_ns):
            raise _DamagedError(f"{entry.path} was written to")
        writing = os.open(target, _TARGET, entry.mode)
        try:
            ways.fill(way, reading, writing, check)
            _own(writing, found)
            if stat.S_IMODE(os.fstat(writing).st_mode) != entry.mode:  # the umask had a say
                os.fchmod(writing, entry.mode)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _own(target: Path | int, found: os.stat_result) -> None:
    """As root, leave it with the account that the server runs as."""
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid)
