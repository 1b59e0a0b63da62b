"""The worker's side of one build: assign it, listen, end it when told to, and see that nothing stays behind."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection as connections
from pathlib import Path

from attrs import evolve

from thcore.hooks import Workspace
from thcore.model import (
    Attempt,
    BuildEvent,
    BuildRequest,
    Finding,
    OomKills,
    Outcome,
    Severity,
    Verdict,
    WorkerInfo,
)
from thcore.pipeline import build as stages
from thcore.pipeline import workspace
from thcore.pipeline.lifecycle import EVIDENCE_S, Surroundings
from thcore.pipeline.plan import Plan
from thcore.process import ending
from thcore.process.oom import Toll
from thcore.process.tail import last_lines
from thcore.worker import message
from thcore.worker.journal import Entry, Journal
from thcore.worker.message import Assignment, Cancel
from thcore.worker.nursery import Child

log = logging.getLogger(__name__)

Hear = Callable[[BuildEvent], None]


class Supervision:
    """One attempt of a build while it runs. ``run`` is called once, in a slot's thread; ``cancel`` from any."""

    def __init__(
        self, request: BuildRequest, plan: Plan, child: Child, journal: Journal, surroundings: Surroundings
    ) -> None:
        self.request = request
        self.plan = plan
        self.done = threading.Event()
        """Set when the attempt is over and everything of it is gone."""
        self._child = child
        self._journal = journal
        self._surroundings = surroundings
        self._toll = Toll.now()
        self._reason: str | None = None
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)

    @property
    def cancelled(self) -> str | None:
        """Why it was told to end, if it was."""
        return self._reason

    def cancel(self, reason: str) -> None:
        """End the build; the first reason counts. Returns at once."""
        with self._lock:
            if self._reason is None and not self.done.is_set():
                self._reason = reason
                os.eventfd_write(self._wake, 1)

    def run(self, work: Path, hear: Hear, answer: Callable[[Outcome], None]) -> Outcome:
        """Do the attempt in the child and answer for it; the outcome is there whatever happened to the child.

        ``hear`` is told the events, ``answer`` the outcome, as soon as it is known and before things are put away.
        Raises InfrastructureError when the attempt cannot even begin (journal, workspace).
        """
        try:
            attempt = 1 + max((entry.attempt for entry in self._journal.attempts(self.request.id)), default=0)
            place = workspace.create(work, self.request.id, attempt)
            entry = Entry(
                self.request.id,
                self.request.job,
                attempt,
                str(place.root),
                self._child.identity,
                None if self._child.cgroup is None else str(self._child.cgroup.path),
                time.time(),
            )
            self._journal.record(entry)
            try:
                outcome = self._attend(attempt, place, hear)
                self._end_child()
                answer(outcome)
            finally:
                self._end_child()
                put_away(entry, self.plan, self._surroundings)
            self._journal.end(entry, outcome.verdict.value)
            return outcome
        finally:
            self._abandon()

    def _abandon(self) -> None:
        with self._lock:
            self.done.set()
            os.close(self._wake)
        self._child.connection.close()

    def _attend(self, attempt: int, place: Workspace, hear: Hear) -> Outcome:
        began = datetime.datetime.now(datetime.UTC)
        assignment = Assignment(self.request, attempt, str(place.root), self.plan.timeout_s)
        outcome: Outcome | None = None
        with contextlib.suppress(OSError, EOFError):
            message.send(self._child.connection, assignment)
            outcome = self._listen(hear)
        if outcome is None:
            outcome = self._epitaph(attempt, place, began)
        return outcome

    def _listen(self, hear: Hear) -> Outcome | None:
        """Hear the child out. None when its time to end has passed; raises EOFError when it died."""
        patience = None if self.plan.timeout_s is None else self.plan.timeout_s + EVIDENCE_S + self._grace_s
        horizon = None if patience is None else time.monotonic() + patience
        told = False
        while True:
            left = None if horizon is None else max(0.0, horizon - time.monotonic())
            waiting: Sequence[object] = [self._child.connection] if told else [self._child.connection, self._wake]
            ready = connections.wait(waiting, left)  # type: ignore[arg-type] # a descriptor is waitable as well
            if self._child.connection in ready:
                news = message.receive(self._child.connection)
                if isinstance(news, Outcome):
                    return news
                if isinstance(news, BuildEvent):
                    hear(news)
            elif self._wake in ready:
                told = True
                horizon = time.monotonic() + self._grace_s
                message.send(self._child.connection, Cancel(self._reason or "cancelled"))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._child.pid, signal.SIGTERM)
            elif not ready:
                return None

    @property
    def _grace_s(self) -> float:
        return self._surroundings.grace_s

    def _end_child(self) -> None:
        """See the child and all that belongs to it gone; a child that has answered is about to end by itself."""
        self._child.end(min(1.0, self._grace_s))

    def _epitaph(self, attempt: int, place: Workspace, began: datetime.datetime) -> Outcome:
        """The outcome of a child that did not live to tell it."""
        self._end_child()
        findings: tuple[Finding, ...] = ()
        if self._reason is not None:
            verdict, summary = Verdict.CANCELLED, f"Cancelled: {self._reason}"
        else:
            found = Finding(
                "build-process-died",
                Severity.UNVERIFIED,
                f"The process of the build died: {_how_it_ended(self._child, self._toll)}",
                evidence=last_lines(place.log),
                hint="This is not the change's fault; it is worth a retry.",
            )
            verdict, summary, findings = Verdict.UNVERIFIED, found.message, (found,)
        return Outcome(
            job=self.request.job,
            build=self.request.id,
            attempt=attempt,
            change=self.request.change,
            log_path=self.request.log_path,
            verdict=verdict,
            summary=summary,
            worker=self._surroundings.worker,
            started=began,
            ended=datetime.datetime.now(datetime.UTC),
            plugins=self.plan.infos,
            findings=findings,
        )


def put_away(entry: Entry, plan: Plan | None, surroundings: Surroundings) -> None:
    """Clean up after an attempt whose processes are gone: the plugins' hooks, then its workspace. Idempotent.

    ``plan`` is None for a job that is not in the configuration any more: then all plugins are asked, without options.
    """
    for name in surroundings.plugins.implementing("thcore_cleanup", None if plan is None else plan.plugins):
        attempt = Attempt(
            entry.build_id,
            entry.job,
            entry.attempt,
            Path(entry.workspace),
            stages.state_of(surroundings.state, name),
        )
        try:
            surroundings.plugins.cleanup(name, attempt, None if plan is None else plan.options.get(name))
        except Exception:
            log.exception("build %s attempt %s: cleanup failed", entry.build_id, entry.attempt)
    if not workspace.remove(Path(entry.workspace)):
        log.warning("build %s attempt %s: could not remove %s", entry.build_id, entry.attempt, entry.workspace)


def refusal(request: BuildRequest, worker: WorkerInfo, found: Finding) -> Outcome:
    """The outcome of a build that could not begin."""
    now = datetime.datetime.now(datetime.UTC)
    return Outcome(
        job=request.job,
        build=request.id,
        attempt=0,
        change=request.change,
        log_path=request.log_path,
        verdict=Verdict.UNVERIFIED,
        summary=found.message,
        worker=worker,
        started=now,
        ended=now,
        findings=(found,),
    )


def _how_it_ended(child: Child, toll: Toll) -> str:
    if child.status is None:
        return "nobody saw how"
    counted = toll.since() if child.oom_kills is None else OomKills(child.oom_kills, own=True)
    return evolve(ending.told(child.status), stopped=child.killed, oom=counted).reason()
