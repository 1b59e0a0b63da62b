"""How a process ended, as the kernel tells it."""

from __future__ import annotations

import os

from thcore.model import CommandResult


def seen(pid: int) -> CommandResult | None:
    """How a child of this process ended, or None while it runs. It stays unreaped: its number is not used again.

    Raises ChildProcessError when it was reaped already.
    """
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    if ended.si_code == os.CLD_EXITED:
        return CommandResult(ended.si_status)
    return CommandResult(None, ended.si_status, core_dumped=ended.si_code == os.CLD_DUMPED)


def told(status: int) -> CommandResult:
    """The same from a wait status, as ``os.waitpid`` gives it."""
    if os.WIFSIGNALED(status):
        return CommandResult(None, os.WTERMSIG(status), core_dumped=os.WCOREDUMP(status))
    return CommandResult(os.waitstatus_to_exitcode(status))
