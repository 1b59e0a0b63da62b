"""One TCP connection to a Gearman server, from connect to loss.

Gearman's job handles count from 1 again when the server restarts, so that a late answer over a new connection could
complete somebody else's build. Everything about a job is therefore sent over the line that it came by, or not at all; a
line never reconnects.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import gear

from thcore.gearman.address import Address
from thcore.gearman.dial import hang_up

log = logging.getLogger(__name__)

READ_AT_ONCE = 65536
"""Bytes; with gear's 4096 a large job takes seconds to read."""

# gear formats and logs every packet at INFO.
logging.getLogger("gear").setLevel(logging.WARNING)


class LostError(Exception):
    """The line is of no use any more. Its text says why, fit for a person to read."""


class State(enum.Enum):
    """What the server has been told about a job for us."""

    IDLE = "idle"
    CHOSEN = "chosen"
    """It is to be asked for a job."""
    ASKED = "asked"
    """It has been asked; its answer is to come."""
    ASLEEP = "asleep"
    """It had no job, and says when there is one."""


class Passenger(Protocol):
    """Who is to be told when the line is lost."""

    function: str

    def lose(self) -> None: ...


class Question(gear.WorkersAdminRequest):  # type: ignore[misc]  # gear ships no types
    """Which workers offer which functions? ``expected`` is what this line had registered when it was asked."""

    expected: tuple[str, ...] = ()

    @property
    def answer(self) -> str | None:
        """None: there is none (yet)."""
        return None if self.response is None else bytes(self.response).decode("utf-8", "replace")


class Line(gear.Connection):  # type: ignore[misc]  # gear ships no types
    """Packets over an open socket. ``wake`` has the thread that reads it look at it again.

    Passengers and ``ask``, ``send``, ``lose`` are for any thread, anything else is for the one that reads. ``state``
    and ``since`` belong to the desk.
    """

    def __init__(self, address: Address, connection: socket.socket, wake: Callable[[], None]) -> None:
        super().__init__(address.host, address.port)
        self.address = address
        self.conn = connection
        self.wake = wake
        self.lost = False
        self.state = State.IDLE
        self.since = 0.0
        """When ``state`` last changed, on the monotonic clock."""
        self.opened = self.heard = time.monotonic()
        """``heard``: when the server was last heard."""
        self.questioned: float | None = None
        """Since when a question waits for its answer."""
        self.registered: tuple[str, ...] = ()
        self._patience_s: float | None = connection.gettimeout()
        self._lock = threading.Lock()
        self._passengers: set[Passenger] = set()
        self._unanswered: list[str] = []
        self._wanted: list[Question] = []
        self._asked: list[Question] = []

    def change(self, state: State) -> None:
        """Set the state, with the time."""
        self.state = state
        self.since = time.monotonic()

    def add(self, passenger: Passenger) -> bool:
        """Tell this one when the line is lost. False: it is lost already."""
        with self._lock:
            if not self.lost:
                self._passengers.add(passenger)
                self._unanswered.append(passenger.function)
            return not self.lost

    def remove(self, passenger: Passenger) -> None:
        """This one need not be told any more."""
        with self._lock:
            self._passengers.discard(passenger)

    def answered(self, function: str) -> None:
        """The answer to a job of this function has been sent."""
        with self._lock, contextlib.suppress(ValueError):
            self._unanswered.remove(function)
        self.wake()

    def running(self) -> frozenset[str]:
        """Functions with a job that is not answered."""
        with self._lock:
            return frozenset(self._unanswered)

    def send(self, packets: bytes) -> bool:
        """Send in one write. False: it did not all leave, and the caller must call ``lose`` once it holds no lock."""
        with self.send_lock:
            if self.lost:
                return False
            try:
                # Not gear's sendRaw: it starts again from the first byte after a partial send.
                self.conn.sendall(packets)
            except OSError as error:
                log.debug("sending to the Gearman server failed: %s", error)
                return False
            return True

    def transmit(self, packets: bytes) -> None:
        """Send, for the thread that reads. Raises LostError."""
        if packets and not self.send(packets):
            raise LostError("it takes nothing any more")

    def ask(self) -> Question:
        """Have the server asked for its workers. ``waitForResponse`` of what is returned waits for the end of it."""
        question = Question()
        with self._lock:
            lost = self.lost
            if not lost:
                self._wanted.append(question)
        if lost:
            question.setComplete()
        self.wake()
        return question

    def put_questions(self) -> None:
        """Send the questions that wait to be asked. Raises LostError."""
        with self._lock:
            questions, self._wanted = self._wanted, []
            self._asked += questions
        if questions and self.questioned is None:
            self.questioned = time.monotonic()
        for question in questions:
            question.expected = self.registered
            self.admin_requests.append(question)
            self.transmit(question.getCommand())

    def packets(self) -> Iterator[gear.Packet]:
        """All that has arrived whole, without waiting; answers to questions go where they belong.

        Raises LostError when the connection is over or the server speaks something else.
        """
        while True:
            try:
                packet = self.readPacket()
            except gear.RetryIOError:
                return
            except ssl.SSLError as error:
                raise LostError(f"TLS: {error.reason or error}") from error
            except OSError as error:
                raise LostError(error.strerror or str(error)) from error
            except Exception as error:  # whatever gear raises on what is no packet
                raise LostError("it does not speak as a Gearman server does") from error
            if packet is None:
                raise LostError("the server closed the connection")
            if isinstance(packet, Question):
                self._receive(packet)
            else:
                yield packet

    def _receive(self, question: Question) -> None:
        with self._lock:
            if question in self._asked:
                self._asked.remove(question)
            self.questioned = time.monotonic() if self._asked else None
        question.setComplete()

    def lose(self) -> bool:
        """Give the line up, and tell everybody on it. False: that was done before."""
        with self._lock:
            if self.lost:
                return False
            self.lost = True
            passengers, self._passengers = self._passengers, set()
            questions, self._asked, self._wanted = self._asked + self._wanted, [], []
        hang_up(self.conn)  # wakes the thread that reads, and any that is blocked in send
        with self.send_lock:
            pass  # the last sender is out, so that nobody writes to a file descriptor that is about to be used again
        for passenger in passengers:
            passenger.lose()
        for question in questions:
            question.setComplete()
        return True

    def _readRawBytes(self, bytes_to_read: int) -> bytes:  # noqa: N802 -- gear's name
        with self.send_lock:  # one TLS connection is not for two threads at once
            self.conn.settimeout(0)
            try:
                data = bytes(self.conn.recv(max(bytes_to_read, READ_AT_ONCE)))
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise gear.RetryIOError from None
            finally:
                self.conn.settimeout(self._patience_s)
        self.heard = time.monotonic()
        return data
