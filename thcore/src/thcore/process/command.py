"""Running a program: streamed into the build log, within its limits, ended with all it started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import psutil
from attrs import evolve

from thcore.errors import StoppedError
from thcore.hooks import Converse
from thcore.model import Command, CommandResult
from thcore.process import ending, group, kin
from thcore.process.background import RunningService, service
from thcore.process.buildlog import BuildLog, Stream
from thcore.process.channel import Channel
from thcore.process.interrupt import Interrupt
from thcore.process.oom import Toll
from thcore.process.spawn import ended, spawn
from thcore.process.tail import Tail

__all__ = ["RunningService", "run", "service"]

_PIPE_SIZE = 1024 * 1024
_READ_SIZE = 512 * 1024
"""What is taken at once: enough to make the calls cheap, little enough for the processor's cache."""
_LINGER_S = 1.0
"""How long output may still come from others after the program itself has ended."""
_PATIENCE_S = 0.2
"""How long what a program left behind may take to end by itself."""
_LAST_LINES = 10
"""How many lines of output the text of a StoppedError has."""

# glibc gives large blocks back to the kernel at once, so that each chunk of output would cost fresh pages: twice the
# CPU in all. Having freed one larger block it keeps those of up to that size (mallopt(3), M_MMAP_THRESHOLD).
_block = bytes(8 * 1024 * 1024)
del _block


def run(
    command: Command, log: BuildLog, interrupt: Interrupt, *, grace_s: float = 10.0, converse: Converse | None = None
) -> CommandResult:
    """Run a program to its end. See ``thcore.hooks.Build.run``.

    What is left of its process group, or still holds its output, is ended when the program has. Whatever ends it early
    (cancel, deadline, its own time limit, an exception of ``converse``) ends all its descendants: SIGTERM, and SIGKILL
    after ``grace_s`` seconds. Raises CancelledError or DeadlineError, with the last lines of output in the text, and
    InfrastructureError when it cannot be started.
    """
    interrupt.check()
    with _Run(command, log, interrupt, grace_s, converse) as running:
        try:
            running.until_exit()
        except StoppedError as error:
            running.stop(str(error))
            last = running.tail.lines()[-_LAST_LINES:]
            text = "\n".join((f"{error}; the last lines of {command.argv[0]}:", *last)) if last else str(error)
            raise type(error)(text) from error
        except BaseException as error:
            running.stop(f"{type(error).__name__}: {error}")
            raise
        return running.result()


