"""Directories by open descriptors, never through a symbolic link: wherever names are moved to meanwhile, nothing is
written elsewhere.

Names that begin with a dot are in the making or on their way out. Three kinds of them exist::

    .NAME.0123456789abcdef.part    being built; its builder holds a lock on it
    .NAME.0123456789abcdef.old     what was there before, on its way out
    .NAME.0123456789abcdef.gone    a build that is kept no longer

All locks are flock locks of directories, so that they end with their process and leave no file behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from thplugins_publish_local.access import Access

_HIDDEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>part|old|gone)", re.DOTALL)
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def temporary_name(name: str, kind: str = "part") -> str:
    """A hidden name beside ``name`` that nobody else has."""
    return f".{name}.{secrets.token_hex(8)}.{kind}"


@contextlib.contextmanager
def locked(directory: int) -> Iterator[None]:
    """Be the only one who changes names in this directory."""
    # A descriptor of its own, since two users of one descriptor would share the lock.
    own = os.open(".", _OPEN, dir_fd=directory)
    try:
        fcntl.flock(own, fcntl.LOCK_EX)
        yield
    finally:
        os.close(own)


def make_directory(parent: int, name: str, access: Access) -> int:
    """Make a directory that those may read who shall, whatever the umask; answers it open."""
    os.mkdir(name, 0o700, dir_fd=parent)
    directory = open_directory(parent, name)
    try:
        access.give_directory(directory)
    except BaseException:
        os.close(directory)
        os.rmdir(name, dir_fd=parent)  # nobody shall find it as it is
        raise
    return directory


def open_directory(parent: int, name: str) -> int:
    """Open a directory. Raises NotADirectoryError for anything else, a symbolic link to a directory included."""
    try:
        return os.open(name, _OPEN, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "it is a symbolic link", name) from error
        raise


def open_or_make(parent: int, name: str, access: Access) -> int:
    """Open a directory, making it when it is missing. Others may make it at the same time."""
    try:
        return open_directory(parent, name)
    except FileNotFoundError:
        try:
            return make_directory(parent, name, access)
        except FileExistsError:
            return open_directory(parent, name)


def make_root(root: Path, access: Access) -> None:
    """The directory of the operator is theirs as it is; one that is missing is made."""
    if root.is_dir():
        return
    root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
        directory = os.open(root, _OPEN)
        try:
            access.give_directory(directory)
        except BaseException:
            root.rmdir()
            raise
        finally:
            os.close(directory)


def has(directory: int, name: str) -> bool:
    """Whether there is anything of that name."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def is_empty(directory: int) -> bool:
    """Whether nothing is in it."""
    return not os.listdir(directory)


def rename(parent: int, old: str, new: str) -> None:
    """Give something in the directory another name there."""
    os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)


def remove(parent: int, name: str) -> None:
    """Remove a file or a tree that may be half there; what cannot be removed is left for the next one who comes."""
    if _is_directory(parent, name):
        shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
    else:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=parent)


def put_away_leftovers(parent: int) -> None:
    """Remove what died half way; put back what was moved aside by one who died before the new one was in place."""
    for hidden in os.listdir(parent):
        match = _HIDDEN.fullmatch(hidden)
        if match is None:
            continue
        try:
            leftover = os.open(hidden, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except OSError:
            continue
        try:
            fcntl.flock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if match["kind"] == "old" and not has(parent, match["name"]):
                rename(parent, hidden, match["name"])
            else:
                remove(parent, hidden)
        except BlockingIOError:
            pass  # its builder is at work
        finally:
            os.close(leftover)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False
