"""How long published builds are kept: by age, and by the size of all of them.

Removed is only what carries the mark of a build that was put up from here: neither what others keep below the same
root, nor builds in the making, nor what is behind a symbolic link or on another file system. A build goes at once: it
is renamed to a hidden name and then taken apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from thcore.model.quantity import format_size
from thcore.pages.html import INDEX
from thcore.pages.identity import RESULT
from thplugins_publish_local import directories, ledger, publication
from thplugins_publish_local.keep import Keep
from thplugins_publish_local.place import MARK

EVERY_S = 3600.0
"""How often a root is looked at, at most."""

GoOn = Callable[[], bool]
"""Called for each directory and each build: whether there is time for it."""

_STAMP = ".retention"
_OURS = frozenset({INDEX, ledger.FILE})
"""What a directory above builds holds of ours."""
_DEEPEST = 32
_LARGEST_MARK = 4096


def always() -> bool:
    """There is time."""
    return True


@frozen
class Published:
    """A build below a root: the names that lead to it, its size in bytes, when it was last written (the page of a
    running build is written again and again), and which directory it is."""

    names: tuple[str, ...]
    size: int
    at: float
    inode: int = field(repr=False)


@contextlib.contextmanager
def turn(root: Path) -> Iterator[bool]:
    """Whether it is time to look at a root. Within the context nobody else does. Raises OSError."""
    stamp = root / _STAMP
    first = not stamp.exists()
    with contextlib.suppress(FileExistsError):
        stamp.mkdir(mode=0o700)
    descriptor = os.open(stamp, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        due = first or time.time() - os.fstat(descriptor).st_mtime >= EVERY_S
        if due:
            os.utime(descriptor)
        yield due
    finally:
        os.close(descriptor)


def published(root: Path, go_on: GoOn = always) -> tuple[Published, ...]:
    """All builds below the root that are ours, the oldest first; those that were found until ``go_on`` said no. Raises
    OSError when the root cannot be read."""
    with _opened(root) as directory:
        found = _below(directory, (), os.fstat(directory).st_dev, go_on)
        return tuple(sorted(found, key=lambda build: build.at))


def outdated(builds: Sequence[Published], keep: Keep, now: float) -> tuple[Published, ...]:
    """Which of the builds, the oldest first, are kept no longer."""
    total = sum(build.size for build in builds)
    going = []
    for build in builds:
        age_s = now - build.at
        too_old = keep.age_s is not None and age_s > keep.age_s
        too_much = keep.size is not None and total > keep.size
        if age_s > keep.at_least_s and (too_old or too_much):
            going.append(build)
            total -= build.size
    return tuple(going)


@frozen
class Swept:
    """What was removed, and where something was."""

    builds: int = 0
    size: int = 0
    above: frozenset[tuple[str, ...]] = frozenset()

    def __str__(self) -> str:
        return f"{self.builds} build{'' if self.builds == 1 else 's'}, {format_size(self.size)}"


def sweep(root: Path, keep: Keep, go_on: GoOn = always) -> Swept:
    """Remove what is kept no longer, until ``go_on`` says no. Raises OSError."""
    builds, size, above = 0, 0, set()
    for build in outdated(published(root, go_on), keep, time.time()):
        if not go_on():
            break
        left = remove(root, build)
        if left is not None:
            builds, size = builds + 1, size + build.size
            above.add(left)
    return Swept(builds, size, frozenset(above))


def remove(root: Path, build: Published) -> tuple[str, ...] | None:
    """Remove one build, and the directories above it as far as they hold nothing else. Answers the names that lead to
    the directory that is left; None when the build is not there any more as it was found. Raises OSError."""
    above, name = build.names[:-1], build.names[-1]
    try:
        with _opened(root, above) as directory:
            with directories.locked(directory):
                if _look_at(directory, build.names) != build:
                    return None
                gone = directories.temporary_name(name, "gone")
                os.rename(name, gone, src_dir_fd=directory, dst_dir_fd=directory)
            directories.remove(directory, gone)
        while above and _remove_empty(root, above):
            above = above[:-1]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return above


def _remove_empty(root: Path, names: tuple[str, ...]) -> bool:
    """Remove a directory that holds at most a listing of ours. Whoever wants to put a build there holds the lock, or
    finds it gone and makes it again."""
    with _opened(root, names[:-1]) as parent, _opened(root, names) as directory, directories.locked(directory):
        if not _OURS.issuperset(_names(directory)) or not publication.may_write_index(directory):
            return False
        for name in _OURS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        os.rmdir(names[-1], dir_fd=parent)
        return True


@contextlib.contextmanager
def _opened(root: Path, names: tuple[str, ...] = ()) -> Iterator[int]:
    """A directory below the root, open. No symbolic link is followed but that to the root itself."""
    with contextlib.ExitStack() as stack:
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, directory)
        for name in names:
            directory = directories.open_directory(directory, name)
            stack.callback(os.close, directory)
        yield directory


def _below(directory: int, names: tuple[str, ...], device: int, go_on: GoOn) -> Iterator[Published]:
    for name in _names(directory):
        if name.startswith("."):  # builds in the making, and on their way out
            continue
        if not go_on():
            return
        try:
            below = directories.open_directory(directory, name)
        except OSError:
            continue
        try:
            build = _look_at(directory, (*names, name))
            if os.fstat(below).st_dev != device:
                continue
            if build is not None:
                yield build
            elif len(names) < _DEEPEST and not directories.has(below, RESULT):  # what a build holds is its own
                yield from _below(below, (*names, name), device, go_on)
        finally:
            os.close(below)


def _names(directory: int) -> list[str]:
    return sorted(os.listdir(directory))


def _look_at(parent: int, names: tuple[str, ...]) -> Published | None:
    """The build in a directory; None when it has no mark."""
    try:
        directory = directories.open_directory(parent, names[-1])
    except OSError:
        return None
    try:
        descriptor = os.open(MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_MARK:
                return None
            size = int(json.loads(file.read())["bytes"])
        page = os.stat(INDEX, dir_fd=directory, follow_symlinks=False)
        return Published(names, size, max(status.st_mtime, page.st_mtime), os.fstat(directory).st_ino)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    finally:
        os.close(directory)
