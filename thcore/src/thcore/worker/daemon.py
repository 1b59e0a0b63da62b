"""``thcore serve``: brings the parts up, heeds signals, takes the parts down in order."""

from __future__ import annotations

import datetime
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

from attrs import evolve, frozen

from thcore import __version__
from thcore.config.schema import Config
from thcore.errors import ConfigError, ExitCode, InfrastructureError, PluginError
from thcore.gearman.link import Link, TlsFiles
from thcore.model import BuildEvent, Outcome, WorkerEvent, WorkerEventKind, WorkerInfo
from thcore.worker import leftovers
from thcore.worker.claim import claimed
from thcore.worker.courier import Courier
from thcore.worker.evidence import Evidence
from thcore.worker.fitness import Fitness
from thcore.worker.generation import Generation
from thcore.worker.journal import Journal
from thcore.worker.nursery import Child
from thcore.worker.signals import RELOAD, Signals
from thcore.worker.slots import Hearers, Shop, Slots, describe
from thcore.worker.spool import Spool
from thcore.worker.supervise import Stores

log = logging.getLogger(__name__)

_IDLE = "idle"
"""What the drain puts among the requests once no build runs any more."""

_FIXED = ("gearman", "directories", "log")
"""Keys of the configuration that a running worker cannot change."""


@frozen(eq=False)
class Watchers:
    """Who wants to hear of a worker. ``ready`` is told the manager name once builds can come; the others hear of every
    build, in its slot's thread."""

    ready: Callable[[str], None] = lambda _name: None
    build_event: Callable[[BuildEvent], None] = lambda _event: None
    outcome: Callable[[Outcome], None] = lambda _outcome: None


def serve(
    config: Config,
    signals: Signals,
    *,
    read_again: Callable[[], Config] | None = None,
    watchers: Watchers = Watchers(),
) -> ExitCode:
    """Run a worker until it is told to stop.

    The first request drains: no new builds, those that run are finished (up to ``drain_timeout``). The second ends
    them; each is answered so that Zuul retries it. ``read_again`` reads the configuration once more, for SIGHUP.

    Raises ConfigError or InfrastructureError when the worker cannot start.
    """
    hostname = socket.gethostname()
    worker = WorkerInfo(manager_name(config.gearman.name, hostname), hostname, __version__)
    generation = Generation.made(config, worker)
    with ExitStack() as stack:
        stack.enter_context(claimed(config.directories.state))
        daemon = Daemon(generation, worker, signals, watchers, stack)
        daemon.up()
        return daemon.run(read_again)


