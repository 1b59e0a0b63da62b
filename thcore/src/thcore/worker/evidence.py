"""What is kept of attempts that came to nothing: their result.json and the end of their log.

Workspaces are removed, and not every attempt is published. A build that is quarantined must be explicable all the same.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from thcore.hooks import Workspace

LOG_LIMIT = 256 * 1024
"""Bytes of a log's end that are kept."""
RESULT_LIMIT = 4 * 1024 * 1024
"""A result.json of so many bytes is not kept: the programs of the build could write there."""


class Evidence:
    """Directories ``BUILD/ATTEMPT`` below one directory of the state. Losing one loses no result."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def below(cls, state: Path) -> Evidence:
        """The evidence below a state directory."""
        return cls(state / "evidence")

    def of(self, build_id: str, attempt: int) -> Path:
        """Where the evidence of an attempt is, or would be."""
        return self._directory / build_id / str(attempt)

    def keep(self, build_id: str, attempt: int, workspace: Workspace) -> None:
        """Keep what the workspace of an attempt has to say. What cannot be kept is not."""
        target = self.of(build_id, attempt)
        with contextlib.suppress(OSError):
            target.mkdir(parents=True, exist_ok=True)
            for source in (workspace.artifacts / "result.json", workspace.log):
                with contextlib.suppress(OSError):
                    content = _end_of(source, LOG_LIMIT if source == workspace.log else RESULT_LIMIT)
                    if source == workspace.log or len(content) < RESULT_LIMIT:
                        (target / source.name).write_bytes(content)

    def drop(self, build_id: str) -> None:
        """Forget a build: it has a result."""
        shutil.rmtree(self._directory / build_id, ignore_errors=True)

    def builds(self) -> tuple[str, ...]:
        """The builds that there is evidence of."""
        with contextlib.suppress(OSError):
            return tuple(path.name for path in self._directory.iterdir())
        return ()


def _end_of(path: Path, limit: int) -> bytes:
    # The programs of the build could write here: no link is followed, and nothing but a file is read.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b""
        file.seek(max(0, status.st_size - limit))
        return file.read(limit)
