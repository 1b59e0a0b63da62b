"""A worker behind a wire of its own, started again whenever it has ended, as a service manager does."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from parts.wire import Wire
from parts.worker import Worker

_DRAINED, _FORCED = 0, 75
_KILLED, _TERMINATED = -9, -15  # the latter while it has not got as far as hearing signals

_GEAR = re.compile(r"\bgear\.")

UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Environment of a process that is not to measure its own coverage: one that is killed has none, and it costs time."""


class Station:
    """Enter it to have the worker running. ``violations`` has what no worker should do: end by itself, fail in its log.

    ``log`` is the file with all that its workers have said.
    """

    def __init__(
        self,
        directory: Path,
        server_port: int,
        name: str,
        jobs: list[dict[str, Any]],
        *,
        environment: Mapping[str, str],
        **configuration: Any,
    ) -> None:
        self.name = name
        self.state = directory / "state"
        self.log = directory / "worker.log"
        self.wire = Wire(server_port)
        self.starts = 0
        self.violations: list[str] = []
        self._directory = directory
        self._jobs = jobs
        self._environment = {**UNMEASURED, **environment}
        self._configuration = configuration
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._worker: Worker | None = None
        self._ready = False
        self._asked: set[int] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.wire.__enter__()
        self._thread.start()
        self.wait_ready()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        self.wire.__exit__()

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until a worker runs and takes builds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready or not self._thread.is_alive(), timeout):
                raise TimeoutError(f"{self.name} did not get ready again")
            if not self._ready:
                raise RuntimeError(f"{self.name} is not started again: {self.violations}")

    def kill(self) -> bool:
        """SIGKILL the worker's main process. False: there is none just now."""
        return self._signal("kill")

    def terminate(self) -> bool:
        """SIGTERM it. Asked once more while it finishes its builds, it ends them. False: there is none just now."""
        return self._signal("terminate")

    def nursery(self) -> int | None:
        """The process that starts builds; None while there is none."""
        worker = self._worker
        for process in worker.processes() if worker else ():
            with contextlib.suppress(psutil.Error):
                if process.ppid() == worker.pid and "thcore.worker.ward" in process.cmdline():  # type: ignore[union-attr]
                    return int(process.pid)
        return None

    def close(self) -> None:
        """Have the worker finish its builds and end, and start no other one."""
        with self._lock:
            self._closing = True
        self._signal("terminate")
        self._thread.join(90)
        if self._thread.is_alive():
            self.violations.append(f"{self.name} did not end within 90 s of SIGTERM")
            self.kill()
            self._thread.join(30)

    def _signal(self, what: str) -> bool:
        with self._lock:
            worker = self._worker
            if worker is None or worker.process.poll() is not None:
                return False
            self._asked.add(worker.pid)
            getattr(worker.process, what)()
            return True

    def _keep(self) -> None:
        while True:
            with self._lock:
                if self._closing:
                    return
            try:
                worker = self._start()
            except (RuntimeError, TimeoutError) as error:
                if not self._was_asked():
                    self.violations.append(f"{self.name} did not start: {error}")
                    break
                continue
            code = worker.wait(600)
            with self._changed:
                self._ready = False
            self._judge(worker, code)
        with self._changed:
            self._changed.notify_all()

    def _start(self) -> Worker:
        worker = Worker(
            self._directory,
            self.wire.address,
            self._jobs,
            name=self.name,
            environment=self._environment,
            bare=True,
            **self._configuration,
        )
        self.starts += 1
        worker.launch()
        with self._lock:
            self._worker = worker
        worker.wait_for("ready:")
        with self._changed:
            self._ready = True
            self._changed.notify_all()
        return worker

    def _was_asked(self) -> bool:
        """Whether the present worker was told to end."""
        assert self._worker is not None
        self._worker.process.wait(60)
        return self._worker.pid in self._asked

    def _judge(self, worker: Worker, code: int) -> None:
        expected = {_KILLED, _DRAINED, _FORCED, _TERMINATED} if worker.pid in self._asked else set()
        if code not in expected:
            self.violations.append(f"{self.name} ended by itself with {code}: {worker.text}")
        self.violations.extend(f"{self.name} failed: {text}" for text in _tracebacks(worker.output))
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{worker.text}\nprocess {worker.pid} ended with {code}\n")


def _tracebacks(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        # What gear says when a connection breaks under it is no failure.
        if line.startswith("Traceback") and not (number and _GEAR.search(lines[number - 1])):
            yield "\n".join(lines[max(0, number - 1) : number + 30])
