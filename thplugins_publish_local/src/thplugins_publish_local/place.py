"""Where a build's evidence goes, and how it gets there at once or not at all.

Directories are opened one by one from the root, never through a symbolic link, and everything is done relative to
the open directory: whatever a log path says and whoever moves things meanwhile, nothing is written elsewhere. A tree is
built under a hidden name beside its final one and renamed; whoever next works in the directory puts away those whose
builder has died.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
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
from thplugins_publish_local.directories import (
    has,
    is_empty,
    locked,
    make_directory,
    make_root,
    open_directory,
    open_or_make,
    put_away_leftovers,
    remove,
    rename,
    temporary_name,
)

MARK = ".publish_local"
"""In each directory that holds a build: how much it holds. What has none is not ours to remove."""

_LONGEST_NAME = 200  # bytes; file systems take 255, and the hidden names need some
_LARGEST_RESULT = 64 * 1024 * 1024


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
            put_away_leftovers(self.parent)
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
                if not is_empty(present) and not has(present, MARK):
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
            rename(self.parent, self.name, aside)
        except FileNotFoundError:
            rename(self.parent, temporary, self.name)
        else:
            try:
                rename(self.parent, temporary, self.name)
            except OSError:
                rename(self.parent, aside, self.name)
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
        make_root(root, access)
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
