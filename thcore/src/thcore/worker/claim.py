"""One worker per state directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thcore.errors import InfrastructureError


@contextmanager
def claimed(state: Path) -> Iterator[None]:
    """Hold the state directory for this process: two workers in one would take each other's builds for leftovers.

    Raises InfrastructureError when another process has it, or when it cannot be used.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        with (state / "lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise InfrastructureError(
                    f"another worker (process {owner}) uses the state directory {state};"
                    " stop it, or give this one its own directories.state"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
    except OSError as error:
        raise InfrastructureError(f"cannot use the state directory {state}: {error.strerror}") from error
