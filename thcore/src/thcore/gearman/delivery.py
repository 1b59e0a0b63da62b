"""One assigned job, and the TCP connection it came over.

Gearman's job handles count from 1 again when the server restarts, and gear keeps one Connection object over all its
reconnects. A late answer could so complete somebody else's build. Everything is therefore sent over the very socket
that the job was assigned on, or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import gear

from thcore.gearman.zuul import PAYLOAD_LIMIT, Reply

log = logging.getLogger(__name__)


class Line:
    """One TCP connection to a Gearman server, from connect to loss. ``connection`` is gear's object for it."""

    def __init__(self, connection: Any) -> None:
        self.lost = False
        self._socket: socket.socket = connection.conn
        self._send_lock: threading.Lock = connection.send_lock  # gear's own packets must not cut into ours
        self._lock = threading.Lock()
        self._deliveries: set[Delivery] = set()

    def add(self, delivery: Delivery) -> bool:
        """Tell this delivery when the line is lost. False: it is lost already."""
        with self._lock:
            if not self.lost:
                self._deliveries.add(delivery)
            return not self.lost

    def remove(self, delivery: Delivery) -> None:
        """This delivery has been answered."""
        with self._lock:
            self._deliveries.discard(delivery)

    def send(self, packets: bytes) -> bool:
        """Send in one write. False: it did not all leave, and the caller must call ``lose`` once it holds no lock."""
        with self._send_lock:
            if self.lost:
                return False
            try:
                # Not gear's sendRaw: it starts again from the first byte after a partial send.
                self._socket.sendall(packets)
            except OSError as error:
                log.debug("sending to the Gearman server failed: %s", error)
                return False
            return True

    def lose(self) -> bool:
        """Give the line up, and tell every delivery on it. False: that was done before."""
        with self._lock:
            if self.lost:
                return False
            self.lost = True
            deliveries, self._deliveries = self._deliveries, set()
        # Wakes gear's poll thread, which then reconnects, and any thread that is blocked in send. Not the method of an
        # SSL socket: that would go on in plain text, and make the poll thread fail.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        with self._send_lock:
            pass  # the last sender is out, so that nobody writes to a file descriptor that is about to be used again
        for delivery in deliveries:
            delivery.lose()
        return True


class Delivery:
    """A job that was assigned to us, until it is answered once or its connection is lost.

    Any thread may call it. Once it has been answered or lost, sending does nothing. ``lost`` is set when the connection
    is gone: the server has given the job to somebody else, so the build must stop and publish nothing.
    """

    def __init__(self, job: Any, line: Line) -> None:
        self.function: str = job.binary_name.decode("utf-8", "replace")
        self.unique: str = (job.binary_unique or b"").decode("utf-8", "replace")
        self.arguments: bytes = job.binary_arguments
        self.lost = threading.Event()
        self._handle: bytes = job.handle
        self._line = line
        self._lock = threading.Lock()
        self._finished = False
        self._ended = False
        self._on_lost: list[Callable[[], None]] = []
        self._on_end: list[Callable[[], None]] = []
        if not line.add(self):
            self.lose()

    def __repr__(self) -> str:
        return f"<Delivery {self.function} {self.unique}>"

    def begin(self, payload: bytes) -> bool:
        """Send the first WORK_DATA and WORK_STATUS 0/100 together. Returns whether they were sent."""
        return self._send(self._data(payload) + self._status(0, 100))

    def data(self, payload: bytes) -> bool:
        """Send WORK_DATA: a whole JSON object. Returns whether it was sent; ValueError when it is too large."""
        return self._send(self._data(payload))

    def status(self, numerator: int, denominator: int) -> bool:
        """Send WORK_STATUS. Returns whether it was sent."""
        return self._send(self._status(numerator, denominator))

    def finish(self, reply: Reply) -> bool:
        """Send the last WORK_DATA and WORK_COMPLETE or WORK_FAIL together, once.

        Returns whether they were sent; a second call sends nothing. ValueError when the data is too large.
        """
        packets = self._data(reply.data)
        if reply.complete:
            packets += _packet(gear.constants.WORK_COMPLETE, self._handle, reply.data)
        else:
            packets += _packet(gear.constants.WORK_FAIL, self._handle)
        return self._finish(packets)

    def complete(self) -> bool:
        """Send WORK_COMPLETE without data: the answer to a job that is no build. Returns whether it was sent."""
        return self._finish(_packet(gear.constants.WORK_COMPLETE, self._handle, b""))

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the connection is lost, or at once if it is already.

        It is called in gear's own thread: it must be quick, and must not call the link.
        """
        with self._lock:
            if not self.lost.is_set():
                self._on_lost.append(callback)
                return
        callback()

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the delivery has been answered or lost, or at once if it is already."""
        with self._lock:
            if not self._ended:
                self._on_end.append(callback)
                return
        callback()

    def lose(self) -> None:
        """The connection is gone."""
        # Not under the lock: a thread may hold it, blocked in send.
        self.lost.set()
        with self._lock:
            callbacks, self._on_lost = self._on_lost, []
        self._call(callbacks)
        self._end()

    def _send(self, packets: bytes) -> bool:
        with self._lock:
            if self._finished or self.lost.is_set():
                return False
            sent = self._line.send(packets)
        if not sent:
            self._line.lose()
        return sent

    def _finish(self, packets: bytes) -> bool:
        with self._lock:
            if self._finished or self.lost.is_set():
                return False
            self._finished = True
            self._line.remove(self)  # what is answered cannot be lost any more
            sent = self._line.send(packets)
        if not sent:
            self._line.lose()
            self.lose()
        self._end()
        return sent

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            callbacks, self._on_end = self._on_end, []
        self._call(callbacks)

    def _call(self, callbacks: list[Callable[[], None]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception:  # a faulty listener must not stop gear's thread
                log.exception("%r: a listener failed", self)

    def _data(self, payload: bytes) -> bytes:
        if len(payload) > PAYLOAD_LIMIT:
            raise ValueError(f"{self!r}: a reply of {len(payload)} bytes is over the limit of {PAYLOAD_LIMIT}")
        return _packet(gear.constants.WORK_DATA, self._handle, payload)

    def _status(self, numerator: int, denominator: int) -> bytes:
        return _packet(gear.constants.WORK_STATUS, self._handle, str(numerator).encode(), str(denominator).encode())


def _packet(kind: int, *parts: bytes) -> bytes:
    return bytes(gear.Packet(gear.constants.REQ, kind, b"\0".join(parts)).toBinary())
