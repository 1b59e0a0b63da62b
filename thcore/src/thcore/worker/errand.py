"""The worker's side of what one child process does: give it the work, hear it out, end it when told to."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection as connections
from typing import Self

from attrs import frozen

from thcore.model import BuildEvent, Outcome
from thcore.worker import message
from thcore.worker.message import Cancel, Ended, Judged, Work
from thcore.worker.nursery import Child

Hear = Callable[[BuildEvent], None]


@frozen
class Word:
    """What a child had to say. ``outcome`` is the last one that it told, ``complete`` that it came to its end;
    ``overdue`` that it had not when its time was over."""

    outcome: Outcome | None = None
    complete: bool = False
    overdue: bool = False


class Errand:
    """One piece of work in one child. ``run`` is called once; ``cancel`` from any thread. Leaving ends the child."""

    def __init__(self, child: Child, grace_s: float) -> None:
        self.child = child
        self._grace_s = grace_s
        self._reason: str | None = None
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)

    def cancel(self, reason: str) -> None:
        """Tell the child to end; the first reason counts. Returns at once."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
                if self._wake >= 0:
                    os.eventfd_write(self._wake, 1)

    def run(self, work: Work, patience_s: float | None, hear: Hear) -> Word:
        """Have the work done. ``patience_s`` is how long it may take at most; None means that there is no limit."""
        outcome: Outcome | None = None
        horizon = None if patience_s is None else time.monotonic() + patience_s
        told = False
        with contextlib.suppress(OSError, EOFError):
            message.send(self.child.connection, work)
            while True:
                left = None if horizon is None else max(0.0, horizon - time.monotonic())
                waiting: Sequence[object] = [self.child.connection] if told else [self.child.connection, self._wake]
                ready = connections.wait(waiting, left)  # type: ignore[arg-type] # a descriptor is waitable as well
                # A child that never stops talking must not talk its end away.
                if self._wake in ready:
                    told = True
                    horizon = time.monotonic() + self._grace_s
                    message.send(self.child.connection, Cancel(self._reason or "cancelled"))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.child.pid, signal.SIGTERM)
                elif left == 0.0 or not ready:
                    return Word(outcome, overdue=True)
                else:
                    news = message.receive(self.child.connection)
                    if isinstance(news, Ended):
                        return Word(news.outcome, complete=True)
                    if isinstance(news, Judged):
                        outcome = news.outcome
                    elif isinstance(news, BuildEvent):
                        hear(news)
        return Word(outcome)

    def end(self) -> None:
        """See the child and all that belongs to it gone; one that has said its last word is about to end by itself."""
        self.child.end(min(1.0, self._grace_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        with self._lock:
            os.close(self._wake)
            self._wake = -1
        self.child.connection.close()
