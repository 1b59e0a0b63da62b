"""Slots: each takes a build when it is free, has it done and answers it.

A slot is a thread. A waiting slot is what makes the Gearman connection ask for a job, so the worker never holds a build
that it has no room for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from thcore.errors import InfrastructureError, PluginError, RefusedError
from thcore.gearman import zuul
from thcore.gearman.link import Delivery, Link
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    BuildRequest,
    Finding,
    Outcome,
    Severity,
    StageName,
    Verdict,
    WorkerInfo,
)
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.worker.journal import Journal
from thcore.worker.nursery import Nurseries
from thcore.worker.supervise import Supervision, refusal

log = logging.getLogger(__name__)

SHARE: Mapping[StageName, tuple[int, int]] = {
    StageName.CHECKOUT: (0, 10),
    StageName.ENVIRONMENT: (10, 25),
    StageName.EXECUTE: (25, 90),
    StageName.ANALYSE: (90, 95),
    StageName.PUBLISH: (95, 100),
}
"""From which to which percentage each stage takes a build, for WORK_STATUS."""


QUARANTINED = "QUARANTINED"
"""Result of a build that has been delivered ``max_attempts`` times already."""


@frozen(eq=False)
class Shop:
    """What the slots share.

    ``on_last_build`` is told when a build of one of ``last_jobs`` has ended: the machine is not fit for another then.
    """

    link: Link
    nursery: Nurseries
    journal: Journal
    plans: Mapping[str, Plan]
    branches: Mapping[str, str | None]
    surroundings: Surroundings
    manager: str
    work: Path
    max_attempts: int = 3
    last_jobs: frozenset[str] = frozenset()
    on_last_build: Callable[[str], None] = lambda _reason: None
    on_build_event: Callable[[BuildEvent], None] = lambda _event: None
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None


class Slots:
    """All slots of a worker, and the builds in them."""

    def __init__(self, shop: Shop, count: int) -> None:
        self._shop = shop
        self._running: dict[str, Supervision] = {}
        self._lock = threading.Lock()
        self._forced = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"slot-{number}", daemon=True) for number in range(1, count + 1)
        ]

    def start(self) -> None:
        """Begin to take builds."""
        for thread in self._threads:
            thread.start()

    def running(self) -> tuple[BuildRequest, ...]:
        """The builds that run now."""
        with self._lock:
            return tuple(supervision.request for supervision in self._running.values())

    def stop(self, build_id: str) -> None:
        """End a build because Zuul said so; one that is not here is none of our business."""
        with self._lock:
            supervision = self._running.get(build_id)
        if supervision is not None:
            log.info("build %s: cancelled by Zuul", build_id)
            supervision.cancel("Zuul asked for it")

    def stop_all(self, reason: str) -> None:
        """End every build; each is answered so that Zuul retries it."""
        self._forced = True
        with self._lock:
            supervisions = list(self._running.values())
        for supervision in supervisions:
            supervision.cancel(reason)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until every slot has ended, which they do when the link is drained. False: some still work."""
        horizon = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(None if horizon is None else max(0.0, horizon - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while (delivery := self._shop.link.take()) is not None:
            try:
                self._handle(delivery)
            except Exception:
                log.exception("build %s: fault of the worker", delivery.unique)
                delivery.finish(self._retry(delivery, "fault of the worker"))

    def _handle(self, delivery: Delivery) -> None:
        """Do one delivery to its answer."""
        shop = self._shop
        worker = shop.surroundings.worker
        job = zuul.job_name(delivery.function)
        # Before anything else: until Zuul has this, it cannot cancel the build.
        delivery.begin(zuul.started(delivery.unique, job, shop.manager, worker))
        try:
            request = zuul.parse(
                delivery.function, delivery.unique, delivery.arguments, default_branch=shop.branches.get(job)
            )
        except RefusedError as error:
            log.warning("build %s: refused: %s", delivery.unique, error)
            delivery.finish(zuul.refused(delivery.unique, job, shop.manager, worker, error))
            return
        plan = shop.plans.get(request.job)
        if plan is None:
            delivery.finish(self._retry(delivery, f"this worker has no job {request.job} any more"))
            return
        earlier = len(shop.journal.attempts(request.id))
        if earlier >= shop.max_attempts:
            reason = f"it was delivered {earlier} times before; it is not tried again"
            log.error("build %s: quarantined: %s", request.id, reason)
            delivery.finish(zuul.refused(request.id, job, shop.manager, worker, reason, result=QUARANTINED))
            return
        self._build(delivery, request, plan)

    def _retry(self, delivery: Delivery, reason: object) -> zuul.Reply:
        shop = self._shop
        job = zuul.job_name(delivery.function)
        return zuul.retry(delivery.unique, job, shop.manager, shop.surroundings.worker, reason)

    def _build(self, delivery: Delivery, request: BuildRequest, plan: Plan) -> None:
        shop = self._shop
        try:
            child = shop.nursery.child()
        except InfrastructureError as error:
            self._unable(delivery, request, error)
            return
        supervision = Supervision(request, plan, child, shop.journal, shop.surroundings)
        while (earlier := self._enter(supervision)) is not None:
            # The server handed the build out again, so it has given up on the attempt that runs here.
            earlier.cancel("the Gearman server handed the build out again")
            earlier.done.wait()
        delivery.on_lost(lambda: supervision.cancel("the connection to the Gearman server was lost"))
        listener = Listener(delivery, plan, shop)
        try:
            supervision.run(
                shop.work,
                listener.hear,
                lambda outcome: self._answer(delivery, outcome, asked=supervision.cancelled is not None),
            )
        except InfrastructureError as error:
            self._unable(delivery, request, error)
        finally:
            with self._lock:
                if self._running.get(request.id) is supervision:
                    del self._running[request.id]
        if plan.job in shop.last_jobs:
            shop.on_last_build(f"a build of {plan.job} has ended, after which the worker stops")

    def _enter(self, supervision: Supervision) -> Supervision | None:
        """Count a build as running, unless the same one already is; that one is answered then."""
        with self._lock:
            earlier = self._running.get(supervision.request.id)
            if earlier is None or earlier.done.is_set():
                self._running[supervision.request.id] = supervision
                earlier = None
            forced = self._forced
        if forced:
            supervision.cancel("the worker is stopping")
        return earlier

    def _answer(self, delivery: Delivery, outcome: Outcome, *, asked: bool = False) -> None:
        """``asked`` says that somebody wanted the build cancelled. One that ended all the same was hit by accident."""
        log.info("build %s: %s: %s", outcome.build, outcome.verdict.value, outcome.summary)
        if outcome.verdict is Verdict.CANCELLED and (self._forced or not asked):
            delivery.finish(self._retry(delivery, outcome.summary))
        else:
            delivery.finish(zuul.final(outcome, self._shop.manager))
        self._shop.on_outcome(outcome)

    def _unable(self, delivery: Delivery, request: BuildRequest, error: InfrastructureError) -> None:
        log.error("build %s: could not begin: %s", request.id, error)
        found = Finding(error.code, Severity.UNVERIFIED, str(error))
        self._answer(delivery, refusal(request, self._shop.surroundings.worker, found))


class Listener:
    """Passes a build's events on: to Gearman as WORK_STATUS, to the log, to plugins that want to hear them."""

    STATUS_EVERY_S = 1.0

    def __init__(self, delivery: Delivery, plan: Plan, shop: Shop) -> None:
        self._delivery = delivery
        self._plan = plan
        self._plugins = shop.surroundings.plugins
        self._hear = shop.on_build_event
        self._hearers = self._plugins.implementing("thcore_build_event", plan.plugins)
        self._sent = (0, 0.0)

    def hear(self, event: BuildEvent) -> None:
        """Take one event of the build."""
        if event.kind is BuildEventKind.STAGE_ENDED:
            log.info("build %s: stage %s: %s", event.build_id, event.stage, event.detail)
        self._send_status(event)
        self._hear(event)
        for name in self._hearers:
            try:
                self._plugins.build_event(name, event)
            except PluginError as error:
                log.warning("build %s: %s", event.build_id, error)

    def _send_status(self, event: BuildEvent) -> None:
        percent = percentage(event)
        now = time.monotonic()
        last, when = self._sent
        stage_began = event.kind is BuildEventKind.STAGE_STARTED
        if percent is not None and percent > last and (stage_began or now - when >= self.STATUS_EVERY_S):
            self._sent = (percent, now)
            self._delivery.status(percent, 100)


def percentage(event: BuildEvent) -> int | None:
    """How far a build is, in per cent, when this event says so."""
    if event.stage is None:
        return None
    start, end = SHARE[StageName(event.stage)]
    if event.kind is BuildEventKind.STAGE_STARTED:
        return start
    if event.kind is BuildEventKind.PROGRESS and event.total:
        return start + round((end - start) * min(event.done, event.total) / event.total)
    return None


def manager_name(configured: str | None, hostname: str) -> str:
    """The name that Zuul sends ``stop:`` jobs to: unique per process on a host, the same after a restart."""
    return configured or f"{hostname}-{os.getuid()}"


def describe(worker: WorkerInfo) -> str:
    """A worker in one line."""
    return f"thcore {worker.version} on {worker.hostname} as {worker.name}"
