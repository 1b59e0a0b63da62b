"""The worker's link to Gearman: builds over one connection, Zuul's stop jobs over another.

A stop must get through while every slot is busy, so it has a connection and a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from thcore.errors import ConfigError
from thcore.gearman import zuul
from thcore.gearman.address import TlsFiles, parse_address
from thcore.gearman.delivery import Delivery
from thcore.gearman.dial import SILENCE_S, Dial
from thcore.gearman.listener import Listener, ask_all
from thcore.gearman.server import ServerState

__all__ = ["Delivery", "Link", "ServerState", "TlsFiles"]

log = logging.getLogger(__name__)

CONNECT_WAIT_S = 5.0
DRAIN_TIMEOUT_S = 10.0
CHECK_TIMEOUT_S = 5.0


class Link:
    """What the worker has to do with Gearman.

    ``servers`` are ``host:port``. ``manager`` is the name that Zuul sends stop jobs to: unique per process, the same
    after a restart. ``on_stop`` is called with the number (the unique id) of a build that Zuul wants ended; builds that
    are over or unknown are named too. ``on_link`` is told which server's build connection came up (True) or was lost
    (False). Both are called in threads of the link: they must be quick and must not call the link's own methods.

    With ``tls`` not a byte is sent in plain text. A server that has not answered anything for ``silence_s`` seconds is
    given up: its connection is closed, and its builds are lost.

    Any thread may call any method at any time. Raises ConfigError for a server that is no address.
    """

    def __init__(
        self,
        servers: Sequence[str],
        manager: str,
        *,
        on_stop: Callable[[str], None],
        on_link: Callable[[str, bool], None] | None = None,
        tls: TlsFiles | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.manager = manager
        addresses = dict.fromkeys(parse_address(server) for server in servers)
        if not addresses:
            raise ConfigError("no Gearman server is configured; set gearman.servers, for example [127.0.0.1:4730]")
        dials = tuple(Dial(address, tls, silence_s) for address in addresses)
        self._builds = Listener(manager, dials, hand_back=self._hand_back, on_link=on_link)
        self._control = Listener(f"{manager} control", dials, hand_back=_complete)
        self._control_thread = threading.Thread(target=self._serve_control, name="Gearman stop jobs", daemon=True)
        self._on_stop = on_stop
        self._started = False

    @property
    def registered(self) -> tuple[str, ...]:
        """The build functions that are offered, or still are because a build of them runs."""
        return self._builds.desk.registered

    @property
    def paused(self) -> str | None:
        """Why no builds are taken at the moment; None when they are, or when the link is drained."""
        return self._builds.desk.paused

    def connected(self) -> bool:
        """Builds and stop jobs can both get through, from at least one server each."""
        return self._builds.connected() and self._control.connected()

    def servers(self) -> tuple[ServerState, ...]:
        """How it stands with each server. One is connected when builds and stop jobs can both get through."""
        return tuple(a.joined(b) for a, b in zip(self._builds.states, self._control.states, strict=True))

    def check_registered(self, timeout_s: float = CHECK_TIMEOUT_S) -> tuple[str, ...]:
        """Ask every server that is connected whether it knows our functions, once each.

        What is wrong, in words: a server that does not list a function, lists it more than once, or does not answer in
        time. Nothing wrong is said of a server that is not connected, see ``servers``. It waits for the answers, for
        ``timeout_s`` seconds at most.
        """
        return ask_all((*self._builds.servers, *self._control.servers), timeout_s)

    def start(self, functions: Sequence[str], *, wait_s: float = CONNECT_WAIT_S) -> bool:
        """Offer ``functions`` (see ``zuul.functions``), and answer stop jobs from now on.

        Waits up to ``wait_s`` seconds for a connection. Returns whether there is one; without one it goes on trying.
        """
        if self._started:
            raise RuntimeError("a link is started once")
        self._started = True
        deadline = time.monotonic() + wait_s
        # gearmand looks through the functions of a connection from the last one registered: stop comes first.
        self._control.start((f"set_description:{self.manager}", f"{zuul.STOP}{self.manager}"))
        self._control_thread.start()
        # A build that can be started must also be one that can be stopped.
        self._control.desk.wait_opened(wait_s)
        self._builds.start(functions)
        return self._builds.desk.wait_opened(max(0.0, deadline - time.monotonic())) and self.connected()

    def offer(self, functions: Sequence[str]) -> None:
        """Offer these functions instead of those before; what stays is not touched.

        One that is gone is withdrawn from a server when its last build there has been answered, not before: gearmand
        would give a running build of a withdrawn function to the next worker.
        """
        self._builds.desk.offer(functions)

    def take(self, wanted: Callable[[], bool] = lambda: True) -> Delivery | None:
        """Wait for a build. None: the link is drained or closed, or none is ``wanted`` here any more.

        As many builds are asked for as threads wait here, so call it from a free slot only. ``wanted`` is asked again
        after ``ask_wanted``; it must be quick.
        """
        return self._builds.desk.take(wanted)

    def ask_wanted(self) -> None:
        """Have every thread that waits in ``take`` look whether a build is still wanted there."""
        self._builds.desk.ask_wanted()

    def pause(self, reason: str) -> None:
        """Take no builds until ``resume``. Threads in ``take`` wait on; the functions are withdrawn as by ``offer``.

        A build that is assigned in this moment is handed back for a retry, with ``reason``. Pausing again changes the
        reason.
        """
        self._builds.desk.pause(reason)

    def resume(self) -> None:
        """Take builds again, if they are not taken already. A drained link stays drained."""
        self._builds.desk.resume()

    def drain(self) -> None:
        """Take no more builds. Those that are running go on; their deliveries can still be answered.

        Every waiting ``take`` returns None. A build that was assigned in this moment is handed back for a retry. The
        functions are withdrawn as by ``offer``.
        """
        self._builds.desk.drain(DRAIN_TIMEOUT_S)

    def close(self) -> None:
        """Drain, then close both connections. Deliveries that are not answered are lost: gearmand hands their builds to
        other workers, Zuul's own server has Zuul retry them. A second call does nothing."""
        self.drain()
        self._builds.close()
        self._control.desk.drain(0.0)
        self._control.close()
        if self._control_thread.ident is not None:
            self._control_thread.join(1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _hand_back(self, delivery: Delivery) -> None:
        job = zuul.job_name(delivery.function)
        reason = self.paused or "the worker is stopping"
        delivery.finish(zuul.retry(delivery.unique, job, self.manager, None, reason))

    def _serve_control(self) -> None:
        while (delivery := self._control.desk.take(lambda: True)) is not None:
            # At once, whatever it says: Zuul waits for no more than that, and keeps a record of what is not answered.
            delivery.complete()
            if delivery.function.startswith(zuul.STOP):
                self._stop(delivery)

    def _stop(self, delivery: Delivery) -> None:
        number = zuul.parse_stop(delivery.arguments)
        if number is None:
            log.warning("a stop job names no build; ignored", extra={"action": "stop_ignored"})
            return
        try:
            self._on_stop(number)
        except Exception:  # the next stop must still get through
            log.exception("stopping build %s failed", number)


def _complete(delivery: Delivery) -> None:
    delivery.complete()
