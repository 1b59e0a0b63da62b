"""The directories that private servers listen in.

The path of a Unix socket must not be longer than about 100 bytes, so sockets are not in the workspace. Every attempt
has one directory for all its servers, whose name follows from its ids alone: ``thcore_cleanup`` can remove it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thplugins_dbmigration.engines.accounts import private_directory
from thplugins_dbmigration.engines.engine import Installation

LONGEST_ROOT = 60
"""Bytes that the directory for temporary files may have; ``/tmp`` is used instead of a longer one."""

_coming_and_going = threading.Lock()
"""The last server of an attempt takes their directory along, just when another one may be coming."""


def socket_directory(build_id: str, attempt: int) -> Path:
    """The directory of one attempt's servers, which need not exist."""
    root = tempfile.gettempdir()
    if len(os.fsencode(root)) > LONGEST_ROOT:
        root = "/tmp"  # noqa: S108 - only a directory of ours in there is used, see _attempt_directory
    return Path(root) / f"thcore-{_digest(f'{build_id} {attempt}')}"


def remove_sockets(build_id: str, attempt: int) -> None:
    """Remove what an attempt may have left. Idempotent; somebody else's directory is left alone."""
    path = socket_directory(build_id, attempt)
    if _ours(path):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def server_directory(build: Build, installation: Installation, data: Path) -> Iterator[Path]:
    """An empty directory for the server on ``data``, that only its account may enter; removed afterwards."""
    parent = socket_directory(build.id, build.attempt)
    path = parent / _digest(str(data))[:8]
    try:
        with _coming_and_going:
            _attempt_directory(parent)
            shutil.rmtree(path, ignore_errors=True)
            private_directory(installation, path)
    except OSError as error:
        raise InfrastructureError(
            f"cannot make the socket directory {path}: {error.strerror}", code="server-not-started"
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with (
            _coming_and_going,
            contextlib.suppress(OSError),
        ):  # not empty: another server of this attempt is still there
            parent.rmdir()


def _attempt_directory(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o711)
    if not _ours(path):
        raise InfrastructureError(
            f"{path} belongs to another account or is no directory; remove it", code="server-not-started"
        )
    path.chmod(0o711)  # the umask may have closed it to the server's account


def _ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
