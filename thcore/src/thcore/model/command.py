"""A program to run, and how it ended."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from thcore.model.quantity import Seconds


@frozen
class Command:
    """One program call. There is no shell: ``argv`` is passed on as it is.

    ``env`` is the whole environment of the program; nothing is inherited but what the environment plugin and
    ``thcore_wrap_command`` add. ``source`` labels its lines in the build log. ``timeout_s`` limits this call within
    the build's own deadline. ``input`` is fed to standard input (a file; None: empty). ``capture`` keeps standard
    output, up to ``capture_limit`` bytes, for ``CommandResult.stdout``; it is logged all the same. ``stdout_to`` sends
    standard output to a file instead of to the log. ``user`` is the account to run as (needs root). ``tail_lines`` is
    how many of its last lines ``CommandResult.tail`` keeps.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(factory=dict)
    source: str = "command"
    timeout_s: Seconds | None = None
    input: Path | None = None
    capture: bool = False
    capture_limit: int = 4 * 1024 * 1024
    stdout_to: Path | None = None
    user: str | None = None
    tail_lines: int = 40

    def __str__(self) -> str:
        return " ".join(self.argv)


@frozen
class OomKills:
    """How many processes the kernel's out-of-memory killer ended meanwhile: of this build only (``own``), or anywhere
    on the machine."""

    count: int
    own: bool = False

    def __str__(self) -> str:
        if not self.count:
            return "the kernel's OOM killer has killed nothing meanwhile"
        what = f"the kernel's OOM killer has killed {self.count} process{'' if self.count == 1 else 'es'}"
        if self.own:
            return f"{what} of this build: give the build more memory, or let it need less"
        return (
            f"{what} on this machine meanwhile, perhaps of this build: give the machine more memory, "
            "or run fewer builds at once"
        )


@frozen
class CommandResult:
    """How a program ended.

    ``exit_code`` is None when a signal ended it; then ``signal`` is that signal's number. ``timed_out`` says that
    ``Command.timeout_s`` passed, ``stopped`` that it ended because thcore told it to. ``tail`` holds its last lines
    (both streams, decoded, at most ``Command.tail_lines``). ``stdout`` is filled for ``Command.capture`` only. ``oom``
    is None when it is not known.
    """

    exit_code: int | None
    signal: int | None = None
    duration_s: float = 0.0
    timed_out: bool = False
    stdout: bytes = b""
    tail: tuple[str, ...] = ()
    core_dumped: bool = False
    stopped: bool = False
    oom: OomKills | None = None

    @property
    def ok(self) -> bool:
        """It ended by itself with status 0."""
        return self.exit_code == 0

    def reason(self) -> str:
        """How it ended, in words: ``exit status 3``, ``killed by SIGSEGV (core dumped)``."""
        if self.timed_out:
            return f"stopped after {self.duration_s:.0f} s: it ran into its time limit"
        if self.signal is None:
            return f"exit status {self.exit_code}{self._for_want_of_memory()}"
        try:
            name = signals.Signals(self.signal).name
        except ValueError:
            name = f"signal {self.signal}"
        words = f"killed by {name}{' (core dumped)' * self.core_dumped}"
        if self.stopped:
            return f"{words}, which thcore sent"
        if self.signal != signals.SIGKILL:
            return f"{words}{self._for_want_of_memory()}"
        if self.oom is None:
            return f"{words} (the system may have run out of memory)"
        return f"{words}, which thcore did not send; {self.oom}"

    def _for_want_of_memory(self) -> str:
        return f"; {self.oom}" if not self.ok and self.oom is not None and self.oom.count else ""
