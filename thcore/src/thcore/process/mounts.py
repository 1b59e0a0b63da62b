"""What is mounted inside a directory, and how to be rid of it before the directory is removed."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import re
from pathlib import Path, PurePath

from attrs import frozen

log = logging.getLogger(__name__)

_TABLE = Path("/proc/self/mountinfo")
_DETACH, _NOFOLLOW = 2, 8
"""Flags of umount2(2)."""
_ROUNDS = 100
"""How many mounts may lie on top of each other."""


@frozen
class Mount:
    """One mount as this process sees it: ``root`` is the directory of its file system that shows at ``point``."""

    point: Path
    root: PurePath
    kind: str


def table() -> tuple[Mount, ...]:
    """Everything that is mounted, in the order in which it was. Raises OSError when the kernel does not tell."""
    found = []
    for line in _TABLE.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        found.append(Mount(_path(fields[4]), _path(fields[3]), after.split(b" ")[0].decode("ascii", "replace")))
    return tuple(found)


def below(directory: Path) -> tuple[Path, ...]:
    """Where something is mounted at or below a directory, the last mount first. A link is not followed."""
    place = directory.parent.resolve() / directory.name
    return tuple(mount.point for mount in reversed(table()) if mount.point.is_relative_to(place))


def clear(directory: Path) -> tuple[Path, ...]:
    """Unmount everything at or below a directory, the last mount first; what is in use, lazily.

    For a directory that no process works in any more. Answers the mounts that stay, because this process may not
    unmount them.
    """
    left: tuple[Path, ...] = ()
    for _ in range(_ROUNDS):
        found = below(directory)
        if not found or found == left:
            break
        left = found
        for point in found:
            problem = _unmount(point, _NOFOLLOW)
            if problem == errno.EBUSY:
                problem = _unmount(point, _NOFOLLOW | _DETACH)
            if problem:
                log.warning("cannot unmount %s: %s", point, os.strerror(problem))
            else:
                log.warning("unmounted %s, which a build had left mounted", point)
    return below(directory)


def _unmount(point: Path, flags: int) -> int:
    """Answers an errno, 0 for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.umount2(os.fsencode(point), flags) == 0 else ctypes.get_errno()


def _path(escaped: bytes) -> Path:
    """The kernel writes space, tab, newline and backslash in octal."""
    plain = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), escaped)
    return Path(os.fsdecode(plain))
