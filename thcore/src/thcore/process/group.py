"""Ending programs together with everything that they started.

A process is signalled through a descriptor of its own (pidfd), taken while its start time is the expected one: a signal
never reaches another process that was given the same number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import psutil

from thcore.process import kin
from thcore.process.identity import Identity

_KILL_WAIT_S = 10.0
"""How long killed processes may take to go (one may be stuck inside the kernel) before they are given up."""


def end(
    pid: int,
    grace_s: float,
    *,
    strays: Callable[[], Iterable[psutil.Process]] = list,
    leader_first: bool = False,
) -> tuple[int, ...]:
    """End a process, its process group, its descendants, and whatever else is in their groups and sessions.

    All are asked with SIGTERM; what is left after ``grace_s`` seconds is killed, and so is what appears meanwhile.
    ``strays`` finds further processes that belong to it. ``pid`` must not have been reaped, or its number may be
    another's by now; it is left for its parent to reap, while orphans that this process inherited are reaped here.
    With ``leader_first`` only the process itself is asked at first, and the rest when it has ended or the grace is
    over: a server shuts down in its own order. The groups and the session of the caller are spared. Answers the ids of
    those that could not be ended.
    """
    return _sweep(lambda: _belonging(pid, strays()), grace_s, keep=pid, first=pid if leader_first else None)


def end_session(leader: Identity, grace_s: float) -> tuple[int, ...]:
    """End every process of the session that a process leads or has led, as ``end`` does; it is left for its parent.

    A session of another leader that was given the same number since is left alone. Raises ValueError for the caller's
    own session.
    """
    if leader.pid == os.getsid(0):
        raise ValueError("a process cannot end its own session")

    def find() -> list[psutil.Process]:
        now = Identity.of(leader.pid)
        return kin.in_session(leader.pid) if now in {None, leader} else []

    return _sweep(find, grace_s, keep=leader.pid)


def end_these(processes: Iterable[psutil.Process], grace_s: float) -> tuple[int, ...]:
    """End the given processes and their descendants, as ``end`` does."""
    roots = list(processes)
    return end_found(lambda: [p for root in roots if kin.alive(root) for p in kin.tree(root.pid)], grace_s)


def end_found(find: Callable[[], Iterable[psutil.Process]], grace_s: float) -> tuple[int, ...]:
    """End what ``find`` finds, as ``end`` does, until it finds no more."""
    return _sweep(find, grace_s, keep=-1)


def end_descendants(grace_s: float) -> tuple[int, ...]:
    """End everything below this process, as ``end`` does. Of a subreaper, that is all it has ever started."""
    return end_found(lambda: kin.descendants(os.getpid()) if kin.children() else [], grace_s)


def end_owner(owner: Identity, patience_s: float) -> bool:
    """End a subreaper and everything below it, at once, unless it ends by itself within ``patience_s`` seconds.

    It is stopped before and killed last: so nobody starts anything more, and no orphan gets away from it. Answers
    whether it was killed.
    """
    try:
        pidfd = os.pidfd_open(owner.pid)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not owner.alive() or poll.poll(patience_s * 1000):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
            end_found(lambda: kin.descendants(owner.pid), 0.0)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poll.poll(_KILL_WAIT_S * 1000)
    finally:
        os.close(pidfd)
    return True


def outlasting(processes: Iterable[psutil.Process], patience_s: float) -> set[psutil.Process]:
    """Those of the given processes that do not end by themselves within a time."""
    with _Targets(keep=-1) as targets:
        targets.add(processes)
        targets.wait(patience_s)
        return set(targets.left())


def _belonging(pid: int, strays: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The living processes that ``end`` is about."""
    known = {*kin.descendants(pid), *strays}
    with contextlib.suppress(psutil.Error):
        known.add(psutil.Process(pid))
    # The group and the session that the process itself was started in are the caller's unless it leads them.
    groups = {group for process in known if (group := kin.group_of(process.pid))} | {pid}
    groups -= {os.getpgid(0), group if (group := kin.group_of(pid)) != pid else None}
    sessions = {session for process in known if (session := kin.session_of(process.pid))}
    sessions -= {os.getsid(0), session if (session := kin.session_of(pid)) != pid else None}
    for process in psutil.process_iter():
        if kin.group_of(process.pid) in groups or kin.session_of(process.pid) in sessions:
            known.add(process)
    return [process for process in known if process.pid != os.getpid() and kin.alive(process)]


def _sweep(
    find: Callable[[], Iterable[psutil.Process]], grace_s: float, *, keep: int, first: int | None = None
) -> tuple[int, ...]:
    """TERM, grace, then KILL until nothing is found any more."""
    with _Targets(keep) as targets:
        targets.add(find())
        if first is not None:
            targets.ask(first)
            targets.wait(grace_s, first)
        targets.ask()
        targets.wait(grace_s)
        give_up = time.monotonic() + _KILL_WAIT_S
        while True:
            targets.add(find())
            left = targets.left()
            if not left or time.monotonic() > give_up:
                return tuple(process.pid for process in left)
            targets.signal(signal.SIGKILL)
            targets.wait(give_up - time.monotonic())


class _Targets:
    """Processes that are being ended, each held by a pidfd. ``keep`` is the one that its parent will reap."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._pidfds: dict[psutil.Process, int] = {}

    def add(self, processes: Iterable[psutil.Process]) -> None:
        for process in processes:
            if process in self._pidfds:
                continue
            try:
                pidfd = os.pidfd_open(process.pid)
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    return  # the next round takes the rest
                continue
            self._pidfds[process] = pidfd
            if not process.is_running():  # the number was another's by the time the descriptor was taken
                os.close(self._pidfds.pop(process))

    def ask(self, only: int | None = None) -> None:
        self.signal(signal.SIGTERM, only)
        self.signal(signal.SIGCONT, only)  # a stopped process hears nothing else

    def signal(self, number: signal.Signals, only: int | None = None) -> None:
        for process, pidfd in self._pidfds.items():
            if only in {None, process.pid}:
                # Gone by now, or a set-uid program that we may not signal.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(pidfd, number)

    def wait(self, timeout_s: float, only: int | None = None) -> None:
        """Wait until all have ended, at most that long; those that have are reaped and forgotten."""
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        by_pidfd = {pidfd: process for process, pidfd in self._pidfds.items() if only in {None, process.pid}}
        for pidfd in by_pidfd:
            poll.register(pidfd, select.POLLIN)
        while by_pidfd:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                return
            for pidfd, _ in ready:
                poll.unregister(pidfd)
                process = by_pidfd.pop(pidfd)
                if process.pid != self._keep and process.pid not in kin.spawned:
                    # Only an inherited orphan is ours to reap.
                    with contextlib.suppress(ChildProcessError):
                        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
                os.close(self._pidfds.pop(process))

    def left(self) -> tuple[psutil.Process, ...]:
        return tuple(self._pidfds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pidfd in self._pidfds.values():
            os.close(pidfd)
