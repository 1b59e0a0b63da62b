"""Programs that run in the background of a build."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.model import Command, CommandResult
from thcore.process import group
from thcore.process.buildlog import Tail
from thcore.process.interrupt import Interrupt
from thcore.process.spawn import ended, spawn

_TAIL_SIZE = 128 * 1024
"""How much of the end of its log is looked at for its last lines."""


class RunningService:
    """A program that runs in the background. See ``thcore.hooks.Service``."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, offset: int) -> None:
        self._process = process
        self._log = log
        self._offset = offset
        self._started = time.monotonic()
        self._result: CommandResult | None = None

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
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                by_itself = ended.si_code == os.CLD_EXITED
                self._result = CommandResult(
                    exit_code=ended.si_status if by_itself else None,
                    signal=None if by_itself else ended.si_status,
                    duration_s=time.monotonic() - self._started,
                    tail=self._tail(),
                )
        return self._result

    def _tail(self) -> tuple[str, ...]:
        tail = Tail()
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(self._offset, file.seek(0, os.SEEK_END) - _TAIL_SIZE))
            if text := file.read():
                tail.feed(text.removesuffix(b"\n"))
        return tail.lines()


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
        group.end(running.pid, grace_s, leader_first=True)
        running.result()
        ended(process)
