"""What tells a worker to stop or to read its configuration again."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import field, frozen

RELOAD = signal.Signals.SIGHUP.name
"""The request to read the configuration again. Every other one is a reason to stop."""


@frozen
class Request:
    """Why the worker is to do something. One to stop that does not ``insist`` is heeded once, and never forces."""

    reason: str
    insists: bool = True

    @property
    def reload(self) -> bool:
        """It is about the configuration."""
        return self.reason == RELOAD


@frozen(eq=False)
class Signals:
    """Requests, whoever makes them: a signal, or a thread that runs a worker inside another program.

    They wait until somebody asks, so that one that comes before the worker is up is not lost.
    """

    requests: queue.SimpleQueue[Request] = field(factory=queue.SimpleQueue)

    def wait(self, timeout_s: float | None = None) -> Request | None:
        """The next request; None when there is none in time."""
        try:
            return self.requests.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stop(self, reason: str) -> None:
        """Ask the worker to stop; asking twice forces it."""
        self.requests.put(Request(reason))

    def finish(self, reason: str) -> None:
        """Ask the worker to stop, if nobody has yet; asking twice is asking once."""
        self.requests.put(Request(reason, insists=False))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let SIGTERM, SIGINT and SIGHUP ask. Only in the main thread."""

        def ask(number: int, _frame: object) -> None:
            self.requests.put(Request(signal.Signals(number).name))

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
