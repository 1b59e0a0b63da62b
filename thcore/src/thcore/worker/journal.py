"""Builds on disk: what this worker has been handed, so that nothing is forgotten when it dies.

One JSON file per build below the state directory, rewritten by rename.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen
from cattrs.preconf.json import make_converter

from thcore.errors import InfrastructureError
from thcore.model import BuildRequest
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
    """One attempt. ``process`` is its child process, and ``cgroup`` the path of the control group that this and all its
    programs are in; None where there is none. ``verdict`` is None until it ended. ``answered`` says whether Zuul was
    given the outcome; it was not when the connection to the Gearman server had been lost."""

    attempt: int
    workspace: str
    process: Identity | None = None
    cgroup: str | None = None
    began: float = 0.0
    verdict: str | None = None
    summary: str = ""
    answered: bool = False


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

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"cannot make the journal {directory}: {error.strerror}") from error

    def build(self, build_id: str) -> BuildEntry | None:
        """What is known of a build. A file that cannot be read is put aside, and the build is a new one.

        Raises InfrastructureError when the disk does not answer.
        """
        path = self._path(build_id)
        entry = self._read(path)
        pardon = path.with_name(f"{build_id}.pardon")
        if entry is not None and pardon.exists():
            return evolve(entry, pardoned=_number(pardon), quarantined=None)
        return entry

    def begin(self, build: BuildEntry, attempt: AttemptEntry) -> BuildEntry:
        """Note that an attempt begins. It is on the disk when this returns. Raises InfrastructureError."""
        return self._write(evolve(build, attempts=(*build.attempts, attempt)), sync=True)

    def end(self, build_id: str, attempt: int, verdict: str, summary: str, *, answered: bool) -> None:
        """Note how an attempt ended. May be forgotten when the power fails: the next start then cleans up once more."""

        def ended(entry: AttemptEntry) -> AttemptEntry:
            if entry.attempt != attempt:
                return entry
            return evolve(entry, verdict=verdict, summary=summary[:1000], answered=answered)

        with self._lock:
            build = self.build(build_id)
            if build is not None:
                self._write(evolve(build, attempts=tuple(map(ended, build.attempts))))

    def quarantine(self, build: BuildEntry, reason: str) -> None:
        """Note that a build is not tried any more. Raises InfrastructureError."""
        self._path(build.request.id).with_name(f"{build.request.id}.pardon").unlink(missing_ok=True)
        self._write(evolve(build, quarantined=reason), sync=True)

    def pardon(self, build_id: str) -> None:
        """Let a quarantined build be tried again. For the command line: a running worker heeds it at the next delivery.

        Raises InfrastructureError.
        """
        build = self.build(build_id)
        if build is not None:
            self._put(self._path(build_id).with_name(f"{build_id}.pardon"), str(build.next_attempt - 1), sync=True)

    def builds(self) -> Iterator[BuildEntry]:
        """Every build that is known, in the order of the ids."""
        for path in sorted(self._directory.glob("*.json")):
            entry = self.build(path.name.removesuffix(".json"))
            if entry is not None:
                yield entry

    def quarantined(self) -> tuple[BuildEntry, ...]:
        """The builds that are not tried any more."""
        return tuple(entry for entry in self.builds() if entry.quarantined is not None)

    def unfinished(self) -> Iterator[tuple[BuildEntry, AttemptEntry]]:
        """Attempts without an end: after a start, what a dead worker left."""
        for build in self.builds():
            yield from ((build, attempt) for attempt in build.attempts if attempt.verdict is None)

    def forget(self) -> None:
        """Drop builds whose last attempt ended long ago. A clock that was set back keeps them longer."""
        now = time.time()
        for path in self._directory.glob("*.json"):
            entry = self.build(path.name.removesuffix(".json"))
            keep_s = KEEP_S if entry is None or entry.quarantined is None else QUARANTINE_KEEP_S
            if entry is not None and path.stat().st_mtime < now - keep_s and all(a.verdict for a in entry.attempts):
                path.unlink(missing_ok=True)
                path.with_name(f"{entry.request.id}.pardon").unlink(missing_ok=True)

    def _path(self, build_id: str) -> Path:
        return self._directory / f"{build_id}.json"

    def _write(self, build: BuildEntry, *, sync: bool = False) -> BuildEntry:
        self._put(self._path(build.request.id), json.dumps(_converter.unstructure(build)), sync=sync)
        return build

    def _put(self, path: Path, text: str, *, sync: bool) -> None:
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise InfrastructureError(f"cannot write the journal {path}: {error.strerror}", code="journal") from error

    def _read(self, path: Path) -> BuildEntry | None:
        try:
            return _converter.structure(json.loads(path.read_text(encoding="utf-8")), BuildEntry)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InfrastructureError(f"cannot read the journal {path}: {error.strerror}", code="journal") from error
        except (ValueError, KeyError, TypeError, ExceptionGroup) as error:
            aside = path.with_name(f"{path.name}.unreadable")
            log.error("%s is not a file of this journal (%s); put aside as %s", path, type(error).__name__, aside.name)
            path.replace(aside)
            return None


def _number(pardon: Path) -> int:
    try:
        return int(pardon.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