class Daemon:
    """A worker that is up. Its parts are taken down by ``stack``, the last one first."""

    def __init__(
        self, generation: Generation, worker: WorkerInfo, signals: Signals, watchers: Watchers, stack: ExitStack
    ) -> None:
        config = generation.config
        state = config.directories.state
        self.generation = generation
        self.worker = worker
        self.stores = Stores(
            config.directories.work_path,
            Journal(state / "journal"),
            Evidence(state / "evidence"),
            Spool(state / "spool"),
        )
        self._signals = signals
        self._watchers = watchers
        self._stack = stack
        self._tls = config.gearman.tls
        self.link = Link(
            config.gearman.servers,
            worker.name,
            on_stop=self._end_build,
            on_link=self._link_changed,
            tls=TlsFiles(self._tls.ssl_key, self._tls.ssl_cert, self._tls.ssl_ca) if self._tls else None,
        )
        self.courier = Courier(
            self.stores.spool,
            lambda: self.generation.plans,
            self._child,
            config.kill_grace,
        )
        self.fitness = Fitness(self.stores, lambda: self.generation, self._fitness_changed)
        hearers = Hearers(
            build_event=watchers.build_event,
            outcome=self._outcome_told,
            unable=lambda _reason: self.fitness.look(),
            last_build=signals.stop,
        )
        self.slots = Slots(
            Shop(self.link, self.stores, worker, lambda: self.generation, hearers),
            config.slots,
        )

    def up(self) -> None:
        """Clean up after an earlier worker, then offer the jobs. Raises InfrastructureError."""
        generation = self.generation
        self._stack.callback(self._retire)
        self.stores.journal.forget()
        self.stores.evidence.forget(frozenset(entry.request.id for entry in self.stores.journal.builds()))
        leftovers.clear(self.stores, generation)
        generation.nursery.open()
        self._stack.callback(self.link.close)
        self._stack.callback(self.courier.close)
        self._stack.callback(self.fitness.close)
        self.courier.start()
        if not self.link.start(generation.functions):
            servers = ", ".join(generation.config.gearman.servers)
            log.warning("no Gearman server answers yet at %s; trying until one does", servers)
        self.fitness.start()
        self.slots.start()
        log.info("%s serves %d jobs with %d slots", describe(self.worker), len(generation.plans), self.slots.count)
        self._tell(WorkerEventKind.STARTED)
        self._watchers.ready(self.worker.name)

    def run(self, read_again: Callable[[], Config] | None) -> ExitCode:
        """Heed requests until one to stop is carried out."""
        while (request := self._signals.wait()) == RELOAD:
            self.reload(read_again)
        code = self._stop(request or "")
        self._tell(WorkerEventKind.STOPPED, code.name)
        return code

    def reload(self, read_again: Callable[[], Config] | None) -> None:
        """Take a new configuration for new builds; keep the old one when the new one is no good."""
        if read_again is None:
            return
        old = self.generation
        try:
            config = read_again()
            new = Generation.made(_with_fixed(config, old.config), self.worker)
            try:
                new.nursery.open()
                self.link.offer(new.functions)
            except BaseException:
                new.retire()
                raise
        except (ConfigError, InfrastructureError) as error:
            for problem in str(error).splitlines():
                log.error("the configuration stays as it was: %s", problem)
            self._tell(WorkerEventKind.PROBLEM, f"the configuration stays as it was: {error}")
            return
        self.generation = new
        old.retire()
        self.slots.resize(new.config.slots)
        self.courier.hurry()
        log.info("configuration read again: %d jobs, %d slots", len(new.plans), self.slots.count)

    def _stop(self, reason: str) -> ExitCode:
        config = self.generation.config
        log.info("%s: no new builds; finishing %d that run", reason, len(self.slots.running()))
        self._tell(WorkerEventKind.DRAINING, reason)
        self.link.drain()

        def wait_for_slots() -> None:
            self.slots.join()
            self._signals.stop(_IDLE)

        threading.Thread(target=wait_for_slots, name="drain", daemon=True).start()
        while (second := self._signals.wait(config.drain_timeout)) == RELOAD:
            pass
        if second == _IDLE:
            return ExitCode.SUCCESS
        why = "drain_timeout has passed" if second is None else f"{second} after {reason}"
        log.warning("stopping by force (%s): ending %d builds", why, len(self.slots.running()))
        self.slots.stop_all(f"the worker stops: {why}")
        self.slots.join(config.kill_grace * 2 + 10)
        return ExitCode.KILLED

    # The generation and the slots are others, or not there yet, when these are handed out.

    def _child(self) -> Child:
        return self.generation.nursery.child()

    def _retire(self) -> None:
        self.generation.retire()

    def _end_build(self, build_id: str) -> None:
        self.slots.stop(build_id)

    def _outcome_told(self, outcome: Outcome, _answered: bool) -> None:
        self._watchers.outcome(outcome)

    def _fitness_changed(self, problems: tuple[str, ...]) -> None:
        if problems:
            for problem in problems:
                log.error("no builds are taken: %s", problem)
            self.link.pause("; ".join(problems))
            self._tell(WorkerEventKind.PROBLEM, "; ".join(problems))
        else:
            log.info("builds are taken again")
            self.link.resume()
            self.courier.hurry()

    def _link_changed(self, server: str, up: bool) -> None:
        log.info("Gearman server %s: %s", server, "connected" if up else "connection lost")
        self._tell(WorkerEventKind.CONNECTED if up else WorkerEventKind.DISCONNECTED, server)

    def _tell(self, kind: WorkerEventKind, detail: str = "") -> None:
        event = WorkerEvent(kind, datetime.datetime.now(datetime.UTC), detail)
        plugins = self.generation.surroundings.plugins
        for name in plugins.implementing("thcore_worker_event"):
            try:
                plugins.worker_event(name, event)
            except PluginError as error:
                log.warning("%s", error)


def _with_fixed(config: Config, old: Config) -> Config:
    """The new configuration with what cannot change while the worker runs."""
    changed = [key for key in _FIXED if getattr(config, key) != getattr(old, key)]
    if changed:
        log.warning("%s: a change takes a restart; the old values stay", ", ".join(changed))
    return evolve(config, **{key: getattr(old, key) for key in _FIXED})


def manager_name(configured: str | None, hostname: str) -> str:
    """The name that Zuul sends ``stop:`` jobs to: unique per process on a host, the same after a restart."""
    return configured or f"{hostname}-{os.getuid()}"
