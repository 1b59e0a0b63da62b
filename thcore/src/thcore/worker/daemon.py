"""``thcore serve``: brings the parts up, waits for a signal, takes them down in order."""

from __future__ import annotations

import datetime
import fcntl
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import field, frozen

from thcore import __version__
from thcore.config.schema import Config
from thcore.errors import ExitCode, InfrastructureError, PluginError
from thcore.gearman import zuul
from thcore.gearman.link import Link, TlsFiles
from thcore.model import BuildEvent, Outcome, WorkerEvent, WorkerEventKind, WorkerInfo
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.worker import leftovers
from thcore.worker.journal import Journal
from thcore.worker.nursery import Nurseries
from thcore.worker.slots import Shop, Slots, describe, manager_name
from thcore.worker.ward import Start

log = logging.getLogger(__name__)

_IDLE = "idle"
"""What the drain puts among the stop requests once no build runs any more."""


@frozen(eq=False)
class Signals:
    """Stop requests, whoever makes them: a signal, or a thread that runs a worker inside another program."""

    requests: queue.SimpleQueue[str] = field(factory=queue.SimpleQueue)

    def wait(self, timeout_s: float | None = None) -> str | None:
        """The next request; None when there is none in time."""
        try:
            return self.requests.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stop(self, reason: str) -> None:
        """Ask the worker to stop; asking twice forces it."""
        self.requests.put(reason)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT ask. Only in the main thread."""

        def ask(number: int, _frame: object) -> None:
            self.stop(signal.Signals(number).name)

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    config: Config,
    signals: Signals,
    *,
    on_ready: Callable[[str], None] = lambda _name: None,
    on_build_event: Callable[[BuildEvent], None] = lambda _event: None,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> ExitCode:
    """Run a worker until it is told to stop.

    The first request drains: no new builds, those that run are finished (up to ``drain_timeout``). The second ends
    them; each is answered so that Zuul retries it.

    ``on_ready`` is told the manager name once builds can come; the others hear of every build, in its slot's thread.
    Raises ConfigError or InfrastructureError when the worker cannot start.
    """
    hostname = socket.gethostname()
    manager = manager_name(config.gearman.name, hostname)
    worker = WorkerInfo(name=manager, hostname=hostname, version=__version__)
    plugins = Plugins.installed(used_plugins(config))
    plans = make_plans(config, plugins)
    surroundings = Surroundings(plugins, worker, config.directories.state, config.secrets, config.kill_grace)
    work = config.directories.work_path
    with ExitStack() as stack:
        stack.enter_context(_claim(config.directories.state))
        journal = Journal(config.directories.state / "journal")
        journal.forget()
        leftovers.clear(journal, plans, surroundings, work)
        nursery = Nurseries(Start(config, worker), stock=config.slots)
        stack.callback(nursery.close)
        nursery.open()
        slots: list[Slots] = []  # the link wants its callback before the slots can exist
        link = Link(
            config.gearman.servers,
            manager,
            on_stop=lambda number: slots[0].stop(number) if slots else None,
            on_link=lambda server, up: _tell(plugins, _link_event(server, up=up)),
            tls=_tls(config),
        )
        stack.callback(link.close)
        branches = {job.name: job.default_branch for job in config.jobs}
        shop = Shop(
            link,
            nursery,
            journal,
            plans,
            branches,
            surroundings,
            manager,
            work,
            max_attempts=config.max_attempts,
            last_jobs=frozenset(job.name for job in config.jobs if job.shutdown_after),
            on_last_build=signals.stop,
            on_build_event=on_build_event,
            on_outcome=on_outcome,
        )
        slots.append(Slots(shop, config.slots))
        functions = [name for job in config.jobs for name in zuul.functions(job.name, job.nodes)]
        if not link.start(functions):
            log.warning("no Gearman server answers yet at %s; trying until one does", ", ".join(config.gearman.servers))
        slots[0].start()
        log.info("%s serves %d jobs with %d slots", describe(worker), len(plans), config.slots)
        _tell(plugins, _event(WorkerEventKind.STARTED))
        on_ready(manager)
        code = _until_stopped(signals, link, slots[0], config, plugins)
        _tell(plugins, _event(WorkerEventKind.STOPPED, code.name))
    return code


def _tls(config: Config) -> TlsFiles | None:
    files = config.gearman.tls
    return TlsFiles(files.ssl_key, files.ssl_cert, files.ssl_ca) if files else None


def _until_stopped(signals: Signals, link: Link, slots: Slots, config: Config, plugins: Plugins) -> ExitCode:
    reason = signals.wait()
    log.info("%s: no new builds; finishing %d that run", reason, len(slots.running()))
    _tell(plugins, _event(WorkerEventKind.DRAINING, reason or ""))
    link.drain()

    def wait_for_slots() -> None:
        slots.join()
        signals.stop(_IDLE)

    threading.Thread(target=wait_for_slots, name="drain", daemon=True).start()
    second = signals.wait(config.drain_timeout)
    if second == _IDLE:
        return ExitCode.SUCCESS
    why = "drain_timeout has passed" if second is None else f"{second} after {reason}"
    log.warning("stopping by force (%s): ending %d builds", why, len(slots.running()))
    slots.stop_all(f"the worker stops: {why}")
    slots.join(config.kill_grace * 2 + 10)
    return ExitCode.KILLED


@contextmanager
def _claim(state: Path) -> Iterator[None]:
    """Hold the state directory for this process: two workers in one would take each other's builds for leftovers."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        with (state / "lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise InfrastructureError(
                    f"another worker (process {owner}) uses the state directory {state};"
                    " stop it, or give this one its own directories.state"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
    except OSError as error:
        raise InfrastructureError(f"cannot use the state directory {state}: {error.strerror}") from error


def _event(kind: WorkerEventKind, detail: str = "") -> WorkerEvent:
    return WorkerEvent(kind, datetime.datetime.now(datetime.UTC), detail)


def _link_event(server: str, *, up: bool) -> WorkerEvent:
    log.info("Gearman server %s: %s", server, "connected" if up else "connection lost")
    return _event(WorkerEventKind.CONNECTED if up else WorkerEventKind.DISCONNECTED, server)


def _tell(plugins: Plugins, event: WorkerEvent) -> None:
    for name in plugins.implementing("thcore_worker_event"):
        try:
            plugins.worker_event(name, event)
        except PluginError as error:
            log.warning("%s", error)
