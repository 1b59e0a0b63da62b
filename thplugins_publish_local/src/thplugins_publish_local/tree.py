"""Files of a tree below an open directory: written, or replaced while people read them."""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

from thcore.errors import InfrastructureError
from thcore.pages.site import Site, SiteFile
from thplugins_publish_local.place import make_directory, open_directory, remove, temporary_name

_CHUNK = 1024 * 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def put_up(site: Site, target: int) -> None:
    """Write a site into the open, empty directory ``target``, which nobody sees yet. Raises OSError, and
    InfrastructureError when a file of the evidence cannot be read any more."""
    for file in site.files:
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
                directory = _open_or_make(directory, part)
                stack.callback(os.close, directory)
            _copy(content, file, directory, name)
    for path in sorted({file.name.rpartition("/")[0] for file in site.files} - {""}):
        with contextlib.ExitStack() as stack:
            directory = target
            for part in path.split("/"):
                directory = open_directory(directory, part)
                stack.callback(os.close, directory)
            os.fsync(directory)


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


def _open_or_make(parent: int, name: str) -> int:
    try:
        return open_directory(parent, name)
    except FileNotFoundError:
        return make_directory(parent, name)


def _copy(content: BinaryIO, file: SiteFile, directory: int, name: str) -> None:
    with os.fdopen(os.open(name, _NEW, 0o644, dir_fd=directory), "wb", buffering=0) as writer:
        os.fchmod(writer.fileno(), 0o644)
        left = file.size  # a file that something still writes to must come to an end
        while left > 0 and (chunk := content.read(min(left, _CHUNK))):
            left -= len(chunk)
            _write(writer.fileno(), chunk)
        moment = file.modified.timestamp()
        os.utime(writer.fileno(), (moment, moment))
        os.fsync(writer.fileno())


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
