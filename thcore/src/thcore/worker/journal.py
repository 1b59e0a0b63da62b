"""Attempts on disk: what this worker has been handed, so that nothing is forgotten when it dies.

One JSON file per build below the state directory, rewritten by rename.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen
from cattrs.preconf.json import make_converter

from thcore.errors import InfrastructureError
from thcore.process import Identity

_converter = make_converter()

KEEP_S = 7 * 86400.0
"""How long a build's attempts are remembered after the last one ended, in seconds."""


@frozen
class Entry:
    """One attempt. ``process`` is its child process, and ``cgroup`` the path of the control group that this and all its
    programs are in; None where there is none, or an older version has written this. ``verdict`` is None until it ended.
    """

    build_id: str
    job: str
    attempt: int
    workspace: str
    process: Identity | None = None
    cgroup: str | None = None
    began: float = 0.0
    verdict: str | None = None


class Journal:
    """The attempts of all builds that this worker knows. One process writes it; threads write different builds."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"cannot make the journal {directory}: {error.strerror}") from error

    def attempts(self, build_id: str) -> tuple[Entry, ...]:
        """All attempts of a build so far, in order."""
        return self._read(self._path(build_id))

    def record(self, entry: Entry) -> None:
        """Add an attempt, or replace what is known of it. Raises InfrastructureError.

        An attempt that begins is on the disk when this returns. An end may be forgotten when the power fails: the next
        start then cleans up once more.
        """
        others = tuple(known for known in self.attempts(entry.build_id) if known.attempt != entry.attempt)
        path = self._path(entry.build_id)
        part = path.with_suffix(".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(_converter.unstructure((*others, entry), tuple[Entry, ...]), file)
                file.flush()
                if entry.verdict is None:
                    os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise InfrastructureError(f"cannot write the journal {path}: {error.strerror}") from error

    def end(self, entry: Entry, verdict: str) -> None:
        """Note how an attempt ended."""
        self.record(evolve(entry, verdict=verdict))

    def unfinished(self) -> Iterator[Entry]:
        """Attempts without an end: after a start, what a dead worker left."""
        for path in sorted(self._directory.glob("*.json")):
            yield from (entry for entry in self._read(path) if entry.verdict is None)

    def forget(self, older_than_s: float = KEEP_S) -> None:
        """Drop builds whose last attempt ended long ago."""
        horizon = time.time() - older_than_s
        for path in self._directory.glob("*.json"):
            if path.stat().st_mtime < horizon and all(entry.verdict for entry in self._read(path)):
                path.unlink(missing_ok=True)

    def _path(self, build_id: str) -> Path:
        return self._directory / f"{build_id}.json"

    def _read(self, path: Path) -> tuple[Entry, ...]:
        try:
            return _converter.structure(json.loads(path.read_text(encoding="utf-8")), tuple[Entry, ...])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError, ExceptionGroup) as error:
            raise InfrastructureError(f"cannot read the journal {path}: {error}; move the file away") from error
