"""Which process: a number alone does not say, because numbers are used again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Self

from attrs import frozen

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GONE = frozenset("ZXx")
"""States of a process that has ended and waits to be reaped, or is just being."""


@frozen
class Record:
    """What the kernel tells of a process. ``started`` is in clock ticks since the machine was booted; ``terminal`` is 0
    when it has no controlling terminal."""

    state: str
    parent: int
    terminal: int
    started: int

    @property
    def ended(self) -> bool:
        """It has ended, and only waits for its parent."""
        return self.state in _GONE


@frozen
class Identity:
    """One process for good: this number, started at this tick, since this boot of the machine.

    Unlike a time of day the ticks do not move when the clock is set.
    """

    boot: str
    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has the number now, also while it waits to be reaped; None when there is none."""
        found = record(pid)
        return None if found is None else cls(boot_id(), pid, found.started)

    def alive(self) -> bool:
        """Whether this very process runs."""
        found = record(self.pid)
        return found is not None and not found.ended and (self.boot, self.ticks) == (boot_id(), found.started)

    def age_s(self) -> float:
        """How long ago it was started, in seconds, whatever was done to the clock since."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.ticks / os.sysconf("SC_CLK_TCK")


def record(pid: int) -> Record | None:
    """What the kernel tells of the process that has a number now, or None."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may have any character in it.
    fields = line[line.rindex(b")") + 2 :].split()
    return Record(fields[0].decode(), int(fields[1]), int(fields[4]), int(fields[19]))


def boot_id() -> str:
    """Names the time since the machine was booted; empty where the kernel does not tell."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
