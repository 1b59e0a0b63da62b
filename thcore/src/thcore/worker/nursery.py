"""Child processes for builds, as the worker sees them.

Starting an interpreter and importing the plugins takes a second; forking one that has done so takes milliseconds. The
worker itself has threads and must not fork, so a process of its own does it, see ``ward``.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import pickle
import queue
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from thcore.errors import InfrastructureError
from thcore.monitoring.action import event
from thcore.process import Identity, group
from thcore.process.cgroups import Cgroup
from thcore.worker.ward import CHUNK, Start

log = logging.getLogger(__name__)

_FORK_TIMEOUT_S = 30.0
_BURIAL_S = 15.0
"""How long the nursery may take to end what a dead child left; that something cannot be killed is known by then."""
_CLOSE_S = 10.0
"""How long the nursery may take to end, beyond what it gives to its children."""


class Child:
    """A forked process that waits for its build, at the other end of ``connection``.

    ``cgroup`` is the control group that it and its programs are in, if any. ``ended`` is set once it is reaped and all
    that it left has been ended, or when the nursery that would see to that is gone; then ``status`` is its wait status
    (see ``os.waitstatus_to_exitcode``), None where nobody saw it, and ``oom_kills`` says how many processes of the
    control group the kernel has killed for want of memory, None where nobody counts them. ``killed`` says that ``end``
    had to kill it.
    """

    def __init__(self, pid: int, connection: Connection, cgroup: Cgroup | None = None) -> None:
        self.pid = pid
        self.identity = Identity.of(pid)
        self.connection = connection
        self.cgroup = cgroup
        self.ended = threading.Event()
        self.status: int | None = None
        self.oom_kills: int | None = None
        self.killed = False

    def end(self, patience_s: float) -> None:
        """See it and all that belongs to it gone. It may take ``patience_s`` seconds to end by itself."""
        if self.identity is not None and group.end_owner(self.identity, patience_s):
            self.killed = True
        self.ended.wait(_BURIAL_S)
        if self.cgroup is not None:
            self.cgroup.end()
        if self.identity is not None and self.status is None:  # no nursery has looked for what is left
            group.end_session(self.identity, 0.0)


class Nursery:
    """The worker's side. Thread-safe. It keeps ``stock`` children ready, so that a build need not wait for a fork."""

    def __init__(self, start: Start, stock: int = 1) -> None:
        self._start = start
        self._stocked = stock
        self._lock = threading.Lock()
        self._ordered: collections.deque[socket.socket] = collections.deque()
        self._stock: queue.SimpleQueue[Child | None] = queue.SimpleQueue()
        self._children: dict[int, Child] = {}
        self._ready = threading.Event()
        self._gone = threading.Event()
        self._barren = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "thcore.worker.ward", str(theirs.fileno())]
            self._process = subprocess.Popen(
                argv, pass_fds=[theirs.fileno()], stdin=subprocess.PIPE, start_new_session=True
            )
        self._control = ours
        self._reader = threading.Thread(target=self._read, name="nursery", daemon=True)

    def open(self, timeout_s: float = 60.0) -> None:
        """Wait until the plugins are loaded. Raises InfrastructureError."""
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError("the nursery is started with a pipe")
        with contextlib.suppress(BrokenPipeError), stdin:
            pickle.dump(self._start, stdin)
        self._reader.start()
        if not self._ready.wait(timeout_s) or self._gone.is_set():
            self.close()
            raise InfrastructureError("the process that starts builds did not come up; its output says why")
        for _ in range(self._stocked):
            self._order()

    def child(self) -> Child:
        """A child that waits for a build; another one is forked for the next. Raises InfrastructureError when the
        nursery is gone."""
        self._order()
        while True:
            try:
                child = self._stock.get(timeout=_FORK_TIMEOUT_S)
            except queue.Empty:
                child = None
            if child is None:
                if self._gone.is_set():
                    self._stock.put(None)  # others wait as well
                raise InfrastructureError("the process that starts builds could not fork")
            if not child.ended.is_set():
                return child
            child.connection.close()  # it died waiting, and what died is not in the stock any more
            self._order()

    def _order(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                socket.send_fds(self._control, [b"fork"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                if isinstance(error, ConnectionError):
                    self._gone.set()  # whoever reads from it may not have noticed yet
                raise InfrastructureError(f"the process that starts builds is gone: {error}") from error
            self._ordered.append(ours)

    def check(self) -> None:
        """See that it can fork. Raises InfrastructureError when it last could not; it tries again then."""
        if self._barren:
            self._order()
            raise InfrastructureError("the process that starts builds cannot fork: too many processes, or no memory")

    def alive(self) -> bool:
        """Whether children can be had from it."""
        return self._ready.is_set() and not self._gone.is_set()

    def close(self) -> None:
        """End it, and with it every child that still waits."""
        if (stdin := self._process.stdin) is not None:
            with contextlib.suppress(OSError):
                stdin.close()  # one that was never opened waits there
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join(10)
        self._control.close()
        self._dismiss()
        try:
            self._process.wait(self._start.config.kill_grace + _CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _dismiss(self) -> None:
        """Let every child end that has no build, and have nobody wait for one."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (child := self._stock.get_nowait()) is not None:
                    child.connection.close()
        with self._lock:
            while self._ordered:
                self._ordered.popleft().close()
        self._stock.put(None)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while news := self._control.recv(CHUNK):
                self._hear(json.loads(news))
        self._gone.set()
        self._ready.set()
        self._dismiss()
        for child in self._children.values():
            child.ended.set()
        self._children.clear()

    def _hear(self, news: dict[str, Any]) -> None:
        if "ready" in news:
            self._ready.set()
        elif "born" in news:
            with self._lock:
                ours = self._ordered.popleft()
            pid = news["born"]
            self._barren = pid is None
            if pid is None:
                ours.close()
                self._stock.put(None)
                return
            cgroup = Cgroup(Path(news["cgroup"])) if news["cgroup"] else None
            child = Child(pid, Connection(ours.detach()), cgroup)
            self._children[pid] = child
            self._stock.put(child)
        else:
            ended = self._children.pop(news["exited"], None)
            if ended is not None:
                ended.status, ended.oom_kills = news["status"], news["oom_kills"]
                ended.ended.set()


class Nurseries:
    """Where slots get their children: from one nursery at a time, replaced when it has died. Thread-safe."""

    def __init__(self, start: Start, stock: int) -> None:
        self._start = start
        self._stock = stock
        self._lock = threading.Lock()
        self._nursery = Nursery(start, stock)
        self._closed = False

    def open(self) -> None:
        """Wait until builds can begin. Raises InfrastructureError."""
        self._nursery.open()

    def child(self) -> Child:
        """A child that waits for a build. Raises InfrastructureError when no process can be started at all."""
        nursery = self._nursery
        try:
            return nursery.child()
        except InfrastructureError:
            if nursery.alive():
                raise
        self._replace(nursery)
        return self._nursery.child()

    def check(self) -> None:
        """See that builds can begin. Raises InfrastructureError when no process can be started."""
        nursery = self._nursery
        if not nursery.alive():
            self._replace(nursery)
        self._nursery.check()

    def close(self) -> None:
        """End the nursery, and with it every child that still waits."""
        with self._lock:
            self._closed = True
            self._nursery.close()

    def _replace(self, dead: Nursery) -> None:
        with self._lock:
            if self._closed:
                raise InfrastructureError("the process that starts builds has been ended")
            if self._nursery is dead:
                log.error("starting another one", extra=event("nursery_died"))
                dead.close()
                self._nursery = Nursery(self._start, self._stock)
                self._nursery.open()
