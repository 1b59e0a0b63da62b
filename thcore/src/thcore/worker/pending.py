"""Outcomes that the history does not have yet: one result.json each, so that nothing is lost when the worker dies."""

from __future__ import annotations

import collections
import itertools
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen

from thcore.errors import InfrastructureError
from thcore.model import Answered, Outcome, document
from thcore.monitoring.action import event

log = logging.getLogger(__name__)

_HELD = 1000
"""How many outcomes are held in memory while the disk takes none."""
_REFUSED = ".refused"


@frozen
class Waiting:
    """An outcome that waits. ``path`` is its file, None for one that is held in memory."""

    outcome: Outcome
    answered: Answered
    path: Path | None


class Pending:
    """The outcomes that wait, in order. Any thread adds, one takes.

    A file is named by its number and by whether Zuul was answered: ``000000000012-yes.json``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for part in directory.glob("*.part"):
                part.unlink()
            last = max((int(path.stem.partition("-")[0]) for path in self._files()), default=0)
        except OSError as error:
            raise InfrastructureError(f"cannot make {directory}: {error.strerror}") from error
        self._numbers = itertools.count(last + 1)
        self._lock = threading.Lock()
        self._held: collections.deque[Waiting] = collections.deque()
        self._unsettled: set[Path] = set()

    def add(self, outcome: Outcome, answered: Answered, *, settled: bool = True) -> Waiting:
        """Keep an outcome. It is in a file when this returns, safe from the death of the worker; a disk that takes no
        file is told, and the outcome held in memory. One that is not ``settled`` is not to be had before ``settle``."""
        with self._lock:
            path = self._directory / f"{next(self._numbers):012d}-{answered.value}.json"
            part = path.with_suffix(".part")
            try:
                if not settled:
                    self._unsettled.add(path)  # before it is there: whoever takes must not be quicker
                part.write_text(document.to_json(outcome, compact=True), "utf-8")
                part.replace(path)
                return Waiting(outcome, answered, path)
            except OSError as error:
                self._unsettled.discard(path)
                told = event("history_failed", build=outcome.build, attempt=outcome.attempt)
                log.error("build %s is held in memory: cannot write %s: %s", outcome.build, path, error, extra=told)
                waiting = Waiting(outcome, answered, None)
                if settled:
                    self._hold(waiting)
                return waiting

    def settle(self, waiting: Waiting, answered: Answered) -> None:
        """Now it is known whether Zuul was answered."""
        with self._lock:
            if waiting.path is None:
                self._hold(evolve(waiting, answered=answered))
                return
            number = waiting.path.stem.partition("-")[0]
            try:
                waiting.path.rename(waiting.path.with_name(f"{number}-{answered.value}.json"))
            except OSError as error:
                told = event("history_failed", build=waiting.outcome.build, attempt=waiting.outcome.attempt)
                log.error("%s keeps its name: %s", waiting.path, error, extra=told)
            self._unsettled.discard(waiting.path)

    def _hold(self, waiting: Waiting) -> None:
        if len(self._held) >= _HELD:
            lost = self._held.popleft()
            told = event("history_failed", build=lost.outcome.build, attempt=lost.outcome.attempt)
            log.error("build %s is lost to the history: too many wait in memory", lost.outcome.build, extra=told)
        self._held.append(waiting)

    def __len__(self) -> int:
        return len(self._files()) + len(self._held)

    def __iter__(self) -> Iterator[Waiting]:
        """Those that wait now, in order. A file that holds no outcome, as after a power failure, is set aside.

        Raises OSError when the disk fails.
        """
        for path in self._files():
            if path in self._unsettled:
                continue
            try:
                outcome = document.from_json(path.read_text("utf-8"))
                answered = Answered(path.stem.partition("-")[2])
            except FileNotFoundError:
                continue  # it has been settled since, under another name, and whoever did that will wake us
            except ValueError as error:
                self._set_aside(path, error)
            else:
                yield Waiting(outcome, answered, path)
        yield from tuple(self._held)

    def done(self, waiting: Waiting) -> None:
        """It waits no more. Raises OSError."""
        if waiting.path is not None:
            waiting.path.unlink(missing_ok=True)
            return
        with self._lock:
            self._held.remove(waiting)

    def refuse(self, waiting: Waiting, why: Exception) -> None:
        """It will never be taken: its file is kept under another name, for whoever looks into it. Raises OSError."""
        if waiting.path is not None:
            self._set_aside(waiting.path, why)
            return
        log.error("the history will not have it: %s", why, extra=event("history_failed", build=waiting.outcome.build))
        self.done(waiting)

    def _set_aside(self, path: Path, why: Exception) -> None:
        log.error("%s is set aside: %s", path, why, extra=event("state_unreadable"))
        path.rename(path.with_suffix(_REFUSED))

    def _files(self) -> list[Path]:
        return sorted(path for path in self._directory.glob("*-*.json") if path.stem.partition("-")[0].isdecimal())
