"""Builds on disk: what this worker has been handed, so that nothing is forgotten when it dies.

One JSON file per build below the state directory, rewritten by rename. Builds that are not tried any more are in a
directory of their own.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from cattrs.preconf.json import make_converter

from thcore.errors import InfrastructureError
from thcore.model import BuildRequest
from thcore.monitoring.action import event
from thcore.process import Identity

log = logging.getLogger(__name__)

_converter = make_converter()

KEEP_S = 7 * 86400.0
"""How long a build's attempts are remembered after the last one ended, in seconds."""
QUARANTINE_KEEP_S = 30 * 86400.0
"""How long a quarantined build is kept, in seconds."""

LOST = "LOST"
"""Verdict of an attempt whose worker died before it had one."""


@frozen
class AttemptEntry:
    """One attempt.

    ``process`` is its child process, and ``cgroup`` the path of the control group that this and all its programs are
    in; None where there is none. ``verdict`` is None until it is known. ``answered`` says whether Zuul was given the
    outcome; it was not when the connection to the Gearman server had been lost. ``ended``: everything of it is put
    away.
    """

    attempt: int
    workspace: str
    process: Identity | None = None
    cgroup: str | None = None
    began: float = 0.0
    verdict: str | None = None
    summary: str = ""
    answered: bool = False
    ended: bool = False


@frozen
class BuildEntry:
    """A build: what was asked for, as Gearman delivered it, and its attempts in order.

    ``quarantined`` says why it is not tried any more; ``pardoned`` is the number of the attempt up to which deliveries
    do not count against it.
    """

    request: BuildRequest
    function: str = ""
    arguments: str = ""
    attempts: tuple[AttemptEntry, ...] = ()
    quarantined: str | None = None
    pardoned: int = 0

    @property
    def deliveries(self) -> int:
        """How many attempts count against it."""
        return sum(entry.attempt > self.pardoned for entry in self.attempts)

    @property
    def next_attempt(self) -> int:
        """Number of the attempt that would come next. Never one that was used."""
        return 1 + max((entry.attempt for entry in self.attempts), default=0)


class Journal:
    """The builds that this worker knows. One process writes it, in any thread; others may read it, and ``pardon``."""

    def __init__(self, directory: Path, quarantine: Path) -> None:
        self._directory = directory
        self._quarantine = quarantine
        self._lock = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            quarantine.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"cannot make the journal {directory}: {error.strerror}") from error

    @classmethod
    def of(cls, state: Path) -> Journal:
        """The journal below a state directory. Raises InfrastructureError."""
        return cls(state / "journal", state / "quarantine")

    def build(self, build_id: str) -> BuildEntry | None:
        """What is known of a build. A file that cannot be read is put aside, and the build is a new one.

        Raises InfrastructureError when the disk does not answer.
        """
        return _read(_path(self._quarantine, build_id)) or _read(_path(self._directory, build_id))

    def begin(self, build: BuildEntry, attempt: AttemptEntry) -> BuildEntry:
        """Note that an attempt begins. It is on the disk when this returns. Raises InfrastructureError."""
        begun = evolve(build, attempts=(*build.attempts, attempt))
        _write(_path(self._directory, begun.request.id), begun, sync=True)
        return begun

    def judge(self, build_id: str, attempt: int, verdict: str, summary: str) -> None:
        """Note the verdict of an attempt, before anybody is told. It is on the disk when this returns.

        Raises InfrastructureError.
        """
        self._note(build_id, attempt, sync=True, verdict=verdict, summary=summary[:1000])

    def end(self, build_id: str, attempt: int, *, answered: bool) -> None:
        """Note that an attempt is over and everything of it is put away. May be forgotten when the power fails: the
        next start then cleans up once more. Raises InfrastructureError."""
        self._note(build_id, attempt, sync=False, answered=answered, ended=True)

    def _note(self, build_id: str, attempt: int, *, sync: bool, **what: Any) -> None:
        path = _path(self._directory, build_id)
        with self._lock:
            build = _read(path)
            if build is not None:
                noted = (evolve(entry, **what) if entry.attempt == attempt else entry for entry in build.attempts)
                _write(path, evolve(build, attempts=tuple(noted)), sync=sync)

    def quarantine(self, build: BuildEntry, reason: str) -> None:
        """Note that a build is not tried any more. Raises InfrastructureError."""
        _write(_path(self._quarantine, build.request.id), evolve(build, quarantined=reason), sync=True)
        _path(self._directory, build.request.id).unlink(missing_ok=True)

    def pardon(self, build_id: str) -> None:
        """Let a quarantined build be tried again. For the command line: a running worker heeds it at the next delivery.

        Raises InfrastructureError.
        """
        build = self.build(build_id)
        if build is not None:
            pardoned = evolve(build, quarantined=None, pardoned=build.next_attempt - 1)
            _write(_path(self._directory, build_id), pardoned, sync=True)
            _path(self._quarantine, build_id).unlink(missing_ok=True)

    def quarantined(self) -> tuple[BuildEntry, ...]:
        """The builds that are not tried any more."""
        return tuple(_all(self._quarantine))

    def count_quarantined(self) -> int:
        """How many there are; cheap."""
        return sum(1 for _ in self._quarantine.glob("*.json"))

    def unfinished(self) -> Iterator[tuple[BuildEntry, AttemptEntry]]:
        """Attempts that are not put away: after a start, what a dead worker left."""
        for build in _all(self._directory):
            yield from ((build, attempt) for attempt in build.attempts if not attempt.ended)

    def tidy(self) -> None:
        """Remove what was half written when a worker died. For its next start, before anything is written."""
        for directory in (self._directory, self._quarantine):
            for part in directory.glob("*.part"):
                part.unlink(missing_ok=True)

    def forget(self) -> None:
        """Drop builds whose last attempt ended long ago. A clock that was set back keeps them longer."""
        for directory, keep_s in ((self._directory, KEEP_S), (self._quarantine, QUARANTINE_KEEP_S)):
            for entry in _all(directory):
                path = _path(directory, entry.request.id)
                if path.stat().st_mtime < time.time() - keep_s and all(attempt.ended for attempt in entry.attempts):
                    path.unlink(missing_ok=True)


def _path(directory: Path, build_id: str) -> Path:
    return directory / f"{build_id}.json"


def _all(directory: Path) -> Iterator[BuildEntry]:
    for path in sorted(directory.glob("*.json")):
        entry = _read(path)
        if entry is not None:
            yield entry


def _write(path: Path, build: BuildEntry, *, sync: bool = False) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(_converter.unstructure(build), file)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        part.replace(path)
        if sync:
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    except OSError as error:
        raise InfrastructureError(f"cannot write the journal {path}: {error.strerror}", code="journal") from error


def _read(path: Path) -> BuildEntry | None:
    try:
        return _converter.structure(json.loads(path.read_text(encoding="utf-8")), BuildEntry)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InfrastructureError(f"cannot read the journal {path}: {error.strerror}", code="journal") from error
    except (ValueError, KeyError, TypeError, ExceptionGroup) as error:
        aside = path.with_name(f"{path.name}.unreadable")
        why = type(error).__name__
        log.error("%s is no file of this journal (%s); now %s", path, why, aside.name, extra=event("state_unreadable"))
        path.replace(aside)
        return None
