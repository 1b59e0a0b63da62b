"""The process that forks the child processes of builds. Single-threaded, with every plugin loaded.

It reaps the children, tells the worker how each ended, and ends what a dead child left running. It ends when the worker
does.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import pickle
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from attrs import frozen

from thcore.config.schema import Config
from thcore.model import WorkerInfo
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.process import group
from thcore.worker import child as build_child
from thcore.worker.rehearsal import rehearse

log = logging.getLogger(__name__)

CHUNK = 65536
"""The most bytes of one message between the worker and this process."""


@frozen
class Start:
    """What a nursery needs in order to load the plugins."""

    config: Config
    worker: WorkerInfo


class Ward:
    """Forks, reaps, and ends orphans."""

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
                    wake_read.recv(CHUNK)
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
    Ward(control, lambda connection: build_child.serve(connection, plans, surroundings)).run()


if __name__ == "__main__":
    main()
