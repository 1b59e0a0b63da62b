"""Files of a tree below an open directory: written, or replaced while people read them."""

from __future__ import annotations

import collections
import contextlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO

from thcore.errors import InfrastructureError
from thcore.pages.html import INDEX
from thcore.pages.site import Site, SiteFile
from thplugins_publish_local.access import EVERYBODY, Access
from thplugins_publish_local.directories import open_directory, open_or_make, remove, temporary_name
from thplugins_publish_local.place import MARK

_CHUNK = 1024 * 1024
_FORCED_AT_ONCE = 4
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def put_up(site: Site, target: int, access: Access) -> None:
    """Write a site into the open, empty directory ``target``, which nobody sees yet. Raises OSError, and
    InfrastructureError when a file of the evidence cannot be read any more."""
    files = [file for file in site.files if file.name.partition("/")[0] != MARK]  # that name is ours
    for file in files:
        with contextlib.ExitStack() as stack:
            try:
                content = stack.enter_context(site.open(file))
            except OSError as error:
                raise InfrastructureError(
                    f"{file.name} cannot be read any more: {error}", code="publish-failed"
                ) from error
            *directories, name = file.name.split("/")
            directory = target
            for part in directories:
                directory = open_or_make(directory, part, access)
                stack.callback(os.close, directory)
            _copy(content, file, directory, name, access)
    _force(target, [file.name for file in files])
    # Whoever looks at the page of the running build is to find that this one is newer.
    os.utime(INDEX, dir_fd=target)
    mark(target, sum(file.size for file in files), access)


def mark(directory: int, size: int, access: Access) -> None:
    """Mark a directory as one that holds a build of ``size`` bytes."""
    write_file(directory, MARK, json.dumps({"bytes": size}).encode("ascii"), access)


def write_file(directory: int, name: str, content: bytes, access: Access, *, durable: bool = True) -> None:
    """Write a file of a tree that nobody sees yet. ``durable``: it is on the disk when this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
        file.write(content)
        file.flush()
        access.give_file(file.fileno())
        if durable:
            os.fsync(file.fileno())


def replace_file(
    directory: int,
    name: str,
    content: bytes,
    access: Access = EVERYBODY,
    *,
    durable: bool = True,
    modified: float | None = None,
) -> None:
    """Write a file that people may be reading: they find the old or the new one, never a part. ``modified`` is the time
    that it is told to be of, in seconds since 1970."""
    temporary = temporary_name(name)
    try:
        write_file(directory, temporary, content, access, durable=durable)
        if modified is not None:
            os.utime(temporary, (modified, modified), dir_fd=directory)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove(directory, temporary)
        raise


def _copy(content: BinaryIO, file: SiteFile, directory: int, name: str, access: Access) -> None:
    with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=directory), "wb", buffering=0) as writer:
        left = file.size  # a file that something still writes to must come to an end
        while left > 0 and (chunk := content.read(min(left, _CHUNK))):
            left -= len(chunk)
            _write(writer.fileno(), chunk)
        moment = file.modified.timestamp()
        os.utime(writer.fileno(), (moment, moment))
        access.give_file(writer.fileno())


def _force(target: int, names: Sequence[str]) -> None:
    """Have files, and the directories that they are in, on the disk.

    All at once in the end, and several at a time: so they share the file system's commits, which take the time.
    """
    directories = {name.rpartition("/")[0] for name in names} - {""}
    with ThreadPoolExecutor(_FORCED_AT_ONCE) as pool:
        for paths in (names, sorted(directories)):
            collections.deque(pool.map(partial(_force_one, target), paths), maxlen=0)


def _force_one(target: int, path: str) -> None:
    with contextlib.ExitStack() as stack:
        directory = target
        *above, name = path.split("/")
        for part in above:
            directory = open_directory(directory, part)
            stack.callback(os.close, directory)
        forced = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
        stack.callback(os.close, forced)
        os.fsync(forced)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
