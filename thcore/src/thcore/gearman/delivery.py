"""One assigned job: what is sent about it, once it was answered or lost no more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import gear

from thcore.gearman.line import Line
from thcore.gearman.packet import packet
from thcore.gearman.zuul import PAYLOAD_LIMIT, Reply

log = logging.getLogger(__name__)


class Delivery:
    """A job that was assigned to us, until it is answered once or its connection is lost.

    Any thread may call it. Once it has been answered or lost, sending does nothing. ``lost`` is set when the connection
    is gone: the server has given the job to somebody else, so the build must stop and publish nothing.
    """

    def __init__(self, line: Line, handle: bytes, function: bytes, unique: bytes, arguments: bytes) -> None:
        self.function = function.decode("utf-8", "replace")
        self.unique = unique.decode("utf-8", "replace")
        self.arguments = arguments
        self.lost = threading.Event()
        self._handle = handle
        self._line = line
        self._lock = threading.Lock()
        self._finished = False
        self._on_lost: list[Callable[[], None]] = []
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
            packets += packet(gear.constants.WORK_COMPLETE, self._handle, reply.data)
        else:
            packets += packet(gear.constants.WORK_FAIL, self._handle)
        return self._finish(packets)

    def complete(self) -> bool:
        """Send WORK_COMPLETE without data: the answer to a job that is no build. Returns whether it was sent."""
        return self._finish(packet(gear.constants.WORK_COMPLETE, self._handle, b""))

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the connection is lost, or at once if it is already.

        It is called in a thread of the link: it must be quick, and must not call the link.
        """
        with self._lock:
            if not self.lost.is_set():
                self._on_lost.append(callback)
                return
        callback()

    def lose(self) -> None:
        """The connection is gone."""
        # Not under the lock: a thread may hold it, blocked in send.
        self.lost.set()
        with self._lock:
            callbacks, self._on_lost = self._on_lost, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # a faulty listener must not stop the thread that reads from the server
                log.exception("%r: a listener failed", self)

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
        if sent:
            self._line.answered(self.function)
        else:
            self._line.lose()
            self.lose()
        return sent

    def _data(self, payload: bytes) -> bytes:
        if len(payload) > PAYLOAD_LIMIT:
            raise ValueError(f"{self!r}: a reply of {len(payload)} bytes is over the limit of {PAYLOAD_LIMIT}")
        return packet(gear.constants.WORK_DATA, self._handle, payload)

    def _status(self, numerator: int, denominator: int) -> bytes:
        return packet(gear.constants.WORK_STATUS, self._handle, str(numerator).encode(), str(denominator).encode())
