"""One Gearman server: connect, register, read, and come back when the connection is lost."""

from __future__ import annotations

import datetime
import logging
import os
import random
import select
import socket
import threading
import time

import gear
from attrs import evolve, frozen

from thcore.errors import ConfigError
from thcore.gearman import registration
from thcore.gearman.delivery import Delivery
from thcore.gearman.desk import Desk
from thcore.gearman.dial import Dial, UnreachableError, hang_up
from thcore.gearman.line import Line, LostError, Question
from thcore.gearman.packet import packet

log = logging.getLogger(__name__)

TROUBLE = {"action": "link_trouble"}
"""What a line of the log is about, for whoever reads it by its action."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 15.0
STABLE_S = 10.0
"""A connection that lived this long ends a row of failures."""


@frozen
class ServerState:
    """How it stands with one server: ``since`` when it has been so (UTC), and the last thing that went wrong."""

    address: str
    connected: bool
    since: datetime.datetime
    last_error: str | None = None

    def joined(self, other: ServerState) -> ServerState:
        """The state of two connections to the server together: it is up when both are, and down when one is."""
        if self.connected is not other.connected:
            return other if self.connected else self
        first, last = sorted((self, other), key=lambda state: state.since)
        since = last.since if self.connected else first.since
        return evolve(last, since=since, last_error=last.last_error or first.last_error)


class Server:
    """A thread that keeps one connection to a server, as the client ``name``, until it is closed.

    Each server has its own, so that none can disturb another one: by a name that does not resolve, a connect that is
    not answered, half a packet. It sends everything but the answers to jobs.

    A server that has not been heard for half of ``dial.silence_s`` is asked for its workers; one that says nothing in
    the other half is given up. TCP's keepalive does not notice that a server stands still.
    """

    def __init__(self, name: str, dial: Dial, desk: Desk) -> None:
        self._name = name
        self._dial = dial
        self._desk = desk
        self._closing = threading.Event()
        self._wake = -1
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._opening: socket.socket | None = None
        self._state = ServerState(str(dial.address), connected=False, since=_now())
        self._thread = threading.Thread(target=self._run, name=f"Gearman {dial.address}", daemon=True)

    @property
    def state(self) -> ServerState:
        """Whether it is connected, since when, and what went wrong last."""
        return self._state

    def start(self) -> None:
        """Begin to connect. Once."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread.start()

    def close(self) -> None:
        """Have the connection closed and not renewed. Returns at once."""
        with self._lock:
            self._closing.set()
            line, opening = self._line, self._opening
        if line is not None:
            line.lose()
        if opening is not None:
            hang_up(opening)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end. False: it has not come. Only a name that is still being resolved can keep it."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def ask(self) -> Question | None:
        """Ask the server which functions we offer; None when it is not connected. Does not wait for the answer."""
        line = self._line
        return None if line is None else line.ask()

    def judge(self, question: Question) -> tuple[str, ...]:
        """What is wrong about the answer to a question, or with there being none; nothing when the line was lost."""
        address = self._state.address
        if not question.wait_event.is_set():
            return (f"{address} does not answer which functions are registered for {self._name}",)
        if question.answer is None:
            return ()
        problems = registration.compare(question.answer, self._name, question.expected)
        return tuple(f"{address} {problem}" for problem in problems)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            if self._attempt() >= STABLE_S:
                pause_s = FIRST_PAUSE_S
            # Spread in time, or all workers would come back in step after an outage.
            self._closing.wait(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 -- no secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        with self._lock:
            wake, self._wake = self._wake, -1
        os.close(wake)

    def _attempt(self) -> float:
        """Connect, and stay connected for as long as it lasts. Returns for how many seconds."""
        line = None
        try:
            line = Line(self._dial.address, self._dial.open(self._hold), self._rouse)
            self._serve(line)
        except UnreachableError as error:
            self._fail(error.reason)
        except (ConfigError, LostError) as error:
            self._fail(str(error))
        except Exception as error:  # the thread must live
            log.exception("the connection to the Gearman server %s failed", self._state.address, extra=TROUBLE)
            self._fail(f"{type(error).__name__}: {error}")
        if line is None:
            return 0.0
        self._end(line)
        return time.monotonic() - line.opened

    def _hold(self, opening: socket.socket | None) -> None:
        """Remember what ``close`` must end."""
        with self._lock:
            self._opening = opening
            if self._closing.is_set() and opening is not None:
                opening.close()

    def _fail(self, reason: str) -> None:
        before = self._state
        since = _now() if before.connected else before.since
        if self._closing.is_set():
            reason = before.last_error or ""
        elif before.connected or before.last_error != reason:
            log.warning("%s: Gearman server %s: %s", self._name, before.address, reason, extra=TROUBLE)
        self._state = ServerState(before.address, connected=False, since=since, last_error=reason or None)

    def _serve(self, line: Line) -> None:
        """Register and read until the line is lost, which LostError tells."""
        line.transmit(packet(gear.constants.SET_CLIENT_ID, self._name.encode()))
        self._settle(line)
        with self._lock:
            self._line = line
            if self._closing.is_set():
                return
        self._state = evolve(self._state, connected=True, since=_now())
        self._desk.opened(line)
        poll = select.poll()
        poll.register(line.conn.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not line.lost:
            self._settle(line)
            self._wait(line, poll)
            for received in line.packets():
                self._handle(line, received)
        raise LostError("the connection broke off")

    def _end(self, line: Line) -> None:
        with self._lock:
            self._line = None
        line.lose()
        self._desk.closed(line)
        line.conn.close()

    def _rouse(self) -> None:
        """Have the thread look at its line again."""
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _settle(self, line: Line) -> None:
        """Send what is to be sent now: registrations, questions, a request for a job."""
        before, now = line.registered, self._desk.functions(line)
        gone = [name for name in before if name not in now]
        new = [name for name in now if name not in before]
        line.registered = now
        line.transmit(
            b"".join(packet(gear.constants.CANT_DO, name.encode()) for name in gone)
            + b"".join(packet(gear.constants.CAN_DO, name.encode()) for name in new)
        )
        if new:
            self._desk.roused(line)
        line.put_questions()
        if self._desk.chosen(line):
            line.transmit(packet(gear.constants.GRAB_JOB_UNIQ))

    def _wait(self, line: Line, poll: select.poll) -> None:
        """Wait until the server is heard or the thread is roused. Raises LostError when the server stays silent."""
        horizon = line.heard if line.questioned is None else max(line.heard, line.questioned)
        left_s = horizon + self._dial.silence_s / 2 - time.monotonic()
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, left_s) * 1000)]
        if self._wake in ready:
            os.eventfd_read(self._wake)
        if not ready:
            if line.questioned is not None:
                raise LostError(f"the server has not said anything for {self._dial.silence_s:g} s")
            line.ask()

    def _handle(self, line: Line, received: gear.Packet) -> None:
        if received.ptype == gear.constants.JOB_ASSIGN_UNIQ:
            parts = bytes(received.data).split(b"\0", 3)
            if len(parts) != 4:
                raise LostError("the server assigned a job without saying which")
            self._desk.assigned(line, Delivery(line, *parts))
        elif received.ptype == gear.constants.NO_JOB:
            if self._desk.without_job(line):
                line.transmit(packet(gear.constants.PRE_SLEEP))
        elif received.ptype == gear.constants.NOOP:
            self._desk.roused(line)
        elif received.ptype == gear.constants.ERROR:
            code, _, text = bytes(received.data).decode("utf-8", "replace").partition("\0")
            log.warning("the Gearman server %s answered %s: %s", self._state.address, code, text, extra=TROUBLE)
            if code != "JOB_NOT_FOUND":  # about one job: the line stays, with all the other builds on it
                raise LostError(f"the server answered {code}: {text}")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
