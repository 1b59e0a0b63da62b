"""The worker's side of one attempt: have it done, answer for it whatever happens, and see that nothing stays behind."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import Attempt, BuildEvent, BuildRequest, Finding, Outcome, Severity, StageName, Verdict, WorkerInfo
from thcore.monitoring.action import BuildLogger, event
from thcore.monitoring.status import RunningBuild
from thcore.pipeline import build as stages
from thcore.pipeline import live, workspace
from thcore.pipeline.lifecycle import EVIDENCE_S
from thcore.pipeline.record import unpublished
from thcore.process.oom import Toll
from thcore.worker import obituary
from thcore.worker.courier import failed
from thcore.worker.errand import Errand, Hear, Word
from thcore.worker.evidence import Evidence
from thcore.worker.generation import Generation
from thcore.worker.journal import AttemptEntry, BuildEntry, Journal
from thcore.worker.listener import percentage
from thcore.worker.message import Assignment, Publishing
from thcore.worker.nursery import Child
from thcore.worker.spool import Spool

log = logging.getLogger(__name__)

Answer = Callable[[Outcome], bool]
"""Gives Zuul the outcome; says whether it was sent."""


Keep = Callable[[Outcome], Callable[[bool], None]]
"""Remembers an outcome before Zuul is told it; what it answers is then told whether Zuul was given it."""


@frozen(eq=False)
class Stores:
    """Where a worker keeps what must survive it."""

    work: Path
    journal: Journal
    evidence: Evidence
    spool: Spool

    def forget(self) -> None:
        """Drop what is known of builds that ended long ago."""
        self.journal.forget()
        for build_id in self.evidence.builds():
            if self.journal.build(build_id) is None:
                self.evidence.drop(build_id)


class Supervision:
    """One attempt of a build while it runs. ``run`` is called once, in a slot's thread; ``cancel`` from any."""

    def __init__(self, entry: BuildEntry, child: Child, generation: Generation, stores: Stores, keep: Keep) -> None:
        self.request: BuildRequest = entry.request
        self.attempt = entry.next_attempt
        self.plan = generation.plans[entry.request.job]
        self.began = datetime.datetime.now(datetime.UTC)
        self._over = False
        self.view = RunningBuild.begun(self.request, self.attempt, self.began)
        """What can be seen of it."""
        self._entry = entry
        self._child = child
        self._generation = generation
        self._stores = stores
        self._keep = keep
        self._grace_s = generation.config.kill_grace
        self._told = BuildLogger(log, build=self.request.id, attempt=self.attempt, job=self.request.job)
        self._toll = Toll.now()
        self._reason: str | None = None
        self._errand: Errand | None = None
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> str | None:
        """Why it was told to end, if it was."""
        return self._reason

    def cancel(self, reason: str) -> None:
        """End the build; the first reason counts. Returns at once."""
        with self._lock:
            if self._reason is None and not self._over:
                self._reason = reason
                if self._errand is not None:
                    self._errand.cancel(reason)

    def run(self, hear: Hear, answer: Answer) -> Outcome:
        """Do the attempt in the child and answer for it; the outcome is there whatever happened to the child.

        ``hear`` is told the events, ``answer`` the outcome, as soon as it is known and its evidence is safe, before
        things are put away. Raises InfrastructureError when the attempt cannot even begin (journal, workspace).
        """
        try:
            with Errand(self._child, self._grace_s) as errand:
                place = workspace.create(self._stores.work, self.request.id, self.attempt)
                entry = AttemptEntry(
                    self.attempt,
                    str(place.root),
                    self._child.identity,
                    None if self._child.cgroup is None else str(self._child.cgroup.path),
                    time.time(),
                )
                try:
                    self._stores.journal.begin(self._entry, entry)
                    outcome = self._outcome(errand, place, hear)
                    answered = self._conclude(outcome, place, answer)
                finally:
                    errand.end()
                    put_away(self.request, entry, self._generation)
            self._note(outcome, answered=answered)
            return outcome
        finally:
            with self._lock:
                self._over = True

    def _outcome(self, errand: Errand, place: Workspace, hear: Hear) -> Outcome:
        """What the attempt amounts to, published as far as that went."""

        def listen(event: BuildEvent) -> None:
            self.view = self.view.after(event, percentage(event))
            hear(event)

        word = self._have_done(
            errand,
            lambda: errand.run(
                Assignment(self.request, self.attempt, str(place.root), self.plan.timeout_s), self._patience_s, listen
            ),
        )
        if word.complete and word.outcome is not None:
            return word.outcome
        errand.end()
        outcome = self._epitaph(word, place)
        if outcome.verdict is not Verdict.CANCELLED:
            return self._publish(outcome, place)
        # A cancelled build is published as little as one that lived to hear of it, but for a page that says it runs.
        return failed(outcome, self._showing, outcome.summary) if self.view.url else outcome

    @property
    def _showing(self) -> tuple[str, ...]:
        """The plugins that may have put up a page of the running build."""
        plugins = self._generation.surroundings.plugins
        return plugins.implementing(live.HOOK, self.plan.stages[StageName.PUBLISH])

    @property
    def _patience_s(self) -> float | None:
        return None if self.plan.timeout_s is None else self.plan.timeout_s + EVIDENCE_S + self._grace_s

    def _have_done(self, errand: Errand, work: Callable[[], Word]) -> Word:
        """Do work in a child that a cancel reaches."""
        with self._lock:
            self._errand = errand
            if self._reason is not None:
                errand.cancel(self._reason)
        try:
            return work()
        finally:
            with self._lock:
                self._errand = None

    def _epitaph(self, word: Word, place: Workspace) -> Outcome:
        """The outcome of a child that did not live to tell it, or not to the end."""
        if self._reason is not None:
            return self._made(Verdict.CANCELLED, f"Cancelled: {self._reason}")
        stage = None if self.view.stage is None else StageName(self.view.stage)
        found = obituary.finding(self._child, self._toll, stage, place.log, overdue=word.overdue)
        self._told.error("%s", found.message, extra=event("child_died"))
        if word.outcome is not None:  # it was judged; only publishing it went wrong
            noted = evolve(found, severity=Severity.WARNING)
            return evolve(word.outcome, findings=(*word.outcome.findings, noted))
        return self._made(Verdict.UNVERIFIED, found.message, found)

    def _publish(self, outcome: Outcome, place: Workspace) -> Outcome:
        """Publish what the dead child left, in a new one."""
        publishers = self.plan.stages[StageName.PUBLISH]
        if not publishers:
            return outcome
        try:
            child = self._generation.nursery.child()
        except InfrastructureError as error:
            return failed(outcome, publishers, str(error))
        with Errand(child, self._grace_s) as errand:
            work = Publishing(self.request, outcome, publishers, str(place.root))
            patience_s = EVIDENCE_S + self._grace_s
            word = self._have_done(errand, lambda: errand.run(work, patience_s, lambda _event: None))
        if self._reason is not None:
            return self._made(Verdict.CANCELLED, f"Cancelled: {self._reason}")
        return word.outcome or failed(outcome, publishers, "the process that published it died as well")

    def _conclude(self, outcome: Outcome, place: Workspace, answer: Answer) -> bool:
        """Make the evidence safe, then answer. An outcome that Zuul was not given is another attempt's to publish, but
        for a cancelled one: what waits of that is to take the place of a page that says it runs."""
        left = unpublished(outcome)
        if outcome.verdict not in (Verdict.SUCCESS, Verdict.FAILURE):
            self._stores.evidence.keep(self.request.id, self.attempt, place)
        spooled = None
        if left:
            try:
                spooled = self._stores.spool.put(self.request, outcome, left, place)
            except InfrastructureError as error:
                self._told.error("%s", error, extra=event("result_spooled"))
                self._stores.evidence.keep(self.request.id, self.attempt, place)
        settle = self._keep(outcome)
        # Whoever finds the attempt after the death of this worker must know that it has its verdict.
        verdict, journal = outcome.verdict.value, self._stores.journal
        self._write_down(lambda: journal.judge(self.request.id, self.attempt, verdict, outcome.summary))
        answered = answer(outcome)
        settle(answered)
        if spooled is not None and (answered or outcome.verdict is Verdict.CANCELLED):
            self._stores.spool.release(spooled, answered=answered)
        elif spooled is not None:
            self._stores.spool.drop(spooled)
        return answered

    def _note(self, outcome: Outcome, *, answered: bool) -> None:
        self._write_down(lambda: self._stores.journal.end(self.request.id, self.attempt, answered=answered))
        if answered and outcome.verdict in (Verdict.SUCCESS, Verdict.FAILURE):
            self._stores.evidence.drop(self.request.id)

    def _write_down(self, write: Callable[[], None]) -> None:
        """Write into the journal. A disk that does not take it must not cost the worker a slot."""
        try:
            write()
        except InfrastructureError as error:
            self._told.error("%s", error, extra=event("worker_faulty"))

    def _made(self, verdict: Verdict, summary: str, *findings: Finding) -> Outcome:
        return Outcome(
            job=self.request.job,
            build=self.request.id,
            attempt=self.attempt,
            change=self.request.change,
            log_path=self.request.log_path,
            verdict=verdict,
            summary=summary,
            worker=self._generation.surroundings.worker,
            started=self.began,
            ended=datetime.datetime.now(datetime.UTC),
            plugins=self.plan.infos,
            findings=findings,
        )


def put_away(request: BuildRequest, entry: AttemptEntry, generation: Generation) -> None:
    """Clean up after an attempt whose processes are gone: the plugins' hooks, then its workspace. Idempotent.

    For a job that is not in the configuration any more all plugins are asked, without options.
    """
    plan, plugins = generation.plans.get(request.job), generation.surroundings.plugins
    root = Path(entry.workspace)
    told = BuildLogger(log, build=request.id, attempt=entry.attempt, job=request.job)
    for name in plugins.implementing("thcore_cleanup", None if plan is None else plan.plugins):
        state = stages.state_of(generation.surroundings.state, name)
        attempt = Attempt(request.id, request.job, entry.attempt, root, state)
        try:
            plugins.cleanup(name, attempt, None if plan is None else plan.options.get(name))
        except Exception:  # noqa: BLE001 - it is logged; another plugin may still put away its things
            told.exception("plugin %s", name, extra=event("cleanup_failed"))
    if not workspace.remove(root):
        told.warning("could not remove %s", root, extra=event("cleanup_failed"))


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
