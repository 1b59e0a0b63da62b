"""Ending programs together with everything that they started.

A process is signalled through a descriptor of its own (pidfd), taken while its start time is the expected one: a signal
never reaches another process that was given the same number.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_KILL_WAIT_S = 10.0
"""How long killed processes may take to go (one may be stuck inside the kernel) before they are given up."""
_CHILDREN = Path("/proc/thread-self/children")

spawned: set[int] = set()
"""The programs that this process has started itself through this room and not reaped yet."""


def become_subreaper() -> bool:
    """Make this process the parent of all its orphaned descendants, so that they can be found. False: not possible.

    For the process that owns a build. ``run`` and ``end`` reap the orphans that they find.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """Every living process below ``pid``, in whatever session. Empty when it is gone."""
    try:
        return [process for process in psutil.Process(pid).children(recursive=True) if _alive(process)]
    except psutil.Error:
        return []


def members(pgid: int) -> list[psutil.Process]:
    """Every living process of a process group."""
    return [process for process in psutil.process_iter() if _group(process.pid) == pgid and _alive(process)]


def populated(pgid: int) -> bool:
    """Whether a process group has members."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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


def end_session(sid: int, grace_s: float) -> tuple[int, ...]:
    """End every process of a session, as ``end`` does; its leader is left for its parent to reap.

    Raises ValueError for the caller's own session.
    """
    if sid == os.getsid(0):
        raise ValueError("a process cannot end its own session")
    return _sweep(lambda: [p for p in psutil.process_iter() if _session(p.pid) == sid and _alive(p)], grace_s, keep=sid)


def end_these(processes: Iterable[psutil.Process], grace_s: float) -> tuple[int, ...]:
    """End the given processes and their descendants, as ``end`` does."""
    roots = list(processes)
    return _sweep(lambda: [p for root in roots for p in (root, *descendants(root.pid)) if _alive(p)], grace_s, keep=-1)


def outlasting(processes: Iterable[psutil.Process], patience_s: float) -> set[psutil.Process]:
    """Those of the given processes that do not end by themselves within a time."""
    with _Targets(keep=-1) as targets:
        targets.add(processes)
        targets.wait(patience_s)
        return set(targets.left())


def children() -> set[int]:
    """The ids of this process's children, zombies included."""
    if not _CHILDREN.exists():  # a kernel without that list: the slow way
        return {child.pid for child in psutil.Process().children()}
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        # A thread may have ended since it was listed.
        with contextlib.suppress(OSError):
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def adopted(before: set[int]) -> list[psutil.Process]:
    """The orphans that this process has inherited since it had the children ``before``; reaps the dead among them.

    What this process starts by other means shares its process group and is never taken for an orphan.
    """
    own = os.getpgid(0)
    found: list[psutil.Process] = []
    for pid in children() - before - spawned:
        group = _group(pid)
        if group in {None, own} or group in spawned:
            continue
        with contextlib.suppress(psutil.Error, ChildProcessError):
            process = psutil.Process(pid)
            if _alive(process):
                found.append(process)
            else:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return found


def holders(pipes: Iterable[int], older_than_s: float) -> list[psutil.Process]:
    """The processes that hold the writing end of one of these pipes (inode numbers), other than this one.

    One younger than ``older_than_s`` may be a copy of this process, about to become another program; it is left out.
    """
    names = {f"pipe:[{inode}]" for inode in pipes}
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid != os.getpid() and not names.isdisjoint(_written(process.pid)):
            with contextlib.suppress(psutil.Error):
                if time.time() - process.create_time() > older_than_s:
                    found.append(process)
    return found


def _written(pid: int) -> Iterator[str]:
    # Another user's process, or one that has ended by now, shows nothing.
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mode & 0o200:
                    yield str(Path(entry.path).readlink())


def _belonging(pid: int, strays: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The living processes that ``end`` is about."""
    known = {*descendants(pid), *strays}
    with contextlib.suppress(psutil.Error):
        known.add(psutil.Process(pid))
    # The group and the session that the process itself was started in are the caller's unless it leads them.
    groups = {group for process in known if (group := _group(process.pid))} | {pid}
    groups -= {os.getpgid(0), group if (group := _group(pid)) != pid else None}
    sessions = {session for process in known if (session := _session(process.pid))}
    sessions -= {os.getsid(0), session if (session := _session(pid)) != pid else None}
    for process in psutil.process_iter():
        if _group(process.pid) in groups or _session(process.pid) in sessions:
            known.add(process)
    return [process for process in known if process.pid != os.getpid() and _alive(process)]


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


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
                if process.pid != self._keep and process.pid not in spawned:
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
