"""A gear worker as it comes, in a process of its own: what the benchmarks compare with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Self

import gear

DATA = '{"name": "bare", "number": "1", "manager": "bare"}'


def serve(port: int, function: str) -> None:
    """The worker: the four packets that Zuul expects of a build, one after the other."""
    worker = gear.TextWorker("bare")
    worker.addServer("127.0.0.1", port)
    worker.waitForServer()
    worker.registerFunction(function)
    while True:
        job = worker.getJob()
        job.sendWorkData(DATA)
        job.sendWorkStatus(0, 100)
        job.sendWorkData(DATA)
        job.sendWorkComplete(DATA)


class _Client(gear.Client):  # type: ignore[misc]  # gear ships no types
    def __init__(self) -> None:
        self.ended = threading.Event()
        super().__init__("benchmark")

    def handleWorkComplete(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        job = super().handleWorkComplete(packet)
        self.ended.set()
        return job

    def _onConnect(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        conn.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._onConnect(conn)


class RivalWorker:
    """A worker process and a client of it, from entering to leaving. ``module`` is run as the worker.

    ``worker_port`` is where the worker finds its server, if that is not where the client does.
    """

    def __init__(
        self, port: int, function: str, module: str = "benchmarks.bare", *, worker_port: int | None = None
    ) -> None:
        self._port = port
        self._worker_port = worker_port or port
        self._function = function
        self._module = module

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", self._module, str(self._worker_port), self._function]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(argv, env=env)
        self._client = _Client()
        self._client.addServer("127.0.0.1", self._port)
        self._client.waitForServer()
        self._do()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.shutdown()
        self._process.kill()
        self._process.wait()

    def rate(self, jobs: int) -> float:
        """Jobs per second, one after the other."""
        began = time.perf_counter()
        for _ in range(jobs):
            self._do()
        return jobs / (time.perf_counter() - began)

    def _do(self) -> None:
        self._client.ended.clear()
        job = gear.Job(self._function.encode(), b"{}", unique=uuid.uuid4().hex.encode())
        self._client.submitJob(job, timeout=30)
        assert self._client.ended.wait(30)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
