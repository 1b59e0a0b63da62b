"""Where jobs are taken in, from whatever server they come, for as many threads as wait for one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from thcore.gearman.delivery import Delivery
from thcore.gearman.line import Line, State

log = logging.getLogger(__name__)

ANSWER_S = 2.0
"""A server that has not answered a request for a job for so long does not keep other servers from being asked."""


class Desk:
    """Asks no more servers for a job than threads wait in ``take``, each server in its turn.

    ``hand_back`` is given the deliveries that nobody can take. ``on_line`` is told when a line is opened (True)
    and when it is lost (False). Both are called in a thread of the link; neither may call the desk.
    """

    def __init__(self, hand_back: Callable[[Delivery], None], on_line: Callable[[Line, bool], None]) -> None:
        self._hand_back = hand_back
        self._on_line = on_line
        self._changed = threading.Condition()
        self._functions: tuple[str, ...] = ()
        self._paused: str | None = None
        self._drained = False
        self._hands = 0
        self._lines: list[Line] = []
        self._jobs: deque[Delivery] = deque()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The connections that are up."""
        return tuple(self._lines)

    @property
    def paused(self) -> str | None:
        """Why nothing is taken in at the moment, unless it is drained."""
        return None if self._drained else self._paused

    @property
    def registered(self) -> tuple[str, ...]:
        """The functions that are offered, or still are because a job of them runs."""
        with self._changed:
            if self._open:
                return self._functions
            return tuple(name for name in self._functions if any(name in line.registered for line in self._lines))

    def take(self, wanted: Callable[[], bool]) -> Delivery | None:
        """Wait for a job. None: no more will come, the desk is drained; or this one is not ``wanted`` any more."""
        with self._changed:
            self._hands += 1
            try:
                while not self._drained and wanted():
                    while self._jobs:
                        delivery = self._jobs.popleft()
                        if not delivery.lost.is_set():
                            return delivery
                    now = time.monotonic()
                    self._choose(now)
                    self._changed.wait(self._patience_s(now))
                return None
            finally:
                self._hands -= 1
                self._changed.notify_all()

    def ask_wanted(self) -> None:
        """Have everybody who waits in ``take`` look whether a job is still wanted."""
        with self._changed:
            self._changed.notify_all()

    def offer(self, functions: Sequence[str]) -> None:
        """Offer these functions instead of those that were offered before."""
        with self._changed:
            self._functions = tuple(dict.fromkeys(functions))
            self._rouse_all()

    def pause(self, reason: str) -> None:
        """Take nothing in, and offer nothing."""
        with self._changed:
            self._paused = reason
            back = self._shut()
        self._hand_all_back(back)

    def resume(self) -> None:
        """End the pause."""
        with self._changed:
            self._paused = None
            self._changed.notify_all()
            self._rouse_all()

    def drain(self, timeout_s: float) -> None:
        """Take nothing in any more, and offer nothing. Waits until nobody waits in ``take`` and every server that was
        asked for a job has answered or had its time."""
        with self._changed:
            self._drained = True
            back = self._shut()
        self._hand_all_back(back)
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while (self._hands or self._asked(time.monotonic())) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(min(left, ANSWER_S))

    def wait_opened(self, timeout_s: float) -> bool:
        """Wait until a line is up. Returns whether one is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._lines), timeout_s)

    def opened(self, line: Line) -> None:
        """The line can be asked for jobs now."""
        with self._changed:
            self._lines.append(line)
            self._choose()
            self._changed.notify_all()
        self._on_line(line, True)  # noqa: FBT003 -- the callback's only flag

    def closed(self, line: Line) -> None:
        """The line is lost."""
        with self._changed:
            if line not in self._lines:
                return
            self._lines.remove(line)
            self._choose()
            self._changed.notify_all()
        self._on_line(line, False)  # noqa: FBT003 -- the callback's only flag

    def functions(self, line: Line) -> tuple[str, ...]:
        """What shall be registered with the line's server now, in this order.

        What is offered, and what cannot be withdrawn yet: gearmand gives a running job of a function that is withdrawn
        to the next worker.
        """
        with self._changed:
            offered = self._functions if self._open else ()
            if line.state is State.ASKED:
                return (*offered, *(name for name in line.registered if name not in offered))
        running = line.running()
        return (*offered, *(name for name in line.registered if name not in offered and name in running))

    def chosen(self, line: Line) -> bool:
        """The line's server shall be asked for a job now; it counts as asked from here on."""
        with self._changed:
            if line.state is not State.CHOSEN:
                return False
            line.change(State.ASKED)
            return True

    def assigned(self, line: Line, delivery: Delivery) -> None:
        """The line's server has given us a job."""
        with self._changed:
            line.change(State.IDLE)
            taken = self._open and self._hands > len(self._jobs)
            if taken:
                self._jobs.append(delivery)
            self._choose()
            self._changed.notify_all()
        if not taken:
            self._hand_back(delivery)

    def without_job(self, line: Line) -> bool:
        """The line's server has no job. Returns whether it shall say when it has one."""
        with self._changed:
            asleep = self._open and self._hands > 0
            line.change(State.ASLEEP if asleep else State.IDLE)
            self._choose()
            self._changed.notify_all()
            return asleep

    def roused(self, line: Line) -> None:
        """The line's server may have a job now."""
        with self._changed:
            if line.state is State.ASLEEP:
                line.change(State.IDLE)
                self._choose()

    @property
    def _open(self) -> bool:
        return self._paused is None and not self._drained

    def _shut(self) -> list[Delivery]:
        """Have everybody notice that nothing is taken in; returns the jobs that nobody has taken yet."""
        back = list(self._jobs)
        self._jobs.clear()
        for line in self._lines:
            if line.state is State.CHOSEN:
                line.change(State.IDLE)
        self._changed.notify_all()
        self._rouse_all()
        return back

    def _hand_all_back(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._hand_back(delivery)

    def _rouse_all(self) -> None:
        for line in self._lines:
            line.wake()

    def _asked(self, now: float) -> list[Line]:
        """The lines with a request for a job whose answer may still come."""
        states = (State.CHOSEN, State.ASKED)
        return [line for line in self._lines if line.state in states and now - line.since < ANSWER_S]

    def _patience_s(self, now: float) -> float | None:
        """How long, from ``now``, until a server that was asked keeps nobody any more; None: none was asked."""
        return min((line.since + ANSWER_S - now for line in self._asked(now)), default=None)

    def _choose(self, now: float | None = None) -> None:
        """Choose whom to ask for jobs, those first that were not asked for the longest time."""
        now = time.monotonic() if now is None else now
        free = self._hands - len(self._jobs) - len(self._asked(now))
        if not self._open or free <= 0:
            return
        idle = sorted((line for line in self._lines if line.state is State.IDLE), key=lambda line: line.since)
        for line in idle[:free]:
            line.change(State.CHOSEN)
            line.wake()
