"""What there is to say of a build's process that did not live to tell its outcome."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from thcore.model import CommandResult, Finding, Severity, StageName
from thcore.process.buildlog import Tail

_TAIL_SIZE = 128 * 1024
_HINT = "This is not the change's fault; it is worth a retry."


def finding(status: int | None, stage: StageName | None, log: Path, *, overdue: bool = False) -> Finding:
    """The finding for a process that ended with this wait status (None: nobody saw it) in a stage, with the last lines
    of its log.

    ``overdue``: it did not end when the build's time was over, and was killed.
    """
    last = last_lines(log)
    where = f" in stage {stage.value}" if stage else ""
    if overdue:
        return Finding(
            "build-process-hung",
            Severity.UNVERIFIED,
            f"The process of the build did not end when its time was over{where}, and was killed",
            evidence=last,
            hint="A plugin does not heed the end of a build; report it to its author.",
        )
    message = f"The process of the build died{where}: {how(status)}"
    return Finding("build-process-died", Severity.UNVERIFIED, message, evidence=last, hint=_HINT)


def last_lines(log: Path, count: int = 10) -> tuple[str, ...]:
    """The last lines of a build's log. None when it cannot be read; no link is followed."""
    tail = Tail(count)
    with (
        contextlib.suppress(OSError),
        os.fdopen(os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file,
    ):
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_SIZE))
        if text := file.read(_TAIL_SIZE):
            tail.feed(text.removesuffix(b"\n"))
    return tail.lines()


def how(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "nobody saw how"
    code = os.waitstatus_to_exitcode(status)
    result = CommandResult(None, -code) if code < 0 else CommandResult(code)
    return result.reason()
