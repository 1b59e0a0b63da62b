"""Programs that run in the background of a build."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.model import Command, CommandResult
from thcore.process import ending, group
from thcore.process.interrupt import Interrupt
from thcore.process.oom import Toll
from thcore.process.spawn import ended, spawn
from thcore.process.tail import last_lines

_LINES = 40
"""How many of its last lines its result has."""


class RunningService:
    """A program that runs in the background. See ``thcore.hooks.Service``."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, offset: int) -> None:
        self._process = process
        self._log = log
        self._offset = offset
        self._started = time.monotonic()
        self._result: CommandResult | None = None
        self._stopped = False
        self._toll = Toll.now()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it is still there."""
        return self.result() is None

    def result(self) -> CommandResult | None:
        """How it ended, or None while it runs. ``duration_s`` is exact to when this is first asked for."""
        if self._result is None:
            # It stays unreaped until its group is ended: its number must not become another's before.
            result = ending.seen(self.pid)
            if result is not None:
                self._result = evolve(
                    result,
                    duration_s=time.monotonic() - self._started,
                    tail=last_lines(self._log, _LINES, after=self._offset),
                    stopped=self._stopped,
                    oom=None if result.ok else self._toll.since(),
                )
        return self._result

    def end(self, grace_s: float) -> None:
        """End it and all it has started."""
        self._stopped = self.running()
        group.end(self.pid, grace_s, leader_first=True)
        self.result()


@contextlib.contextmanager
def service(command: Command, interrupt: Interrupt, *, log: Path, grace_s: float = 10.0) -> Iterator[RunningService]:
    """Run a program in the background until the context is left. See ``thcore.hooks.Build.service``.

    ``Command.capture`` and ``timeout_s`` do not apply. Raises like ``run``, and InfrastructureError when ``log`` cannot
    be opened.
    """
    interrupt.check()
    try:
        output = log.open("ab")
    except OSError as error:
        raise InfrastructureError(f"log {log} cannot be opened: {error.strerror}", code="log") from error
    with output:
        offset = output.tell()
        process = spawn(command, stdout=output.fileno(), stderr=output.fileno())
    running = RunningService(process, log, offset)
    try:
        yield running
    finally:
        running.end(grace_s)
        ended(process)
