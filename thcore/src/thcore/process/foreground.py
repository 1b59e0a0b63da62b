"""Running a program that has the terminal, for a person to talk to."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from thcore.model import Command, CommandResult
from thcore.process.spawn import ended, spawn

_THE_PROGRAMS = (signal.SIGINT, signal.SIGQUIT)
"""What the terminal sends to both: for the program alone."""
_OURS = (signal.SIGTERM, signal.SIGHUP)
"""What is sent to us: passed on, so that we put everything away once the program has ended."""


def foreground(command: Command) -> CommandResult:
    """Run a program on standard input, output and error of this process, and wait until it has ended.

    Nothing is logged, and nothing but a signal ends it early: those of the keyboard are its own, SIGTERM and SIGHUP are
    passed on. Only in the main thread. Raises InfrastructureError when it cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []
    with _signals(started):
        process = spawn(command, stdout=None, stderr=None, attached=True)
        started.append(process)
        status = process.wait()
        ended(process)
    return CommandResult(status) if status >= 0 else CommandResult(None, -status)


@contextmanager
def _signals(started: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    # Handlers, because what is ignored would be ignored by the program, too.
    def pass_on(number: int, _frame: object) -> None:
        for process in started:
            process.send_signal(number)

    before = {number: signal.signal(number, lambda _number, _frame: None) for number in _THE_PROGRAMS}
    before |= {number: signal.signal(number, pass_on) for number in _OURS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
