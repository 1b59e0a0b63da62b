"""``thcore serve``: brings the parts up, heeds signals, takes the parts down in order."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from attrs import frozen

from thcore import __version__
from thcore.config.schema import Config
from thcore.errors import ConfigError, ExitCode, InfrastructureError
from thcore.gearman.link import Link, TlsFiles
from thcore.model import Answered, BuildEvent, Outcome, WorkerEventKind, WorkerInfo
from thcore.monitoring import door, server
from thcore.monitoring.action import event
from thcore.monitoring.notify import Notifier
from thcore.monitoring.server import Server
from thcore.monitoring.status import Phase
from thcore.monitoring.web import App
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins, look_again
from thcore.worker import leftovers
from thcore.worker.board import Board
from thcore.worker.chronicle import Chronicle
from thcore.worker.claim import claimed
from thcore.worker.courier import Courier
from thcore.worker.evidence import Evidence
from thcore.worker.fitness import Fitness
from thcore.worker.generation import Generation
from thcore.worker.herald import Herald
from thcore.worker.journal import Journal
from thcore.worker.main_loop import MainLoop
from thcore.worker.roll_call import RollCall
from thcore.worker.signals import Signals
from thcore.worker.slots import Hearers, Shop, Slots
from thcore.worker.spool import Spool, Spooled
from thcore.worker.supervise import Stores

log = logging.getLogger(__name__)

_IDLE = "idle"
"""What the drain puts among the requests once no build runs any more."""


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
    notifier: Notifier | None = None,
) -> ExitCode:
    """Run a worker until it is told to stop.

    The first request drains: no new builds, those that run are finished (up to ``drain_timeout``). The second ends
    them; each is answered so that Zuul retries it. ``read_again`` reads the configuration once more, for SIGHUP.
    ``notifier`` tells systemd; made by the main program, before anything else is started.

    Raises ConfigError or InfrastructureError when the worker cannot start.
    """
    hostname = socket.gethostname()
    worker = WorkerInfo(manager_name(config.gearman.name, hostname), hostname, __version__)
    with ExitStack() as stack:
        stack.enter_context(claimed(config.directories.state))
        generation = Generation.made(config, worker)
        stack.callback(generation.retire)
        daemon = Daemon(generation, worker, signals, watchers, notifier or Notifier(), stack)
        daemon.up()
        return daemon.run(read_again)


class Daemon:
    """A worker that is up. Its parts are taken down by ``stack``, the last one first."""

    def __init__(
        self,
        generation: Generation,
        worker: WorkerInfo,
        signals: Signals,
        watchers: Watchers,
        notifier: Notifier,
        stack: ExitStack,
    ) -> None:
        config = generation.config
        state = config.directories.state
        self.generation = generation
        self.worker = worker
        self.stores = Stores(
            config.directories.work_path, Journal.of(state), Evidence.below(state), Spool(state / "spool")
        )
        self._loop = MainLoop(signals, notifier)
        self._herald = Herald(self._generation)
        self._lost: set[str] = set()
        self._signals = signals
        self._watchers = watchers
        self._notifier = notifier
        self._stack = stack
        self.link = Link(
            config.gearman.servers,
            worker.name,
            on_stop=self._end_build,
            on_link=self._link_changed,
            tls=TlsFiles.of(config.gearman.tls),
            silence_s=config.gearman.silence,
        )
        self.chronicle = Chronicle(config)
        self.courier = Courier(self.stores.spool, self._generation, config.kill_grace, self._published_later)
        self.fitness = Fitness(self.stores, self._generation, self._fitness_changed)
        # Several times before a silent server is given up.
        self.roll_call = RollCall(self.link, every_s=config.gearman.silence / 3)
        hearers = Hearers(
            build_event=self._build_event,
            outcome=self._outcome_told,
            refused=self._refused,
            unable=self._unable,
            last_build=signals.finish,
        )
        self.slots = Slots(Shop(self.link, self.stores, worker, self._generation, hearers), config.slots)
        self.board = Board(self)
        self.board.metrics.expect(generation.plans, config.gearman.servers)

    def up(self) -> None:
        """Clean up after an earlier worker, then offer the jobs. Raises InfrastructureError."""
        generation, config = self.generation, self.generation.config
        self._stack.callback(self._retire)
        self._stack.callback(self._herald.close)
        self._herald.start()
        self._stack.callback(self.chronicle.close)
        self.chronicle.start()
        self._open_doors(config)
        self.stores.journal.tidy()
        for outcome in leftovers.clear(self.stores, generation):
            self.chronicle.record(outcome, answered=Answered.UNKNOWN)
        generation.nursery.open()
        self._stack.callback(self.link.close)
        for part in (self.courier, self.fitness, self.roll_call):
            self._stack.callback(part.close)
        self.courier.start()
        self.fitness.start()
        if not self.link.start(generation.functions):
            servers = ", ".join(config.gearman.servers)
            log.warning("no Gearman server answers yet at %s; trying until one does", servers, extra=event("link_lost"))
        self.roll_call.start()
        self.slots.start()
        self.board.enter(Phase.SERVING)
        told = f"thcore {__version__} as {self.worker.name}: {generation.extent}"
        log.info("%s", told, extra=event("worker_started"))
        self._herald.tell(WorkerEventKind.STARTED)
        self._notifier.ready(generation.extent)
        self._watchers.ready(self.worker.name)

    def run(self, read_again: Callable[[], Config] | None) -> ExitCode:
        """Heed requests until one to stop is carried out."""
        while (request := self._loop.next_request(math.inf)) is not None and request.reload:
            if read_again is not None:
                self._loop.do(lambda: self.reload(read_again))
        reason = request.reason if request else ""
        self._notifier.stopping(f"{reason}: finishing the builds that run")
        code = self._stop(reason)
        log.info("%s", code.name, extra=event("worker_stopped"))
        self._herald.tell(WorkerEventKind.STOPPED, code.name)
        return code

    def reload(self, read_again: Callable[[], Config]) -> None:
        """Take a new configuration, and plugins that are new, for new builds; keep the old one when it is no good."""
        old = self.generation
        self._notifier.reloading()
        try:
            look_again()
            new = old.successor(read_again())
        except Exception as error:  # whatever is wrong with the new one, builds go on with the old one
            for problem in str(error).splitlines() or [type(error).__name__]:
                log.error("%s", problem, extra=event("config_rejected"))
            if not isinstance(error, ConfigError | InfrastructureError):
                log.exception("the configuration could not be taken", extra=event("worker_faulty"))
            self._herald.tell(WorkerEventKind.PROBLEM, f"the configuration stays as it was: {error}")
            self._notifier.ready("the new configuration cannot be used; the old one stays")
            self.board.read(taken=False)
            return
        self.generation = new
        self.link.offer(new.functions)
        old.retire()
        self.slots.resize(new.config.slots)
        self.board.metrics.expect(new.plans, new.config.gearman.servers)
        self.courier.hurry()
        self.fitness.look()
        log.info("%s", new.extent, extra=event("config_reloaded"))
        self._notifier.ready(new.extent)
        self.board.read(taken=True)

    def _open_doors(self, config: Config) -> None:
        """Let the worker be seen from now on."""
        app = App(self.board.status, self._loop.pulse.alive, self.board.metrics)
        state = config.directories.state
        self._stack.enter_context(Server(app, door.listen(state)))
        self._stack.callback(door.remove, state)
        if config.web.listen is not None:
            self._stack.enter_context(Server(app, server.listen(config.web)))

    def _stop(self, reason: str) -> ExitCode:
        config = self.generation.config
        self.board.enter(Phase.DRAINING)
        running = len(self.slots.running())
        log.info("%s: no new builds; finishing %d that run", reason, running, extra=event("worker_draining"))
        self._herald.tell(WorkerEventKind.DRAINING, reason)

        def drain() -> None:
            self.link.drain()
            self.slots.join()
            self._signals.stop(_IDLE)

        threading.Thread(target=drain, name="drain", daemon=True).start()
        horizon = time.monotonic() + config.drain_timeout
        while (second := self._loop.next_request(horizon)) is not None and (second.reload or not second.insists):
            pass
        if second is not None and second.reason == _IDLE:
            return ExitCode.SUCCESS
        why = "drain_timeout has passed" if second is None else f"{second.reason} after {reason}"
        self.board.enter(Phase.STOPPING)
        log.warning("%s: ending %d builds", why, len(self.slots.running()), extra=event("worker_forced"))
        self.slots.stop_all(f"the worker stops: {why}")
        self.slots.join(config.kill_grace * 2 + 10)
        return ExitCode.KILLED

    # What the parts are given: the generation and the slots are others later, or not there yet.

    def _generation(self) -> Generation:
        return self.generation

    def _retire(self) -> None:
        self.generation.retire()

    def _end_build(self, build_id: str) -> None:
        self.slots.stop(build_id)

    def _build_event(self, plugins: Plugins, plan: Plan, news: BuildEvent) -> None:
        self._watchers.build_event(news)
        self._herald.tell_build(plugins, plan, news)

    def _outcome_told(self, outcome: Outcome) -> Callable[[bool], None]:
        # Before Zuul is answered: a worker that dies in between has told its history.
        waiting = self.chronicle.keep(outcome)

        def settle(answered: bool) -> None:
            self.chronicle.settle(waiting, Answered.YES if answered else Answered.NO)
            self.board.ended(outcome)
            self._watchers.outcome(outcome)

        return settle

    def _published_later(self, entry: Spooled, outcome: Outcome) -> None:
        self.chronicle.record(outcome, answered=Answered.UNKNOWN if entry.lost else Answered.YES)

    def _refused(self, result: str) -> None:
        self.board.refused(result)

    def _unable(self, _reason: str) -> None:
        self.fitness.look()

    def _fitness_changed(self, problems: tuple[str, ...]) -> None:
        if problems:
            for problem in problems:
                log.error("no builds are taken: %s", problem, extra=event("worker_paused"))
            self.link.pause("; ".join(problems))
            self._notifier.status(f"paused: {'; '.join(problems)}")
            self._herald.tell(WorkerEventKind.PROBLEM, "; ".join(problems))
        else:
            log.info("builds are taken again", extra=event("worker_resumed"))
            self.link.resume()
            self._notifier.status("builds are taken again")
            self.courier.hurry()

    def _link_changed(self, address: str, up: bool) -> None:
        if up:
            log.info("%s: connected", address, extra=event("link_up", server=address))
            if address in self._lost:
                self.board.metrics.reconnected(address)
        else:
            self._lost.add(address)
            log.warning("%s: the connection is lost", address, extra=event("link_lost", server=address))
        self._herald.tell(WorkerEventKind.CONNECTED if up else WorkerEventKind.DISCONNECTED, address)


def manager_name(configured: str | None, hostname: str) -> str:
    """The name that Zuul sends ``stop:`` jobs to: unique per process on a host, the same after a restart."""
    return configured or f"{hostname}-{os.getuid()}"
