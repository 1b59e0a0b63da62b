"""Where a build's evidence goes, and how it gets there at once or not at all.

Directories are opened one by one from the root, never through a symbolic link, and everything is done relative to
the open directory: whatever a log path says and whoever moves things meanwhile, nothing is written elsewhere.

A tree is built under a hidden name beside its final one and renamed. Two kinds of hidden names exist::

    .NAME.0123456789abcdef.part    being built; its builder holds a lock on it
    .NAME.0123456789abcdef.old     what was there before, on its way out

Whoever next works in the directory puts away those whose builder has died. All locks are flock locks of
directories, so that they end with their process and leave no file behind.
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

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.model import Fence
from thcore.pages import identity
from thcore.pages.html import INDEX
from thcore.pages.identity import RESULT, Identity

_HIDDEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>part|old)", re.DOTALL)
_LONGEST_NAME = 200  # bytes; file systems take 255, and the hidden names need some
_LARGEST_RESULT = 64 * 1024 * 1024
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def failure(message: str) -> InfrastructureError:
    """Something about the place is wrong; the operator must act."""
    return InfrastructureError(message, code="publish-failed")


def split(log_path: str) -> tuple[str, ...]:
    """The names that a log path consists of. Raises InfrastructureError for one that could lead elsewhere."""
    parts = tuple(part for part in log_path.split("/") if part)
    for wrong, reason in (
        (log_path.startswith("/"), "it is absolute"),
        (not parts, "it is empty"),
        (any(part.startswith(".") for part in parts), "a part of it begins with a dot"),
        (any(part in {INDEX, RESULT} for part in parts), f"{INDEX} and {RESULT} are names of ours"),
        (not all(part.isprintable() for part in parts), "it has characters that do not print"),
        (any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts), "a part of it is too long"),
    ):
        if wrong:
            raise failure(f"the build's log path {log_path!r} cannot be used: {reason}")
    return parts


def temporary_name(name: str, kind: str = "part") -> str:
    """A hidden name beside ``name`` that nobody else has."""
    return f".{name}.{secrets.token_hex(8)}.{kind}"


@contextlib.contextmanager
def locked(directory: int) -> Iterator[None]:
    """Be the only one who changes names in this directory."""
    # A descriptor of its own, since two users of one descriptor would share the lock.
    own = os.open(".", _OPEN_DIRECTORY, dir_fd=directory)
    try:
        fcntl.flock(own, fcntl.LOCK_EX)
        yield
    finally:
        os.close(own)


@frozen
class Place:
    """A build's place below the root. ``directories`` are open descriptors: the root first, the parent last."""

    names: tuple[str, ...]
    directories: tuple[int, ...]

    @property
    def name(self) -> str:
        """The last name: the build's own directory."""
        return self.names[-1]

    @property
    def parent(self) -> int:
        """The open directory that the build's own is in."""
        return self.directories[-1]

    @contextlib.contextmanager
    def staged(self, build: str, fence: Fence) -> Iterator[int]:
        """An empty directory, open, that takes its place when the block is left and is removed when it raises.

        Raises InfrastructureError when the place belongs to something else, with code ``publish-superseded`` when a
        later attempt is there already.
        """
        temporary = temporary_name(self.name)
        with locked(self.parent):
            _put_away_leftovers(self.parent)
            self._check_free_for(build, fence)
            staging = make_directory(self.parent, temporary)
            fcntl.flock(staging, fcntl.LOCK_EX)  # cannot block: nobody else knows it
        try:
            yield staging
            os.fsync(staging)
            with locked(self.parent):
                self._check_free_for(build, fence)
                self._swap_in(temporary)
        except BaseException:
            remove(self.parent, temporary)
            raise
        finally:
            os.close(staging)

    def _check_free_for(self, build: str, fence: Fence) -> None:
        where = "/".join(self.names)
        try:
            present = open_directory(self.parent, self.name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise failure(f"{where} is there already and is no directory of ours: {error.strerror}") from error
        try:
            known = read_identity(present)
            if known is None:
                if not _is_empty(present):
                    raise failure(f"{where} is there already and holds no build; it is left as it is")
                return
        finally:
            os.close(present)
        if known.build != build:
            raise failure(f"{where} holds the evidence of another build, {known.build}; it is left as it is")
        if known.fence is not None and known.fence.after(fence):
            raise InfrastructureError(
                f"attempt {known.attempt} of this build is published already (by {known.fence.worker});"
                f" attempt {fence.attempt} came too late",
                code="publish-superseded",
            )

    def _swap_in(self, temporary: str) -> None:
        aside = temporary_name(self.name, "old")
        try:
            _rename(self.parent, self.name, aside)
        except FileNotFoundError:
            _rename(self.parent, temporary, self.name)
        else:
            try:
                _rename(self.parent, temporary, self.name)
            except OSError:
                _rename(self.parent, aside, self.name)
                raise
        os.fsync(self.parent)
        remove(self.parent, aside)


@contextlib.contextmanager
def opened(root: Path, log_path: str) -> Iterator[Place]:
    """Open the place that a log path names, making the directories above it.

    Raises InfrastructureError when the log path leads through a symbolic link, a file, or another build's evidence.
    """
    names = split(log_path)
    with contextlib.ExitStack() as stack:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        directories = [os.open(root, os.O_RDONLY | os.O_DIRECTORY)]
        stack.callback(os.close, directories[0])
        for depth, name in enumerate(names[:-1], start=1):
            try:
                directory = _open_or_make(directories[-1], name)
            except NotADirectoryError as error:
                path = "/".join(names[:depth])
                raise failure(f"{path} is a symbolic link or a file; nothing is published through it") from error
            stack.callback(os.close, directory)
            if _has(directory, RESULT):
                raise failure(f"{'/'.join(names[:depth])} holds the evidence of a build; nothing is put inside")
            directories.append(directory)
        yield Place(names, tuple(directories))


def make_directory(parent: int, name: str) -> int:
    """Make a directory that everyone can read, whatever the umask; answers it open."""
    os.mkdir(name, 0o755, dir_fd=parent)
    directory = open_directory(parent, name)
    os.fchmod(directory, 0o755)
    return directory


def open_directory(parent: int, name: str) -> int:
    """Open a directory. Raises NotADirectoryError for anything else, a symbolic link to a directory included."""
    try:
        return os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "it is a symbolic link", name) from error
        raise


def remove(parent: int, name: str) -> None:
    """Remove a file or a tree that may be half there; what cannot be removed is left for the next one who comes."""
    if _is_directory(parent, name):
        shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
    else:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=parent)


def read_identity(directory: int) -> Identity | None:
    """Read it from the directory's result.json; None when there is none that can be read."""
    document = read_result(directory)
    return None if document is None else identity.read(document)


def read_result(directory: int) -> bytes | None:
    """The directory's result.json; None when there is none that can be read."""
    try:
        descriptor = os.open(RESULT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_RESULT:
                return None
            return file.read()
    except OSError:
        return None


def _open_or_make(parent: int, name: str) -> int:
    try:
        return open_directory(parent, name)
    except FileNotFoundError:
        try:
            return make_directory(parent, name)
        except FileExistsError:
            return open_directory(parent, name)


def _has(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_empty(directory: int) -> bool:
    return not os.listdir(directory)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _rename(parent: int, old: str, new: str) -> None:
    os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)


def _put_away_leftovers(parent: int) -> None:
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
            if match["kind"] == "old" and not _has(parent, match["name"]):
                _rename(parent, hidden, match["name"])
            else:
                remove(parent, hidden)
        except BlockingIOError:
            pass  # its builder is at work
        finally:
            os.close(leftover)
