"""An archive as ``git archive`` makes it: it says which commit it is of."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path

from thcore.errors import ChangeError, InfrastructureError

_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(path: Path) -> str:
    """The commit that an archive is of. Raises InfrastructureError when it does not say."""
    try:
        with tarfile.open(path) as archive:
            commit = archive.pax_headers.get("comment", "")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}") from error
    if not _COMMIT.fullmatch(commit):
        raise InfrastructureError(f"{path} does not say which commit it is of; make it with git archive")
    return commit


def unpack(path: Path, target: Path, check: Callable[[], None]) -> None:
    """Unpack an archive into a new directory. ``check`` is called before each member, and may raise.

    The archive holds what the change's author wrote: a member that leads out of the directory, or is a device, raises
    ChangeError.
    """
    target.mkdir(parents=True)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                check()
                archive.extract(member, target, filter="data")
    except tarfile.FilterError as error:
        raise ChangeError(f"the change cannot be unpacked: {error}") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InfrastructureError(f"{path} cannot be unpacked: {error}") from error
