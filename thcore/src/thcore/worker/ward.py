"""The process that forks the child processes of builds. Single-threaded, with every plugin loaded.

It gives each child a control group of its own where it can, reaps the children, ends what a dead child left running,
and tells the worker how each ended. When the worker is gone it ends the children and itself.
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
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from multiprocessing.connection import Connection

import psutil
from attrs import frozen

from thcore.config.schema import Config
from thcore.history.recollection import Recollection
from thcore.model import StageName, WorkerInfo
from thcore.monitoring import logbook
from thcore.monitoring.action import event
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.process import cgroups, group, kin
from thcore.process.cgroups import Cgroup
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
    """Forks, reaps, and ends orphans.

    ``place`` is where the children's control groups are made, if any. When the worker has hung up, children have
    ``grace_s`` seconds to end.
    """

    def __init__(
        self,
        control: socket.socket,
        serve: Callable[[Connection], None],
        place: Cgroup | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self._control = control
        self._serve = serve
        self._place = place
        self._grace_s = grace_s
        self._children: dict[int, Cgroup | None] = {}
        self._forked = 0

    def run(self) -> None:
        """Fork on demand and reap, until the worker hangs up; then see the children gone."""
        kin.become_subreaper()
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
            selector.unregister(self._control)
            self._signal_children(signal.SIGTERM)
            deadline = time.monotonic() + self._grace_s
            while self._children and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    wake_read.recv(CHUNK)
                    self._reap()
        signal.set_wakeup_fd(-1)
        self._signal_children(signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._end_orphans(frozenset())
        for cgroup in self._children.values():
            if cgroup is not None:
                cgroup.end()
        if self._place is not None:
            self._place.remove()

    def _signal_children(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)  # not reaped yet: it is still there

    def _fork(self, *wake: socket.socket) -> bool:
        """Answer one request; False when the worker is gone."""
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        except OSError:
            return False
        if not request:
            return False
        cgroup = self._make_cgroup()
        try:
            pid = os.fork()
        except OSError:
            self._tell({"born": None})
            os.close(descriptors[0])
            return True
        if pid == 0:
            self._become_child(descriptors[0], wake, cgroup)
        self._children[pid] = cgroup
        os.close(descriptors[0])
        self._tell({"born": pid, "cgroup": None if cgroup is None else str(cgroup.path)})
        return True

    def _make_cgroup(self) -> Cgroup | None:
        """A child is in its group long before its build comes: to move a process can take tens of milliseconds."""
        if self._place is None:
            return None
        self._forked += 1
        try:
            return self._place.make(f"{os.getpid()}-{self._forked}")
        except OSError as error:
            told = event("cgroup_failed")
            log.warning("no control group can be made in %s: %s", self._place.path, error.strerror, extra=told)
            self._place = None
            return None

    def _become_child(self, descriptor: int, wake: tuple[socket.socket, ...], cgroup: Cgroup | None) -> None:
        """Never returns."""
        status = 70
        try:
            # First of all: a signal from here on must not write to the parent's end.
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            kin.become_subreaper()
            _end_with_parent()
            if cgroup is not None:
                with contextlib.suppress(OSError):
                    cgroup.join()
            self._control.close()
            for end in wake:
                end.close()
            self._serve(Connection(descriptor))
            status = 0
        except BaseException:
            log.exception("the child process of a build failed", extra=event("child_died"))
        finally:
            with contextlib.suppress(Exception):
                # Nothing outlives the build, also when the worker and this process's parent are gone.
                group.end_descendants(self._grace_s / 2)
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
                cgroup = self._children.pop(pid)
                buried = True
                oom_kills = None
                if cgroup is not None:
                    oom_kills = cgroup.oom_kills()
                    cgroup.end()
                self._end_orphans(self._children.keys())
                self._tell({"exited": pid, "status": status, "oom_kills": oom_kills})
        if buried:
            gc.collect(0)

    def _end_orphans(self, spared: AbstractSet[int]) -> None:
        """End what dead children left: as their subreaper, the nursery is now its parent."""

        def find() -> list[psutil.Process]:
            roots = kin.children() - spared
            return [process for root in roots for process in kin.tree(root)]

        group.end_found(find, 0.0)

    def _tell(self, news: dict[str, int | str | None]) -> None:
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
    logbook.start(start.config.log, (secret.reveal() for secret in start.config.secrets.values()))
    plugins = Plugins.installed(used_plugins(start.config))
    plans = make_plans(start.config, plugins)
    past = Recollection(start.config)
    surroundings = Surroundings(
        plugins,
        start.worker,
        start.config.directories.state,
        start.config.secrets,
        start.config.kill_grace / 2,
        past,
        past.job,
    )
    rehearse(plugins)
    if any(plan.stages[StageName.PUBLISH] for plan in plans.values()):
        past.load()  # whoever publishes asks for the history of its job
    gc.collect()
    gc.freeze()  # shared pages stay shared after a fork
    control.send(b'{"ready": 1}')
    place = cgroups.place(start.config.directories.state)
    if place is not None:
        place.remove()  # what a nursery that was killed has left empty
    Ward(
        control,
        lambda connection: build_child.serve(connection, plans, surroundings),
        place,
        start.config.kill_grace,
    ).run()


if __name__ == "__main__":
    main()
