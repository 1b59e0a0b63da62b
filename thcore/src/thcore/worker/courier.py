"""Brings the evidence in the spool to its targets once they take it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.model import BuildEvent, Finding, Outcome, Severity
from thcore.monitoring.action import BuildLogger, event
from thcore.pipeline.lifecycle import EVIDENCE_S
from thcore.pipeline.record import PUBLISH_FAILED
from thcore.worker.errand import Errand
from thcore.worker.generation import Generation, in_use
from thcore.worker.message import Publishing
from thcore.worker.spool import Spool, Spooled

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 600.0


def failed(outcome: Outcome, publishers: tuple[str, ...], reason: str) -> Outcome:
    """The outcome of a publication that nobody lived to tell of: each publisher has failed, for this reason."""
    others = tuple(f for f in outcome.findings if f.code != PUBLISH_FAILED or f.plugin not in publishers)
    found = (Finding(PUBLISH_FAILED, Severity.WARNING, reason, plugin=name) for name in publishers)
    return evolve(outcome, findings=(*others, *found))


class Courier:
    """A thread that offers what waits to its publishers, each in a child process, with growing pauses.

    ``generation`` answers the current one. ``on_published`` is told what waited, and the outcome
    with its publications.
    """

    def __init__(
        self,
        spool: Spool,
        generation: Callable[[], Generation],
        grace_s: float,
        on_published: Callable[[Spooled, Outcome], None] = lambda _entry, _outcome: None,
    ) -> None:
        self._spool = spool
        self._generation = generation
        self._grace_s = grace_s
        self._on_published = on_published
        self._due: dict[str, float] = {}
        self._wake = threading.Event()
        self._closing = False
        self._errand: Errand | None = None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        spool.listen(self._wake.set)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hurry(self) -> None:
        """Targets may be back: offer everything now."""
        self._due.clear()
        self._wake.set()

    def close(self) -> None:
        """End. What is being published is stopped; it stays in the spool, for the next start."""
        self._closing = True
        self._wake.set()
        errand = self._errand
        if errand is not None:
            errand.cancel("the worker stops")
        if self._thread.is_alive():
            self._thread.join(self._grace_s * 2 + 10)

    def _run(self) -> None:
        while not self._closing:
            for entry in self._spool.entries():
                if self._closing:
                    return
                if self._due.get(entry.name, 0.0) <= time.monotonic():
                    try:
                        self._offer(entry)
                    except Exception:  # the next one must still get its turn
                        log.exception("%s could not be offered", entry.name, extra=event("worker_faulty"))
                        self._postpone(entry)
            now = time.monotonic()
            waiting = [self._due.get(entry.name, now) - now for entry in self._spool.entries()]
            self._wake.wait(max(0.0, min(waiting)) if waiting else None)
            self._wake.clear()

    def _offer(self, entry: Spooled) -> None:
        with in_use(self._generation) as generation:
            outcome = self._publish(entry, generation)
        if self._closing:
            return
        left = self._spool.update(entry, outcome)
        told = BuildLogger(log, build=entry.request.id, attempt=outcome.attempt, job=entry.request.job)
        if left is None:
            self._due.pop(entry.name, None)
            told.info("its evidence, kept since %s, is published", entry.since, extra=event("result_published"))
            self._on_published(entry, outcome)
        else:
            self._postpone(left)
            told.warning("its evidence is not published yet: %s", left.problem, extra=event("result_spooled"))

    def _publish(self, entry: Spooled, generation: Generation) -> Outcome:
        if entry.request.job not in generation.plans:
            return failed(entry.outcome, entry.publishers, f"this worker has no job {entry.request.job} any more")
        try:
            errand = Errand(generation.nursery.child(), self._grace_s)
        except InfrastructureError as error:
            return failed(entry.outcome, entry.publishers, str(error))
        with errand:
            self._errand = errand
            work = Publishing(entry.request, entry.outcome, entry.publishers, str(self._spool.workspace(entry).root))
            word = errand.run(work, EVIDENCE_S + self._grace_s, _nobody_hears)
            self._errand = None
        return word.outcome or failed(entry.outcome, entry.publishers, "the process that published it died")

    def _postpone(self, entry: Spooled) -> None:
        pause_s = min(FIRST_PAUSE_S * 2 ** min(entry.tries, 16), LONGEST_PAUSE_S)
        self._due[entry.name] = time.monotonic() + pause_s


def _nobody_hears(_event: BuildEvent) -> None:
    """The build is over; its events are told."""
