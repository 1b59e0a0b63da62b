"""What is in a frozen directory: taken when it is frozen, compared when it is used.

Taking a listing also makes the directory read-only and brings it to the disk, so that what is written afterwards (the
marker) never stands beside data that a power cut has torn.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError

WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_PIECE = 4 * 1024 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@frozen
class Entry:
    """A file or directory. ``mode`` is what it was before it was frozen; ``size``, ``time_ns`` (of the last change of
    its content) and ``digest`` (SHA-256) are a file's, and 0 or empty for a directory."""

    path: str
    mode: int
    size: int = 0
    time_ns: int = 0
    digest: str = ""

    @property
    def is_directory(self) -> bool:
        """Directories have no digest."""
        return not self.digest


Listing = tuple[Entry, ...]
"""Everything below a directory and itself (path ``.``), directories before what is in them, sorted."""


def freeze(data: Path, check: Callable[[], None]) -> Listing:
    """Make a directory read-only and durable, and say what is in it. ``check`` is called often and may raise.

    Raises InfrastructureError (``snapshot-not-made``) for anything that is neither a file nor a directory: a clone of
    a link would lead to the same place.
    """
    entries = []
    for path, name in _walk(data):
        check()
        descriptor = _opened(path)
        try:
            found = os.fstat(descriptor)
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~WRITE)
            digest = "" if stat.S_ISDIR(found.st_mode) else _digest(descriptor, check)
        finally:
            os.close(descriptor)
        entries.append(_entry(name, found, digest))
    # Only now: whatever is changed between two of these costs each of them a commit of the file system's journal.
    for path, _ in _walk(data):
        check()
        sync(path)
    return tuple(entries)


def sync(path: Path) -> None:
    """Bring a file or directory to the disk."""
    descriptor = os.open(path, _OPEN)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def difference(data: Path, listing: Listing, *, check: Callable[[], None] | None = None) -> str | None:
    """In what a directory is not what it was, or None. Looks at names, sizes, times and modes; with ``check``, which is
    called often and may raise, reads every file as well."""
    expected = {entry.path: entry for entry in listing}
    try:
        for path, name in _walk(data):
            entry = expected.pop(name, None)
            wrong = "was added" if entry is None else _changed(path, entry, check)
            if wrong:
                return f"{name} {wrong}"
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return f"{next(iter(expected))} is missing" if expected else None


def size_of(listing: Listing) -> int:
    """Bytes of all files."""
    return sum(entry.size for entry in listing)


def plain(listing: Listing) -> list[Any]:
    """For JSON."""
    return [[entry.path, entry.mode, entry.size, entry.time_ns, entry.digest] for entry in listing]


def parsed(written: list[Any]) -> Listing:
    """What ``plain`` wrote."""
    return tuple(Entry(*entry) for entry in written)


def _walk(data: Path) -> Iterator[tuple[Path, str]]:
    yield data, "."
    waiting = [("", data)]
    while waiting:
        prefix, directory = waiting.pop()
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = Path(entry.path)
            yield path, prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((f"{prefix}{entry.name}/", path))


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        if path.is_symlink():
            raise _foreign(path) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        os.close(descriptor)
        raise _foreign(path)
    return descriptor


def _foreign(path: Path) -> InfrastructureError:
    return InfrastructureError(
        f"{path} is neither a file nor a directory; it cannot be frozen", code="snapshot-not-made"
    )


def _entry(name: str, found: os.stat_result, digest: str) -> Entry:
    mode = stat.S_IMODE(found.st_mode)
    return Entry(name, mode, found.st_size, found.st_mtime_ns, digest) if digest else Entry(name, mode)


def _digest(descriptor: int, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    while piece := os.read(descriptor, _PIECE):
        check()
        digest.update(piece)
    return digest.hexdigest()


def _changed(path: Path, entry: Entry, check: Callable[[], None] | None) -> str | None:
    found = path.lstat()
    if stat.S_IFMT(found.st_mode) != (stat.S_IFDIR if entry.is_directory else stat.S_IFREG):
        return "is something else"
    if stat.S_IMODE(found.st_mode) != entry.mode & ~WRITE:
        return "has other permissions"
    if entry.is_directory:
        return None
    if (found.st_size, found.st_mtime_ns) != (entry.size, entry.time_ns):
        return "was written to"
    return "has another content" if check is not None and _read(path, check) != entry.digest else None


def _read(path: Path, check: Callable[[], None]) -> str:
    descriptor = _opened(path)
    try:
        return _digest(descriptor, check)
    finally:
        os.close(descriptor)
