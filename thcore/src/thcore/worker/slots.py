"""Slots: each takes a build when it is free, has it done and answers it.

A slot is a thread. A waiting slot is what makes the Gearman connection ask for a job, so the worker never holds a build
that it has no room for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import field, frozen

from thcore.errors import InfrastructureError, RefusedError
from thcore.gearman import zuul
from thcore.gearman.link import Delivery, Link
from thcore.model import BuildEvent, BuildRequest, Finding, Outcome, Severity, Verdict, WorkerInfo
from thcore.monitoring.action import BuildLogger, event
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.worker.address import address
from thcore.worker.generation import Generation, in_use
from thcore.worker.journal import BuildEntry
from thcore.worker.listener import Listener
from thcore.worker.supervise import Keep, Stores, Supervision, refusal

log = logging.getLogger(__name__)

QUARANTINED = "QUARANTINED"
"""Result of a build that has been delivered ``max_attempts`` times already."""


@frozen(eq=False)
class Hearers:
    """Who is told what the slots do. Each is called in the build's slot, and must be quick.

    ``outcome`` is told every outcome before Zuul is; what it answers is then told whether Zuul was. ``unable`` is told
    that a build could not begin. ``last_build`` is told when a build of a job has ended after which the worker is to
    stop.
    """

    build_event: Callable[[Plugins, Plan, BuildEvent], None] = lambda _plugins, _plan, _event: None
    outcome: Keep = lambda _outcome: lambda _answered: None
    refused: Callable[[str], None] = lambda _result: None
    unable: Callable[[str], None] = lambda _reason: None
    last_build: Callable[[str], None] = lambda _reason: None


@frozen(eq=False)
class Shop:
    """What the slots share. ``generation`` answers the current one."""

    link: Link
    stores: Stores
    worker: WorkerInfo
    generation: Callable[[], Generation]
    hearers: Hearers = field(factory=Hearers)


class Slots:
    """All slots of a worker, and the builds in them."""

    def __init__(self, shop: Shop, count: int) -> None:
        self._shop = shop
        self._running: dict[str, Supervision] = {}
        self._claimed: set[str] = set()
        self._unwanted: dict[str, str] = {}
        """Why builds that are on their way into a slot shall end; empty for those that nobody has said it of."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._forced = False
        self._wanted = count
        self._over = False
        """The link gives no more builds."""
        self._threads: dict[int, threading.Thread] = {}

    def start(self) -> None:
        """Begin to take builds."""
        self.resize(self._wanted)

    def resize(self, count: int) -> None:
        """Have so many slots. Of those that are too many, the free ones end at once, the others with their build."""
        with self._lock:
            self._wanted = count
            for number in range(count):
                if number not in self._threads:
                    thread = threading.Thread(target=self._serve, args=(number,), name=f"slot-{number}", daemon=True)
                    self._threads[number] = thread
                    thread.start()
        self._shop.link.ask_wanted()

    @property
    def count(self) -> int:
        """How many slots there are."""
        return self._wanted

    def running(self) -> tuple[Supervision, ...]:
        """The builds that run now."""
        with self._lock:
            return tuple(self._running.values())

    def stop(self, build_id: str) -> None:
        """End a build because Zuul said so; one that is not here is none of our business."""
        reason = "Zuul asked for it"
        with self._lock:
            supervision = self._running.get(build_id)
            coming = build_id in self._unwanted
            if coming:
                self._unwanted[build_id] = reason
        if supervision is not None or coming:
            log.info("%s", reason, extra=event("build_cancelled", build=build_id))
        if supervision is not None:
            supervision.cancel(reason)

    def stop_all(self, reason: str) -> None:
        """End every build; each is answered so that Zuul retries it."""
        self._forced = True
        for supervision in self.running():
            supervision.cancel(reason)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until every slot has ended, which they do when the link is drained. False: some still work."""
        horizon = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(None if horizon is None else max(0.0, horizon - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _serve(self, number: int) -> None:
        while self._stays(number):
            self._take(lambda: number < self._wanted)

    def _stays(self, number: int) -> bool:
        """Whether a slot goes on; one that does not is gone from here on."""
        with self._lock:
            stays = number < self._wanted and not self._over
            if not stays:
                del self._threads[number]
            return stays

    def _take(self, wanted: Callable[[], bool]) -> None:
        delivery = self._shop.link.take(wanted)
        if delivery is None:
            self._over = self._over or wanted()
        else:
            try:
                with in_use(self._shop.generation) as generation:
                    self._handle(delivery, generation)
            except Exception as error:
                log.exception("while it handled a build", extra=event("worker_faulty", build=delivery.unique))
                delivery.finish(self._retry(delivery, f"fault of the worker: {type(error).__name__}"))
            finally:
                with self._lock:
                    self._unwanted.pop(delivery.unique, None)

    def _handle(self, delivery: Delivery, generation: Generation) -> None:
        """Do one delivery to its answer."""
        shop = self._shop
        job = zuul.job_name(delivery.function)
        with self._lock:
            self._unwanted[delivery.unique] = ""
        try:
            request = zuul.parse(
                delivery.function, delivery.unique, delivery.arguments, default_branch=generation.branches.get(job)
            )
        except RefusedError as error:
            self._begin(delivery, None)
            self._refuse(delivery, zuul.INVALID_ARGUMENTS, error)
            return
        plan = generation.plans.get(request.job)
        if plan is None:
            self._begin(delivery, None)
            delivery.finish(self._retry(delivery, f"this worker has no job {request.job} any more"))
            return
        url = address(request, plan, generation.surroundings.plugins)
        # Before anything is touched: until Zuul has this, it cannot cancel the build.
        self._begin(delivery, url)
        try:
            self._build(delivery, request, generation, url)
        except InfrastructureError as error:
            self._unable(delivery, request, error)
        if request.job in generation.last_jobs:
            shop.hearers.last_build(f"a build of {request.job} has ended, after which the worker stops")

    def _begin(self, delivery: Delivery, url: str | None) -> None:
        job = zuul.job_name(delivery.function)
        delivery.begin(zuul.started(delivery.unique, job, self._shop.link.manager, self._shop.worker, url=url))

    def _refuse(self, delivery: Delivery, result: str, reason: object) -> None:
        shop = self._shop
        job = zuul.job_name(delivery.function)
        reply = zuul.refused(delivery.unique, job, shop.link.manager, shop.worker, reason, result=result)
        delivery.finish(reply)
        if result != QUARANTINED:
            log.warning("%s", reason, extra=event("build_refused", build=delivery.unique, job=job))
        shop.hearers.refused(result.lower())

    def _retry(self, delivery: Delivery, reason: object) -> zuul.Reply:
        job = zuul.job_name(delivery.function)
        return zuul.retry(delivery.unique, job, self._shop.link.manager, self._shop.worker, reason)

    def _build(self, delivery: Delivery, request: BuildRequest, generation: Generation, url: str | None) -> None:
        """``url`` is where its page will be. Raises InfrastructureError when the build cannot begin."""
        with self._claim(request.id):
            entry = self._entry(delivery, request)
            if entry.deliveries < generation.config.max_attempts:
                self._attempt(delivery, entry, generation, url)
                return
            reason = f"it was delivered {entry.deliveries} times before; it is not tried again"
            log.error("%s", reason, extra=event("build_quarantined", build=request.id, job=request.job))
            self._shop.stores.journal.quarantine(entry, reason)
            self._refuse(delivery, QUARANTINED, reason)

    def _attempt(self, delivery: Delivery, entry: BuildEntry, generation: Generation, url: str | None) -> None:
        shop, build_id = self._shop, entry.request.id
        supervision = Supervision(entry, generation.nursery.child(), generation, shop.stores, shop.hearers.outcome)
        with self._changed:
            self._running[build_id] = supervision
            self._changed.notify_all()
            unwanted = "the worker is stopping" if self._forced else self._unwanted.get(build_id)
        told = BuildLogger(log, build=build_id, attempt=supervision.attempt, job=entry.request.job)
        told.info("%s", entry.request.change, extra=event("build_started"))
        if unwanted:
            supervision.cancel(unwanted)
        delivery.on_lost(lambda: supervision.cancel("the connection to the Gearman server was lost"))
        plan, plugins = supervision.plan, generation.surroundings.plugins
        listener = Listener(
            delivery,
            supervision.attempt,
            plan.job,
            lambda news: shop.hearers.build_event(plugins, plan, news),
            lambda at: zuul.started(
                build_id, plan.job, shop.link.manager, shop.worker, url=at, attempt=supervision.attempt
            ),
            url,
        )
        supervision.run(
            listener.hear,
            lambda outcome: self._answer(
                delivery, outcome, asked=supervision.cancelled is not None, url=supervision.view.url or url
            ),
        )

    @contextmanager
    def _claim(self, build_id: str) -> Iterator[None]:
        """Be the only one who works on a build. One that is at work already is ended first: the server handed the build
        out again, so it has given up on that attempt."""
        with self._changed:
            while build_id in self._claimed:
                if (earlier := self._running.get(build_id)) is not None and earlier.cancelled is None:
                    log.warning("delivered again while it runs", extra=event("build_fenced", build=build_id))
                    earlier.cancel("the Gearman server handed the build out again")
                self._changed.wait()
            self._claimed.add(build_id)
        try:
            yield
        finally:
            with self._changed:
                self._claimed.discard(build_id)
                self._running.pop(build_id, None)
                self._changed.notify_all()

    def _entry(self, delivery: Delivery, request: BuildRequest) -> BuildEntry:
        known = self._shop.stores.journal.build(request.id)
        if known is not None:
            return known
        return BuildEntry(request, delivery.function, delivery.arguments.decode("utf-8", "replace"))

    def _answer(self, delivery: Delivery, outcome: Outcome, *, asked: bool = False, url: str | None = None) -> bool:
        """``asked`` says that somebody wanted the build cancelled. One that ended all the same was hit by accident.
        ``url`` is where its page is or will be."""
        told = BuildLogger(log, build=outcome.build, attempt=outcome.attempt, job=outcome.job)
        words = f"{outcome.verdict.value}: {outcome.summary}"
        if outcome.verdict is Verdict.CANCELLED and (self._forced or not asked):
            answered = delivery.finish(self._retry(delivery, outcome.summary))
            told.info("%s", words, extra=event("build_returned"))
        else:
            answered = delivery.finish(zuul.final(outcome, self._shop.link.manager, url=url))
            told.info("%s", words, extra=event("build_ended" if answered else "build_unanswered"))
        return answered

    def _unable(self, delivery: Delivery, request: BuildRequest, error: InfrastructureError) -> None:
        self._shop.hearers.unable(str(error))
        found = Finding(error.code, Severity.UNVERIFIED, str(error))
        outcome = refusal(request, self._shop.worker, found)
        settle = self._shop.hearers.outcome(outcome)
        settle(self._answer(delivery, outcome))
