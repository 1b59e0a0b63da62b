"""Copying a build's evidence, file by file, between two open directories.

The source is untrusted: programs of the change under test filled it. Symbolic links are not followed, special files
are not opened, and both are told of, as is everything else that is left out.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from thplugins_publish_local.place import INDEX, RESULT, make_directory, open_directory, remove, temporary_name

_CHUNK = 1024 * 1024
_DEEPEST = 48  # directories; each takes two descriptors while it is copied


@frozen
class PublishedFile:
    """A file of the published evidence. ``name`` is its path there, ``size`` is in bytes."""

    name: str
    size: int


@frozen
class LeftOut:
    """Something in the evidence that was not published as it is, and why."""

    name: str
    reason: str


@frozen
class Copied:
    """What was copied, in the order of names, and what was not."""

    files: tuple[PublishedFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class _SourceError(Exception):
    """What is to be copied cannot be read; its text says why."""


def copy_tree(source: Path, target: int) -> Copied:
    """Copy everything below ``source`` into the open directory ``target``; a source that is not there is empty.

    Raises OSError when it cannot be written.
    """
    files: list[PublishedFile] = []
    left_out: list[LeftOut] = []
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Copied()
    except OSError as error:
        return Copied(left_out=(LeftOut(".", _reason(error)),))
    try:
        _copy_directory(descriptor, target, "", 0, files, left_out)
    finally:
        os.close(descriptor)
    return Copied(tuple(sorted(files, key=_by_directory)), tuple(sorted(left_out, key=lambda entry: entry.name)))


def write_file(directory: int, name: str, content: bytes) -> None:
    """Write a file of a tree that nobody sees yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o644, dir_fd=directory), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(directory: int, name: str, content: bytes) -> None:
    """Write a file that people may be reading: they find the old or the new one, never a part."""
    temporary = temporary_name(name)
    try:
        write_file(directory, temporary, content)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove(directory, temporary)
        raise


def walk(directory: int) -> Iterator[tuple[str, int]]:
    """Every directory below the open ``directory``, not itself: its path and its descriptor, open for the moment."""
    for name in sorted(os.listdir(directory)):
        try:
            below = open_directory(directory, name)
        except NotADirectoryError:
            continue
        try:
            yield name, below
            for path, descriptor in walk(below):
                yield f"{name}/{path}", descriptor
        finally:
            os.close(below)


def _copy_directory(
    source: int, target: int, path: str, depth: int, files: list[PublishedFile], left_out: list[LeftOut]
) -> None:
    names = sorted(os.listdir(source))
    for name in names:
        label = path + name
        try:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                with _open_source(source, name, os.O_DIRECTORY) as below:
                    if depth == _DEEPEST:
                        raise _SourceError("nested too deeply")
                    made = make_directory(target, name)
                    try:
                        _copy_directory(below, made, f"{label}/", depth + 1, files, left_out)
                        os.fsync(made)
                    finally:
                        os.close(made)
            elif not stat.S_ISREG(status.st_mode):
                raise _SourceError("symbolic link" if stat.S_ISLNK(status.st_mode) else "neither file nor directory")
            elif not path and name == RESULT:
                continue  # ours is written in its place
            else:
                published = _free_name(name, names) if not path and name == INDEX else name
                if published != name:
                    left_out.append(LeftOut(label, f"published as {published}, since this page has its name"))
                files.append(PublishedFile(path + published, _copy_file(source, name, target, published)))
        except _SourceError as error:
            left_out.append(LeftOut(label, str(error)))


def _copy_file(source: int, name: str, target: int, published: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with _open_source(source, name) as reader:
        status = os.fstat(reader)
        if not stat.S_ISREG(status.st_mode):
            raise _SourceError("neither file nor directory")
        with os.fdopen(os.open(published, flags, 0o644, dir_fd=target), "wb", buffering=0) as writer:
            os.fchmod(writer.fileno(), 0o644)
            left = status.st_size  # a file that something still writes to must come to an end
            try:
                while left > 0 and (chunk := _read(reader, min(left, _CHUNK))):
                    left -= len(chunk)
                    _write(writer.fileno(), chunk)
            except _SourceError:
                remove(target, published)
                raise
            os.utime(writer.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))
            os.fsync(writer.fileno())
            return status.st_size - left


@contextlib.contextmanager
def _open_source(directory: int, name: str, flags: int = 0) -> Iterator[int]:
    try:
        # O_NONBLOCK: a file that became a pipe since it was looked at must not hold us.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=directory)
    except OSError as error:
        raise _SourceError(_reason(error)) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise _SourceError(_reason(error)) from error


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _free_name(name: str, taken: list[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    return next(free for number in range(1, len(taken) + 2) if (free := f"{stem}.{number}{dot}{suffix}") not in taken)


def _by_directory(file: PublishedFile) -> tuple[str, str]:
    directory, _, name = file.name.rpartition("/")
    return directory, name
