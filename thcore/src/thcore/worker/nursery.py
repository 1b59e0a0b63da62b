"""Child processes, forked from a process that has loaded every plugin.

Starting an interpreter and importing the plugins takes a second; forking one that has done so takes milliseconds. The
worker itself has threads and must not fork, so a single-threaded process does it: the nursery. It reaps the children,
tells the worker how each ended, and ends what a dead child left running. It ends when the worker does.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import json
import logging
import os
import pickle
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from attrs import frozen

from thcore.config.schema import Config
from thcore.errors import InfrastructureError
from thcore.model import WorkerInfo
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.process import group
from thcore.worker import child as build_child
from thcore.worker.rehearsal import rehearse

log = logging.getLogger(__name__)

_CHUNK = 65536
_FORK_TIMEOUT_S = 30.0


@frozen
class Start:
    """What a nursery needs in order to load the plugins."""

    config: Config
    worker: WorkerInfo


class Child:
    """A forked process that waits for its build, at the other end of ``connection``. ``ended`` is set once it is
    reaped; ``status`` is then its wait status (see ``os.waitstatus_to_exitcode``)."""

    def __init__(self, pid: int, connection: Connection) -> None:
        self.pid = pid
        self.connection = connection
        self.ended = threading.Event()
        self.status: int | None = None


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
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "thcore.worker.nursery", str(theirs.fileno())]
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
                raise InfrastructureError(f"the process that starts builds is gone: {error}") from error
            self._ordered.append(ours)

    def alive(self) -> bool:
        """Whether children can be had from it."""
        return self._ready.is_set() and not self._gone.is_set()

    def close(self) -> None:
        """End it, and with it every child that still waits."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join(10)
        self._control.close()
        while not self._stock.empty():
            if (child := self._stock.get()) is not None:
                child.connection.close()
        with self._lock:
            while self._ordered:
                self._ordered.popleft().close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while news := self._control.recv(_CHUNK):
                self._hear(json.loads(news))
        self._gone.set()
        self._ready.set()
        self._stock.put(None)
        for child in self._children.values():
            child.ended.set()
        self._children.clear()

    def _hear(self, news: dict[str, int | None]) -> None:
        if "ready" in news:
            self._ready.set()
        elif "born" in news:
            with self._lock:
                ours = self._ordered.popleft()
            pid = news["born"]
            if pid is None:
                ours.close()
                self._stock.put(None)
                return
            child = Child(pid, Connection(ours.detach()))
            self._children[pid] = child
            self._stock.put(child)
        else:
            ended = self._children.pop(news["exited"] or 0, None)
            if ended is not None:
                ended.status = news["status"]
                ended.ended.set()


class _Ward:
    """The nursery process itself. Single-threaded."""

    def __init__(self, control: socket.socket, serve: Callable[[Connection], None]) -> None:
        self._control = control
        self._serve = serve
        self._children: set[int] = set()

    def run(self) -> None:
        """Fork on demand and reap, until the worker hangs up."""
        group.become_subreaper()
        wake_read, wake_write = socket.socketpair()
        wake_write.settimeout(0)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if wake_read in ready:
                    wake_read.recv(_CHUNK)
                    self._reap()
                if self._control in ready and not self._fork(wake_read, wake_write):
                    break
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _fork(self, *wake: socket.socket) -> bool:
        """Answer one request; False when the worker is gone."""
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        except OSError:
            return False
        if not request:
            return False
        try:
            pid = os.fork()
        except OSError:
            self._tell({"born": None})
            os.close(descriptors[0])
            return True
        if pid == 0:
            self._become_child(descriptors[0], wake)
        self._children.add(pid)
        os.close(descriptors[0])
        self._tell({"born": pid})
        return True

    def _become_child(self, descriptor: int, wake: tuple[socket.socket, ...]) -> None:
        """Never returns."""
        status = 70
        try:
            # First of all: a signal from here on must not write to the parent's end.
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            group.become_subreaper()
            _end_with_parent()
            self._control.close()
            for end in wake:
                end.close()
            self._serve(Connection(descriptor))
            status = 0
        except BaseException:
            log.exception("the child process of a build failed")
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        buried = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self._children:
                self._children.discard(pid)
                buried = True
                self._end_orphans()
                self._tell({"exited": pid, "status": status})
        if buried:
            gc.collect(0)

    def _end_orphans(self) -> None:
        """End what dead children left: as their subreaper, the nursery is now its parent."""
        for pid in group.children() - self._children:
            group.end(pid, grace_s=0.0)

    def _tell(self, news: dict[str, int | None]) -> None:
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(news).encode())


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when the nursery dies (prctl PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    """Entry point of the nursery process: file descriptor of the control socket on argv, what to load on stdin."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when to end
    control = socket.socket(fileno=int(sys.argv[1]))
    start: Start = pickle.load(sys.stdin.buffer)  # noqa: S301 - the worker's own configuration, through a private pipe
    plugins = Plugins.installed(used_plugins(start.config))
    plans = make_plans(start.config, plugins)
    surroundings = Surroundings(
        plugins, start.worker, start.config.directories.state, start.config.secrets, start.config.kill_grace / 2
    )
    rehearse(plugins)
    gc.collect()
    gc.freeze()  # shared pages stay shared after a fork
    control.send(b'{"ready": 1}')
    _Ward(control, lambda connection: build_child.serve(connection, plans, surroundings)).run()


if __name__ == "__main__":
    main()