class _Run:
    """One run of a program and everything that is waited for meanwhile, in one selector that never polls."""

    def __init__(
        self, command: Command, log: BuildLog, interrupt: Interrupt, grace_s: float, converse: Converse | None
    ) -> None:
        self.tail = Tail(command.tail_lines)
        self._command = command
        self._log = log
        self._interrupt = interrupt
        self._grace_s = grace_s
        self._captures = -1
        self._captured = bytearray()
        self._streams: dict[int, Stream] = {}
        self._inodes: set[int] = set()
        self._ending: CommandResult | None = None
        self._ended = 0.0
        self._timed_out = False
        self._before = kin.children()
        self._toll = Toll.now()
        with ExitStack() as stack:
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._channel = Channel(converse) if converse is not None else None
            if self._channel is not None:
                stack.callback(self._channel.close)
            env, pass_fds = command.env, tuple[int, ...]()
            with ExitStack() as theirs:
                stdout = subprocess.DEVNULL
                if command.stdout_to is None:
                    stdout = self._pipe(stack, theirs, captured=command.capture)
                stderr = self._pipe(stack, theirs)
                if self._channel is not None:
                    env = {**command.env, Channel.VARIABLE: str(self._channel.theirs)}
                    pass_fds = (self._channel.theirs,)
                self._started = time.monotonic()
                self._process = spawn(command, stdout=stdout, stderr=stderr, env=env, pass_fds=pass_fds)
            stack.callback(self._put_away)
            self._watch(stack)
            self._stack = stack.pop_all()

    def _pipe(self, stack: ExitStack, theirs: ExitStack, *, captured: bool = False) -> int:
        """A pipe whose output becomes a stream of the log; answers the program's end."""
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        theirs.callback(os.close, writer)
        # Beyond a limit for all pipes of a user a larger one is refused; the usual 64 KiB work as well.
        with contextlib.suppress(OSError):
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        os.set_blocking(reader, False)
        self._inodes.add(os.fstat(reader).st_ino)
        if captured:
            self._captures = reader
        self._streams[reader] = self._log.stream(self._command.source, self.tail)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._read(reader))
        return writer

    def _watch(self, stack: ExitStack) -> None:
        pidfd = os.pidfd_open(self._process.pid)
        stack.callback(os.close, pidfd)
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._note_exit(pidfd))
        if self._interrupt.fileno() >= 0:
            self._selector.register(self._interrupt, selectors.EVENT_READ, self._interrupt.check)
        if self._channel is not None:
            self._channel.started()
            self._selector.register(self._channel, selectors.EVENT_READ, self._converse)

    def _note_exit(self, pidfd: int) -> None:
        self._ending = ending.seen(self._process.pid)
        self._unwatch(pidfd)

    def _unwatch(self, watched: int | Interrupt | Channel) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(watched)

    def _read(self, reader: int) -> int:
        """Take what is in a pipe, at most its size; 0 when there was nothing, or the end."""
        try:
            chunk = os.read(reader, _READ_SIZE)
        except BlockingIOError:
            return 0
        if not chunk:
            self._unwatch(reader)
            self._streams.pop(reader).close()
            return 0
        if reader == self._captures and len(self._captured) < self._command.capture_limit:
            self._captured += chunk[: self._command.capture_limit - len(self._captured)]
        self._streams[reader].feed(chunk)
        return len(chunk)

    def _converse(self) -> None:
        channel = self._channel
        if channel is None:
            return
        channel.step()
        if channel.open:
            self._selector.modify(channel, channel.interest, self._converse)
        else:
            self._leave_channel()

    def _leave_channel(self) -> None:
        if self._channel is not None:
            self._unwatch(self._channel)
            self._channel.close()
            self._channel = None

    def _step(self, timeout_s: float | None) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()

    def until_exit(self) -> None:
        """Pump until the program has ended, by itself or at its own time limit, and nothing is left of it."""
        limit = self._command.timeout_s
        end = None if limit is None else self._started + limit
        while self._ending is None:
            self._interrupt.check()
            now = time.monotonic()
            if end is not None and end <= now:
                self._timed_out = True
                self.stop(f"it ran into its time limit of {limit:g} s")
                return
            waits = (self._interrupt.remaining_s(), None if end is None else end - now)
            self._step(min((wait for wait in waits if wait is not None), default=None))
        self._ended = time.monotonic()
        while self._channel is not None and self._channel.step():
            pass
        self._settle()

    def _settle(self) -> None:
        """The program has ended by itself: take the rest of its output, end what it left behind."""
        self._leave_channel()
        self._unwatch(self._interrupt)
        until = time.monotonic() + _LINGER_S
        while self._streams and (left := until - time.monotonic()) > 0:
            self._step(left)
        stragglers = set(kin.holders(self._inodes, _LINGER_S / 2)) if self._streams else set()
        # The number cannot become another's while the group has members, so that it can be asked for afterwards.
        ended(self._process)
        if kin.populated(self._process.pid):
            stragglers.update(kin.members(self._process.pid))
        # One that has just closed its output may be about to end.
        if stragglers := group.outlasting(stragglers, _PATIENCE_S):
            self._log.write(f"{self._command.argv[0]} has ended; ending what it left behind: {kin.names(stragglers)}")
            self._aside(lambda: group.end_these(stragglers, self._grace_s))
        kin.adopted(self._before)
        self._finish()

    def stop(self, why: str) -> None:
        """End the program and all its descendants, taking their last words."""
        self._leave_channel()
        self._unwatch(self._interrupt)
        self._log.write(f"ending {self._command.argv[0]}: {why}")
        pid = self._process.pid
        if self._process.returncode is None:
            self._aside(lambda: group.end(pid, self._grace_s, strays=self._strays))
            self._ending = ending.seen(pid)
            if not ended(self._process):
                self._log.write(f"{self._command.argv[0]} ({pid}) cannot be ended, not even by SIGKILL")
        self._ended = time.monotonic()
        self._finish()

    def _strays(self) -> list[psutil.Process]:
        return kin.left_by(self._process.pid, self._command.env.get(kin.MARK), self._before)

    def _aside(self, work: Callable[[], object]) -> None:
        """Do something that blocks, and pump meanwhile: a program that cannot write does not end."""
        done = os.eventfd(0, os.EFD_CLOEXEC)
        failures: list[BaseException] = []

        def target() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 raised again by the caller's thread
                failures.append(error)
            os.eventfd_write(done, 1)

        thread = threading.Thread(target=target, name="thcore-ending")
        thread.start()
        try:
            self._selector.register(done, selectors.EVENT_READ, lambda: self._unwatch(done))
            while done in self._selector.get_map():
                self._step(None)
        finally:
            thread.join()
            self._unwatch(done)
            os.close(done)
        if failures:
            raise failures[0]

    def _finish(self) -> None:
        """Take what is in the pipes, no more than they hold, and complete the last lines."""
        for reader in list(self._streams):
            taken = 0
            while taken < _PIPE_SIZE and (size := self._read(reader)):
                taken += size
        while self._streams:
            self._streams.popitem()[1].close()

    def result(self) -> CommandResult:
        """How it ended."""
        how = self._ending or CommandResult(None, signal.SIGKILL)
        if self._command.capture and self._command.stdout_to is not None:
            with self._command.stdout_to.open("rb") as file:
                self._captured += file.read(self._command.capture_limit)
        return evolve(
            how,
            duration_s=self._ended - self._started,
            timed_out=self._timed_out,
            stdout=bytes(self._captured),
            tail=self.tail.lines(),
            oom=None if how.ok else self._toll.since(),
        )

    def _put_away(self) -> None:
        if not self._ended:
            self.stop("it cannot be watched")
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
