"""A finished tree of files under seal: nobody is to write into it, and whoever did is found out.

Modes keep out everybody but root. What root's programs did, or those that changed the modes first, is seen before the
tree is used again: quickly by what the system tells about each file (a write always moves the time of the last status
change, which no program can set), and only when that differs by reading everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@frozen
class Difference:
    """What distinguishes a tree from what it was: paths below it, sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Also what is missing."""


def close(tree: Path) -> None:
    """Take the right to write from everything in the tree. What belongs to somebody else is left as it is."""
    for path, status in _entries(tree):
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & _WRITE:
            with contextlib.suppress(PermissionError):
                os.chmod(path, stat.S_IMODE(status.st_mode) & ~_WRITE)  # noqa: PTH101 - thousands of times
    tree.chmod(stat.S_IMODE(tree.stat().st_mode) & ~_WRITE)


def state(tree: Path) -> str:
    """A digest of what the system tells about each file, some microseconds each; reads none.

    It differs after any change since the same digest was taken, after a restart of the machine, in which writes may
    have been lost, and also for harmless reasons, such as one more link to a file.
    """
    digest = hashlib.sha256(_boot().encode())
    for line in sorted(
        f"{path[len(str(tree)) :]}\0{found.st_mode}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}"
        f"\0{found.st_dev}\0{found.st_ino}\0"
        for path, found in _entries(tree)
    ):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def contents(tree: Path) -> dict[str, str]:
    """For each path below the tree what is there: SHA-256 of a file, the target of a link. Reads everything."""
    return {path[len(str(tree)) + 1 :]: _content(path, status) for path, status in _entries(tree)}


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> Difference:
    """Between two answers of ``contents``."""
    return Difference(
        tuple(sorted(now.keys() - before.keys())),
        tuple(sorted(path for path, content in before.items() if now.get(path) != content)),
    )


def size(tree: Path) -> int:
    """Bytes on the disk, those included that the tree shares with others."""
    return sum(status.st_blocks for _, status in _entries(tree)) * 512


def remove(tree: Path) -> None:
    """Remove a tree, also one that is closed, as far as that is possible."""
    # Directories decide whether something can be taken out of them.
    pending = [tree]
    while pending:
        directory = pending.pop()
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700, follow_symlinks=True)  # noqa: PTH101
            with os.scandir(directory) as entries:
                pending.extend(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    shutil.rmtree(tree, ignore_errors=True)


def unshare(path: Path) -> None:
    """Give a file content of its own, if it shares it with another as one more link."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_nlink > 1:
            copy = path.with_name(f"{path.name}.unshared")
            shutil.copy2(path, copy)
            copy.replace(path)


def take_out(tree: Path, paths: tuple[str, ...]) -> None:
    """Remove single paths of a tree."""
    for path in reversed(paths):  # what is inside a directory before the directory
        target = tree / path
        with contextlib.suppress(OSError):
            target.parent.chmod(stat.S_IMODE(target.parent.stat().st_mode) | stat.S_IWUSR)
            if target.is_dir() and not target.is_symlink():
                remove(target)
            else:
                target.unlink(missing_ok=True)


def _entries(tree: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below the tree, without following links. What vanishes meanwhile is left out."""
    pending = [str(tree)]
    while pending:
        with contextlib.suppress(FileNotFoundError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(entry.path)
                    yield entry.path, status


def _content(path: str, status: os.stat_result) -> str:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        return "directory"
    if kind == stat.S_IFLNK:
        return f"link {os.readlink(path)}"  # noqa: PTH115
    if kind != stat.S_IFREG:
        return "neither file nor directory"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return f"program {content}" if status.st_mode & stat.S_IXUSR else content


def _boot() -> str:
    try:
        return _BOOT_ID.read_text("ascii")
    except OSError:
        return ""
