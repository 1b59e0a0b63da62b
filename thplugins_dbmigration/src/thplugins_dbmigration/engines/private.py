"""The life of a private server's process: wait until it answers, notice its death, stop it cleanly."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from thcore.errors import InfrastructureError, StoppedError
from thcore.hooks import Build, Service

START_LIMIT_S = 300.0
"""How long a server may take to answer; recovery after a kill can take minutes."""
STOP_LIMIT_S = 300.0
"""How long a clean stop may take; it writes everything that is in memory to disk."""
GROWTH = 1.1
"""By how much each pause is longer than the one before: what is waited in vain is a tenth of what had to be waited."""
LAST_LINES = 15
"""How many lines of a server's own log are told when it did not start."""

T = TypeVar("T")


def await_answer(build: Build, service: Service, name: str, log: Path, ask: Callable[[], T | None]) -> T:
    """Ask until there is an answer, and give that back.

    Raises InfrastructureError (``server-not-started``) with the server's last words when it ended instead.
    """
    deadline = time.monotonic() + START_LIMIT_S
    pause_s = 0.002
    while True:
        build.check()
        answer = ask()
        if answer is not None:
            return answer
        if not service.running():
            raise InfrastructureError(f"{name} did not start: {_ending(service)}", code="server-not-started")
        if time.monotonic() > deadline:
            raise InfrastructureError(
                f"{name} runs but did not answer within {START_LIMIT_S:.0f} s\n{last_words(log)}",
                code="server-not-started",
            )
        pause(pause_s)
        pause_s = min(pause_s * GROWTH, 0.2)


@contextlib.contextmanager
def ended_cleanly(build: Build, service: Service, name: str, stop: Callable[[], None]) -> Iterator[None]:
    """Stop the server with ``stop`` on leaving, and wait until it has gone.

    A build that was told to end does not wait: the service's own end is quick. Raises InfrastructureError
    (``server-died``) when the server was gone already.
    """
    failure: BaseException | None = None
    try:
        yield
    except StoppedError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again below, unless the server's death explains it
        failure = error
    if not service.running():
        raise InfrastructureError(f"{name} ended by itself: {_ending(service)}", code="server-died") from failure
    with contextlib.suppress(InfrastructureError):  # what does not stop by itself is ended by the service
        stop()
        deadline = time.monotonic() + STOP_LIMIT_S
        while service.running() and time.monotonic() < deadline:
            build.check()
            pause(0.01)
    if failure is not None:
        raise failure


def killed(process: int, number: signal.Signals, service: Service, check: Callable[[], None]) -> None:
    """Send a server a signal that ends it at once, and wait until it has gone. ``check`` raises when the build is told
    to end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
    while service.running():
        check()
        pause(0.01)


def last_words(log: Path) -> str:
    """The last lines of a server's log, for people."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 16384))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return "(it wrote no log)"
    return "\n".join(text.splitlines()[-LAST_LINES:]) or "(its log is empty)"


def pause(seconds: float) -> None:
    """Wait a moment. Whoever loops around it calls ``build.check``."""
    threading.Event().wait(seconds)


def _ending(service: Service) -> str:
    result = service.result()
    if result is None:
        return "no result"
    return "\n".join((result.reason(), *result.tail[-LAST_LINES:]))
