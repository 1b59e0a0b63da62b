"""A gear worker that does not wait 40 ms per packet, knows which jobs a lost connection takes along, and backs off."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import gear

from thcore.gearman.address import Address, TlsFiles
from thcore.gearman.delivery import Delivery, Line

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 15.0
STABLE_S = 10.0
"""A connection that lived this long ends a row of failures."""
CLOSE_TIMEOUT_S = 5.0

# gear formats and logs every packet at INFO; a connection that fails is reported by us.
logging.getLogger("gear").setLevel(logging.WARNING)


class _AssignedJob(gear.TextWorkerJob):  # type: ignore[misc]  # gear ships no types
    """Remembers the line that it was assigned on: gear's Connection outlives it."""

    line: Line | None = None

    @property
    def connection(self) -> Any:
        return self._connection

    @connection.setter
    def connection(self, connection: Any) -> None:
        self._connection = connection
        self.line = None if connection is None else connection.line


class Listener(gear.TextWorker):  # type: ignore[misc]  # gear ships no types
    """A worker connected to every server, with a fixed set of functions that is registered once per connection.

    ``on_link`` is told, in one of gear's threads, when a server is connected and when it is lost.
    """

    job_class = _AssignedJob

    def __init__(
        self,
        name: str,
        functions: Sequence[str],
        servers: Sequence[Address],
        tls: TlsFiles | None,
        on_link: Callable[[str, bool], None] | None = None,
    ) -> None:
        # gear starts its threads in its own __init__: what they use must be there before.
        self._closing = threading.Event()
        self._on_link = on_link
        super().__init__(name)
        for function in functions:
            # Before any server is there: gear loses or doubles a registration that meets a connect half way.
            self.registerFunction(function)
        tls_arguments = tls.as_arguments() if tls else {}
        for server in servers:
            self.addServer(
                server.host,
                server.port,
                keepalive=True,
                tcp_keepidle=60,
                tcp_keepintvl=20,
                tcp_keepcnt=3,
                **tls_arguments,
            )

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait for a first connection. Returns whether there is one."""
        with contextlib.suppress(gear.TimeoutError):
            self.waitForServer(timeout_s)
        return self.connected()

    def connected(self) -> bool:
        """At least one server is connected."""
        return bool(self.active_connections)

    def take(self) -> Delivery:
        """Wait for a job. Raises gear.InterruptedError when the waiting is ended. Not for the main thread: a signal
        handler that raises would leave gear's count of waiting threads wrong."""
        while True:
            job = self.getJob()
            with self.job_lock:
                # It may have been meant for another thread, which waits on then, and gear would ask for no more jobs.
                self._updateStateMachines()
            delivery = Delivery(job, job.line)
            if not delivery.lost.is_set():
                return delivery

    def release(self, threads: int) -> None:
        """End the waiting of ``threads`` threads in ``take``. Only when none will begin to wait any more.

        gear wakes as many as it has counted, but a thread that begins to wait in that moment swallows the mark of
        another one and waits on, uncounted.
        """
        self.stopWaitingForJobs()
        with self.job_lock:
            for _ in range(threads):
                self.job_queue.put(None)

    def withdraw(self) -> None:
        """Take back all functions. Only when no job is being worked on: gearmand gives a running job of a function
        that is taken back to the next worker."""
        with self.broadcast_lock:  # gear walks through the functions with this lock when it connects
            self.setFunctions([])

    def close(self) -> None:
        """Close all connections. Every delivery that is not answered is lost."""
        if not self.running:
            return
        # While a host does not answer the connect, gear cannot be stopped; its threads are daemons.
        closer = threading.Thread(target=self._close, name="Gearman close", daemon=True)
        closer.start()
        closer.join(CLOSE_TIMEOUT_S)
        if closer.is_alive():
            log.warning("a Gearman connection does not close; it is left behind")

    def abandon(self) -> None:
        """Close the inherited descriptors in a forked child, leaving the parent's connections as they are."""
        for conn in (*self.active_connections, *self.inactive_connections):
            if conn.conn is not None and conn.conn.fileno() >= 0:
                os.close(conn.conn.detach())
        os.close(self.wake_read)
        os.close(self.wake_write)

    def _close(self) -> None:
        self.stopWaitingForJobs()  # while the poll thread still lives to see the answer to a GRAB_JOB
        self.shutdown()

    def handleError(self, packet: Any) -> None:  # noqa: N802 -- gear's name
        """Keep the connection, with all the other builds on it, when the server does not know one job any more."""
        code, _, text = bytes(packet.data).decode("utf-8", "replace").partition("\0")
        log.warning("the Gearman server answered %s: %s", code, text)
        if code != "JOB_NOT_FOUND":
            self._lostConnection(packet.connection)

    def _doConnectLoop(self) -> None:  # noqa: N802 -- gear's name
        """gear's own loop tries every 2 s for ever; workers would all come back in step after an outage."""
        pause_s = FIRST_PAUSE_S
        while self.running:
            with self.connections_condition:
                while self.running and not self.inactive_connections:
                    self.connections_condition.wait()
            began = time.monotonic()
            try:
                connected = self.running and self._connectLoop()
            except Exception:  # the thread must live, whatever gear or the resolver raises
                log.exception("connecting to the Gearman server failed")
                connected = False
            pause_s = self._pause(pause_s, connected=connected, began=began)

    def _pause(self, pause_s: float, *, connected: bool, began: float) -> float:
        """Wait before the next try, unless what is connected stays so. Returns the pause to make next time."""
        if connected:
            with self.connections_condition:
                self.connections_condition.wait_for(lambda: self.inactive_connections or not self.running, STABLE_S)
                if not self.inactive_connections or time.monotonic() - began >= STABLE_S:
                    return FIRST_PAUSE_S
        self._closing.wait(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 -- no secret, only spread in time
        return min(pause_s * 2, LONGEST_PAUSE_S)

    def _onConnect(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        # Without it COMPLETE and the next GRAB_JOB, two small writes in a row, cost 40 ms (Nagle, delayed ACK).
        conn.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.line = Line(conn)
        super()._onConnect(conn)

    def _onActiveConnection(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        super()._onActiveConnection(conn)
        self._tell(conn, connected=True)

    def _lostConnection(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        # Before gear may reconnect: nobody must send into the new connection. It is called more than once for one loss.
        line: Line | None = getattr(conn, "line", None)
        newly = line is not None and line.lose()
        super()._lostConnection(conn)
        if newly and self.running:
            self._tell(conn, connected=False)

    def _tell(self, conn: Any, *, connected: bool) -> None:
        if self._on_link is None:
            return
        try:
            self._on_link(str(Address(conn.host, conn.port)), connected)
        except Exception:  # a faulty listener must not stop gear's thread
            log.exception("a listener for the state of the connection failed")

    def _shutdown(self) -> None:
        self._closing.set()
        super()._shutdown()

    def _cleanup(self) -> None:
        connections = self.active_connections + self.inactive_connections
        for conn in connections:
            line: Line | None = getattr(conn, "line", None)
            if line is not None:
                line.lose()
        super()._cleanup()
        for conn in connections:
            conn.disconnect()  # gear leaves the sockets of lost connections open
