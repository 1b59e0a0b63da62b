"""Where a build's evidence goes, and how it gets there at once or not at all.

Directories are opened one by one from the root, never through a symbolic link, and everything is done relative to
the open directory: whatever a log path says and whoever moves things meanwhile, nothing is written elsewhere.

A tree is built under a hidden name beside its final one and renamed. Three kinds of hidden names exist::

    .NAME.0123456789abcdef.part    being built; its builder holds a lock on it
    .NAME.0123456789abcdef.old     what was there before, on its way out
    .NAME.0123456789abcdef.gone    a build that is kept no longer

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
from thcore.pages.live import STATE
from thplugins_publish_local.access import EVERYBODY, Access

MARK = ".publish_local"
"""In each directory that holds a build: how much it holds. What has none is not ours to remove."""

_HIDDEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>part|old|gone)", re.DOTALL)
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
    access: Access = EVERYBODY

    @property
    def name(self) -> str:
        """The last name: the build's own directory."""
        return self.names[-1]

    @property
    def parent(self) -> int:
        """The open directory that the build's own is in."""
        return self.directories[-1]

    @contextlib.contextmanager
    def staged(self, build: str, fence: Fence, *, live: bool = False) -> Iterator[int]:
        """An empty directory, open, that takes its place when the block is left and is removed when it raises.
        ``live``: what is put up is not the last of its attempt, and never takes the place of that.

        Raises InfrastructureError when the place belongs to something else, with code ``publish-superseded`` when a
        later attempt is there already.
        """
        temporary = temporary_name(self.name)
        with locked(self.parent):
            _put_away_leftovers(self.parent)
            self._check_free_for(build, fence, live=live)
            staging = make_directory(self.parent, temporary, self.access)
            fcntl.flock(staging, fcntl.LOCK_EX)  # cannot block: nobody else knows it
        try:
            yield staging
            os.fsync(staging)
            with locked(self.parent):
                self._check_free_for(build, fence, live=live)
                self._swap_in(temporary)
        except BaseException:
            remove(self.parent, temporary)
            raise
        finally:
            os.close(staging)

    @contextlib.contextmanager
    def running(self, build: str, fence: Fence) -> Iterator[int | None]:
        """The directory of the page of this very attempt, open; None when there is none.

        What is written there can replace no other page, since a build that takes its place comes as a directory of its
        own: who is late writes into one that nobody sees any more.
        """
        try:
            present = open_directory(self.parent, self.name)
        except OSError:
            yield None
            return
        try:
            known = None if has(present, RESULT) else read_identity(present, STATE)
            ours = known is not None and known.build == build and known.fence == fence
            yield present if ours else None
        finally:
            os.close(present)

    def _check_free_for(self, build: str, fence: Fence, *, live: bool) -> None:
        where = "/".join(self.names)
        try:
            present = open_directory(self.parent, self.name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise failure(f"{where} is there already and is no directory of ours: {error.strerror}") from error
        try:
            published = read_identity(present)
            known = published or read_identity(present, STATE)
            if known is None:
                # With our mark, it is a page that a power failure has torn.
                if not _is_empty(present) and not has(present, MARK):
                    raise failure(f"{where} is there already and holds no build; it is left as it is")
                return
        finally:
            os.close(present)
        if known.build != build:
            raise failure(f"{where} holds the evidence of another build, {known.build}; it is left as it is")
        there = known.fence
        if there is not None and (there.after(fence) or (live and published is not None and not fence.after(there))):
            raise InfrastructureError(
                f"attempt {there.attempt} of this build is published already (by {there.worker});"
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
def opened(root: Path, log_path: str, access: Access = EVERYBODY) -> Iterator[Place]:
    """Open the place that a log path names, making the directories above it.

    Raises InfrastructureError when the log path leads through a symbolic link, a file, or another build's evidence.
    """
    names = split(log_path)
    with contextlib.ExitStack() as stack:
        _make_root(root, access)
        directories = [os.open(root, os.O_RDONLY | os.O_DIRECTORY)]
        stack.callback(os.close, directories[0])
        for depth, name in enumerate(names[:-1], start=1):
            try:
                directory = open_or_make(directories[-1], name, access)
            except NotADirectoryError as error:
                path = "/".join(names[:depth])
                raise failure(f"{path} is a symbolic link or a file; nothing is published through it") from error
            stack.callback(os.close, directory)
            if has(directory, RESULT) or read_identity(directory, STATE) is not None:
                raise failure(f"{'/'.join(names[:depth])} holds the evidence of a build; nothing is put inside")
            directories.append(directory)
        yield Place(names, tuple(directories), access)


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


def read_identity(directory: int, document: str = RESULT) -> Identity | None:
    """Read it from the directory's result.json, or from the ``document`` of a page that is not the last one; None when
    there is none that can be read."""
    content = read_document(directory, document)
    return None if content is None else identity.read(content)


def read_document(directory: int, document: str = RESULT) -> bytes | None:
    """A document of a build's directory; None when there is none that can be read."""
    try:
        with contextlib.ExitStack() as stack:
            below, _, name = document.rpartition("/")
            if below:
                directory = open_directory(directory, below)
                stack.callback(os.close, directory)
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
            file = stack.enter_context(os.fdopen(descriptor, "rb"))
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_RESULT:
                return None
            return file.read()
    except OSError:
        return None


def _make_root(root: Path, access: Access) -> None:
    """The directory of the operator is theirs as it is; one that is missing is made."""
    if root.is_dir():
        return
    root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
        directory = os.open(root, _OPEN_DIRECTORY)
        try:
            access.give_directory(directory)
        except BaseException:
            root.rmdir()
            raise
        finally:
            os.close(directory)


def open_or_make(parent: int, name: str, access: Access) -> int:
    """Open a directory, making it when it is missing. Others may make it at the same time."""
    try:
        return open_directory(parent, name)
    except FileNotFoundError:
        try:
            return make_directory(parent, name, access)
        except FileExistsError:
            return open_directory(parent, name)


def has(directory: int, name: str) -> bool:
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
            if match["kind"] == "old" and not has(parent, match["name"]):
                _rename(parent, hidden, match["name"])
            else:
                remove(parent, hidden)
        except BlockingIOError:
            pass  # its builder is at work
        finally:
            os.close(leftover)
