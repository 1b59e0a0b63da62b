"""The evidence of a build, read where programs of the change under test could write.

It is untrusted: symbolic links are not followed, special files are not opened, and both are told of, as is everything
else that is left out. Every directory on the way to a file is opened by itself, so that what is exchanged for a link
meanwhile leads nowhere.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

__all__ = ["Evidence", "EvidenceFile", "LeftOut", "opened"]

_DEEPEST = 48  # directories; each takes a descriptor while it is read
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a file that became a pipe since must not hold us


@frozen
class EvidenceFile:
    """A plain file of the evidence: its path there, and what it was when it was found."""

    name: str
    size: int
    modified: datetime.datetime


@frozen
class LeftOut:
    """Something in the evidence that is not published as it is, and why."""

    name: str
    reason: str


@frozen
class Evidence:
    """The files in the order of directories and names, all directories, and what was left out."""

    files: tuple[EvidenceFile, ...] = ()
    directories: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    _root: int | None = None

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file, for reading. Something may still write to it: read no more than the size it was found with. Raises
        OSError when it is no plain file any more."""
        if self._root is None:
            raise FileNotFoundError(name)
        *directories, last = name.split("/")
        with contextlib.ExitStack() as stack:
            parent = self._root
            for part in directories:
                parent = os.open(part, _DIRECTORY, dir_fd=parent)
                stack.callback(os.close, parent)
            file = stack.enter_context(os.fdopen(os.open(last, _FILE, dir_fd=parent), "rb"))
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(f"{name} is no plain file any more")
            yield file


@contextlib.contextmanager
def opened(artifacts: Path) -> Iterator[Evidence]:
    """The evidence below a directory; empty when that is not there. Files can be opened until it is left."""
    try:
        root = os.open(artifacts, _DIRECTORY)
    except FileNotFoundError:
        yield Evidence()
        return
    except OSError as error:
        yield Evidence(left_out=(LeftOut(".", _reason(error)),))
        return
    try:
        files: list[EvidenceFile] = []
        directories: list[str] = []
        left_out: list[LeftOut] = []
        _read(root, "", 0, files, directories, left_out)
        files.sort(key=lambda file: file.name.rpartition("/")[::2])
        left_out.sort(key=lambda entry: entry.name)
        yield Evidence(tuple(files), tuple(sorted(directories)), tuple(left_out), root)
    finally:
        os.close(root)


def _read(
    directory: int,
    path: str,
    depth: int,
    files: list[EvidenceFile],
    directories: list[str],
    left_out: list[LeftOut],
) -> None:
    for name in os.listdir(directory):
        label = path + name
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if depth == _DEEPEST:
                    left_out.append(LeftOut(label, "nested too deeply"))
                    continue
                below = os.open(name, _DIRECTORY, dir_fd=directory)
                directories.append(label)
                try:
                    _read(below, f"{label}/", depth + 1, files, directories, left_out)
                finally:
                    os.close(below)
            elif stat.S_ISREG(status.st_mode):
                os.close(os.open(name, _FILE, dir_fd=directory))
                modified = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
                files.append(EvidenceFile(label, status.st_size, modified))
            else:
                kind = "symbolic link" if stat.S_ISLNK(status.st_mode) else "neither file nor directory"
                left_out.append(LeftOut(label, kind))
        except OSError as error:
            left_out.append(LeftOut(label, _reason(error)))


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
