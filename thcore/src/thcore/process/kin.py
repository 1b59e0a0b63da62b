"""Finding the processes that belong to one: its children, descendants, group, session, and who holds its output."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from thcore.process.identity import Identity, record

_PR_SET_CHILD_SUBREAPER = 36
_CHILDREN = Path("/proc/thread-self/children")

MARK = "THCORE_PROGRAM"
"""A variable of a program's environment, which it hands down to what it starts: an orphan that has it is known as that
program's, also when others run beside it. Its value is different for each program."""

spawned: set[int] = set()
"""The programs that this process has started itself through this room and not reaped yet."""

starting = threading.Lock()
"""Held while a program is started or reaped: with ``spawned`` not yet right, it would look like an orphan."""


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
    children = collections.defaultdict(list)
    for other in psutil.pids():
        if (found := record(other)) is not None:
            children[found.parent].append(other)
    below: list[psutil.Process] = []
    # Numbers may have been used again while they were read, which could make a circle.
    seen, waiting = {pid}, [pid]
    while waiting:
        for child in children[waiting.pop()]:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                with contextlib.suppress(psutil.Error):
                    below.append(psutil.Process(child))
    return [process for process in below if alive(process)]


def tree(pid: int) -> list[psutil.Process]:
    """A process and every living one below it. Empty when it is gone."""
    below = descendants(pid)
    with contextlib.suppress(psutil.Error):
        below.append(psutil.Process(pid))
    return [process for process in below if alive(process)]


def members(pgid: int) -> list[psutil.Process]:
    """Every living process of a process group."""
    return [process for process in psutil.process_iter() if group_of(process.pid) == pgid and alive(process)]


def in_session(sid: int) -> list[psutil.Process]:
    """Every living process of a session."""
    return [process for process in psutil.process_iter() if session_of(process.pid) == sid and alive(process)]


def populated(pgid: int) -> bool:
    """Whether a process group has members."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
    with starting:
        for pid in children() - before - spawned:
            group = group_of(pid)
            if group in {None, own} or group in spawned:
                continue
            with contextlib.suppress(psutil.Error, ChildProcessError):
                process = psutil.Process(pid)
                if alive(process):
                    found.append(process)
                else:
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return found


def left_by(program: int, mark: str | None, before: set[int]) -> list[psutil.Process]:
    """Of the orphans ``adopted`` since ``before``, those that ``program`` has left, which was started with ``mark``.

    One that has no mark, or does not show it, may be anybody's: it counts as the program's only while no other runs.
    """
    alone = spawned <= {program}
    return [orphan for orphan in adopted(before) if mark is None or _mark_of(orphan, mark if alone else None) == mark]


def _mark_of(process: psutil.Process, otherwise: str | None) -> str | None:
    try:
        return process.environ().get(MARK, otherwise)
    except (psutil.Error, OSError):
        return otherwise


def holders(pipes: Iterable[int], older_than_s: float) -> list[psutil.Process]:
    """The processes that hold the writing end of one of these pipes (inode numbers), other than this one.

    One younger than ``older_than_s`` may be a copy of this process, about to become another program; it is left out.
    """
    names = {f"pipe:[{inode}]" for inode in pipes}
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid != os.getpid() and not names.isdisjoint(_written(process.pid)):
            known = Identity.of(process.pid)
            if known is not None and known.age_s() > older_than_s:
                found.append(process)
    return found


def group_of(pid: int) -> int | None:
    """The process group that a process is in; None when it is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def session_of(pid: int) -> int | None:
    """The session that a process is in; None when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def alive(process: psutil.Process) -> bool:
    """Whether this very process has not ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def names(processes: Iterable[psutil.Process]) -> str:
    """What processes are called, for people; ten at most."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(f"{process.name()} ({process.pid})")
    return ", ".join(sorted(found)[:10]) or "nothing any more"


def _written(pid: int) -> Iterator[str]:
    # Another user's process, or one that has ended by now, shows nothing.
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mode & 0o200:
                    yield str(Path(entry.path).readlink())
