"""The worker's link to Gearman: builds over one connection, Zuul's stop jobs over another.

A stop must get through while every slot is busy, so it has a connection and a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

import gear

from thcore.errors import ConfigError
from thcore.gearman import zuul
from thcore.gearman.address import TlsFiles, parse_address
from thcore.gearman.delivery import Delivery
from thcore.gearman.listener import Listener

__all__ = ["Delivery", "Link", "TlsFiles"]

log = logging.getLogger(__name__)

CONNECT_WAIT_S = 5.0
DRAIN_TIMEOUT_S = 10.0


class Link:
    """What the worker has to do with Gearman.

    ``servers`` are ``host:port``. ``manager`` is the name that Zuul sends stop jobs to: unique per process, the same
    after a restart. ``on_stop`` is called with the number (the unique id) of a build that Zuul wants ended; builds that
    are over or unknown are named too. ``on_link`` is told which server's build connection came up (True) or was lost
    (False). Both are called in threads of the link: they must be quick and must not call the link's own methods.

    Raises ConfigError for a server that is no address.
    """

    def __init__(
        self,
        servers: Sequence[str],
        manager: str,
        *,
        on_stop: Callable[[str], None],
        on_link: Callable[[str, bool], None] | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self.manager = manager
        self._servers = tuple(dict.fromkeys(parse_address(server) for server in servers))
        if not self._servers:
            raise ConfigError("no Gearman server is configured; set gearman.servers, for example [127.0.0.1:4730]")
        self._tls = tls
        self._on_stop = on_stop
        self._on_link = on_link
        self._functions: tuple[str, ...] = ()
        self._builds: Listener | None = None
        self._control: Listener | None = None
        self._control_thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._draining = False
        self._closed = False
        self._takers = 0
        self._open = 0

    @property
    def registered(self) -> tuple[str, ...]:
        """The build functions that are offered; none any more once everything is drained."""
        return self._functions

    def connected(self) -> bool:
        """Builds and stop jobs can both get through, from at least one server each."""
        builds, control = self._builds, self._control
        return builds is not None and control is not None and builds.connected() and control.connected()

    def start(self, functions: Sequence[str], *, wait_s: float = CONNECT_WAIT_S) -> bool:
        """Offer ``functions`` (see ``zuul.functions``), and answer stop jobs from now on.

        Waits up to ``wait_s`` seconds for a connection. Returns whether there is one; without one it goes on trying.
        """
        if self._builds is not None or self._closed:
            raise RuntimeError("a link is started once")
        deadline = time.monotonic() + wait_s
        self._functions = tuple(dict.fromkeys(functions))
        # gearmand looks through the functions of a connection from the last one registered: stop comes first.
        control = (f"set_description:{self.manager}", f"{zuul.STOP}{self.manager}")
        self._control = Listener(f"{self.manager} control", control, self._servers, self._tls)
        self._control_thread = threading.Thread(target=self._serve_control, name="Gearman stop jobs", daemon=True)
        self._control_thread.start()
        # A build that can be started must also be one that can be stopped.
        self._control.wait_connected(wait_s)
        self._builds = Listener(self.manager, self._functions, self._servers, self._tls, self._on_link)
        return self._builds.wait_connected(max(0.0, deadline - time.monotonic())) and self.connected()

    def take(self) -> Delivery | None:
        """Wait for a build. None: no more will come, the link is drained or closed.

        As many builds are asked for as threads wait here, so call it only from a free slot, never from the main thread.
        """
        with self._changed:
            builds = self._builds
            if self._draining or builds is None:
                return None
            self._takers += 1
        try:
            delivery = self._wait(builds)
            if delivery is not None and self._draining:
                job = zuul.job_name(delivery.function)
                delivery.finish(zuul.retry(delivery.unique, job, self.manager, None, "the worker is stopping"))
                return None
            return delivery
        finally:
            with self._changed:
                self._takers -= 1
                self._changed.notify_all()

    def drain(self) -> None:
        """Take no more builds. Those that are running go on; their deliveries can still be answered.

        Every waiting ``take`` returns None. A build that was assigned in this moment is handed back for a retry. The
        functions are withdrawn when the last running build has been answered, not before: gearmand would give a running
        build of a withdrawn function to the next worker.
        """
        with self._changed:
            self._draining = True
            builds = self._builds
        if builds is None:
            return
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while time.monotonic() < deadline:
            with self._changed:
                waiting = self._takers
            builds.release(waiting)
            with self._changed:
                # Again and again: a thread may have passed the check in take, and not wait yet.
                if self._changed.wait_for(lambda: self._takers == 0, 0.05):
                    break
        self._withdraw_when_idle()

    def close(self) -> None:
        """Drain, then close both connections. Deliveries that are not answered are lost: gearmand hands their builds to
        other workers, Zuul's own server has Zuul retry them. A second call does nothing."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
        self.drain()
        closers = [
            threading.Thread(target=listener.close, name="Gearman close", daemon=True)
            for listener in (self._builds, self._control)
            if listener is not None
        ]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
        if self._control_thread is not None:
            self._control_thread.join(1.0)

    def abandon(self) -> None:
        """For a forked child, first of all: let go of the connections without ending them.

        Else they would outlive a parent that is killed, and the server would go on to wait for its builds. Afterwards
        the child must not use the link or any delivery.
        """
        for listener in (self._builds, self._control):
            if listener is not None:
                listener.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _wait(self, builds: Listener) -> Delivery | None:
        try:
            delivery = builds.take()
        except gear.InterruptedError:
            return None
        with self._changed:
            self._open += 1
        delivery.on_end(self._ended)
        return delivery

    def _ended(self) -> None:
        with self._changed:
            self._open -= 1
        if self._draining and not self._closed:
            self._withdraw_when_idle()

    def _withdraw_when_idle(self) -> None:
        with self._changed:
            if self._open or self._takers or self._builds is None or not self._functions:
                return
            self._functions = ()
        self._builds.withdraw()

    def _serve_control(self) -> None:
        control = self._control
        while control is not None:
            try:
                delivery = control.take()
            except gear.InterruptedError:
                return
            # At once, whatever it says: Zuul waits for no more than that, and keeps a record of what is not answered.
            delivery.complete()
            if delivery.function.startswith(zuul.STOP):
                self._stop(delivery)

    def _stop(self, delivery: Delivery) -> None:
        number = zuul.parse_stop(delivery.arguments)
        if number is None:
            log.warning("a stop job names no build; ignored")
            return
        try:
            self._on_stop(number)
        except Exception:  # the next stop must still get through
            log.exception("stopping build %s failed", number)
