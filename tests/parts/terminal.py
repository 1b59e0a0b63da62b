"""A shell in a terminal, at whose keyboard a test sits."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

PATIENCE_S = 60.0


class Terminal:
    """A program at a pseudo terminal. ``read_until`` waits for what it shows."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**env, "TERM": "vt100"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            close_fds=True,
            start_new_session=True,
        )
        os.close(theirs)
        self._shown = b""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def read_until(self, mark: str) -> str:
        """What is shown up to and with ``mark``."""
        horizon = time.monotonic() + PATIENCE_S
        while mark.encode() not in self._shown:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, horizon - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{mark!r} was not shown, but {self._shown!r}")
            self._shown += os.read(self._ours, 65536)
        found, _, self._shown = self._shown.partition(mark.encode())
        return (found + mark.encode()).decode("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
