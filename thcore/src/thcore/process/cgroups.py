"""Control groups (cgroup v2): what a process starts stays in its group, whatever session, parent or environment it
takes.

::

    OUR OWN GROUP/              where the worker was started; systemd: ``Delegate=yes``
        thcore-DIGEST/          of the worker that has one state directory
            NAME/               of one child process and all that it starts

No controller is asked for, so that processes may be in inner groups as well. Where no group can be made (no cgroup v2,
read-only in a container, not delegated), there is none, and processes are found by other means.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
import time
from pathlib import Path

from attrs import frozen

from thcore.process import mounts

SWITCH = "THCORE_CGROUPS"
"""Variable of the worker's environment: with the value ``off``, it makes no control groups."""

_PREFIX = "thcore-"
_KILL_WAIT_S = 10.0
"""How long killed processes may take to go before they are given up."""
_ROUND_S = 0.05


@frozen
class Cgroup:
    """One control group, which need not exist any more."""

    path: Path

    @property
    def of_one_child(self) -> bool:
        """Whether it was made for one child process, so that nothing else is in there."""
        return self.path.parent.name.startswith(_PREFIX)

    def make(self, name: str) -> Cgroup:
        """Make a group inside of this one, and this one where it is missing. Raises OSError."""
        made = Cgroup(self.path / name)
        while True:
            self.path.mkdir(exist_ok=True)
            # Another thread may just have removed this one because it was empty.
            with contextlib.suppress(FileNotFoundError):
                made.path.mkdir()
                return made

    def join(self) -> None:
        """Move this process into the group; what it starts from now on is in there. Raises OSError."""
        (self.path / "cgroup.procs").write_text("0")

    def groups(self) -> tuple[Cgroup, ...]:
        """The groups directly inside of this one."""
        try:
            return tuple(Cgroup(path) for path in self.path.iterdir() if path.is_dir())
        except OSError:
            return ()

    def processes(self) -> frozenset[int]:
        """The ids of all processes in it, also in groups inside of it. 0 stands for one whose id is hidden here."""
        found: set[int] = set()
        for directory, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):
                found.update(map(int, Path(directory, "cgroup.procs").read_text("ascii").split()))
        return frozenset(found)

    def end(self, grace_s: float = 0.0) -> bool:
        """End every process in it, whichever account runs it, and remove the group: SIGTERM, and SIGKILL after
        ``grace_s`` seconds; at once for 0. Answers whether it is gone.

        Raises ValueError for a group that this process is in.
        """
        if not (self.path / "cgroup.procs").exists():
            return True
        if os.getpid() in self.processes():
            raise ValueError(f"a process cannot end its own control group {self.path}")
        if grace_s > 0:
            self._ask()
            self._emptied(grace_s)
        if not self._emptied(0):
            self._kill()
        return self.remove()

    def remove(self) -> bool:
        """Remove the group, and those inside of it, as far as nothing is in there. Answers whether it is gone."""
        for directory, _, _ in os.walk(self.path, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not self.path.exists()

    def oom_kills(self) -> int | None:
        """How many processes of it the kernel has killed for want of memory; None when nobody counts them here."""
        try:
            lines = (self.path / "memory.events").read_text("ascii").splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)

    def _ask(self) -> None:
        descriptors: dict[int, int] = {}
        try:
            for pid in self.processes() - {0}:
                with contextlib.suppress(OSError):
                    descriptors[pid] = os.pidfd_open(pid)
            # One that is still in here now had its number when the descriptor was taken.
            for pid in self.processes() & descriptors.keys():
                for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process hears nothing else
                    with contextlib.suppress(OSError):
                        signal.pidfd_send_signal(descriptors[pid], number)
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)

    def _kill(self) -> None:
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:  # a kernel before 5.14: none may start another one meanwhile
            self._kill_each()
        else:
            self._emptied(_KILL_WAIT_S)

    def _kill_each(self) -> None:
        with contextlib.suppress(OSError):
            (self.path / "cgroup.freeze").write_text("1")
        give_up = time.monotonic() + _KILL_WAIT_S
        while time.monotonic() < give_up:
            for pid in self.processes() - {0}:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if self._emptied(_ROUND_S):
                return

    def _emptied(self, timeout_s: float) -> bool:
        """Wait until no process is in it, at most that long."""
        deadline = time.monotonic() + timeout_s
        try:
            with (self.path / "cgroup.events").open("rb", buffering=0) as events:
                poll = select.poll()
                poll.register(events, select.POLLPRI)
                while b"populated 0" not in events.read():
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    poll.poll(left * 1000)
                    events.seek(0)
        except OSError:  # it has been removed
            return not self.path.exists()
        return True


def place(state: Path) -> Cgroup | None:
    """Where the worker that has the state directory ``state`` makes its groups; None when it cannot.

    No two workers that live have the same: the state directory belongs to one alone.
    """
    own = current()
    if own is None or os.environ.get(SWITCH) == "off" or not os.access(own.path / "cgroup.procs", os.W_OK):
        return None
    try:
        made = Cgroup(own.path / name_of(state))
        made.path.mkdir(exist_ok=True)
    except OSError:
        return None
    return made


def name_of(state: Path) -> str:
    """What the group of the worker with a state directory is called. Raises OSError when the directory is missing."""
    found = state.stat()
    # Not by its path: containers may show one hierarchy of groups, and each another directory at that path.
    return _PREFIX + hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:12]


def current() -> Cgroup | None:
    """The group that this process is in; None where no cgroup v2 is mounted that shows it."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines()
        name = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
        points = [mount for mount in mounts.table() if mount.kind == "cgroup2"]
    except OSError:
        return None
    for mount in points:
        # ".." stands for what lies outside of this container.
        if name is not None and ".." not in Path(name).parts and Path(name).is_relative_to(mount.root):
            found = mount.point / Path(name).relative_to(mount.root)
            if (found / "cgroup.procs").exists():
                return Cgroup(found)
    return None
