"""Jobs per second through a real gearmand: our link against a gear worker as it comes.

One worker process and one client process, empty jobs one after the other, the four packets that Zuul is sent. The
client sends without delay for both. The two are measured in turns, so that a busy machine slows both; the median of
each counts.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import gear
import pytest

from thcore.gearman.link import Link
from thcore.gearman.zuul import Reply

from parts.gearmand import Gearmand

ROUNDS = 3
LINK_JOBS = 400
GEAR_JOBS = 40
FUNCTION = "build:benchmark"
TARGET = 20
"""How many times a bare worker's rate the link must reach."""

FIRST = json.dumps({"name": "benchmark", "number": "1", "manager": "host-a", "worker_name": "host-a"})
LAST = json.dumps({"name": "benchmark", "number": "1", "manager": "host-a", "result": "SUCCESS"})


class Client(gear.Client):  # type: ignore[misc]  # gear ships no types
    """Knows when a job has ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        super().__init__("benchmark client")

    def handleWorkComplete(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        job = super().handleWorkComplete(packet)
        self.ended.set()
        return job

    def _onConnect(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        conn.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._onConnect(conn)


def serve_link(port: int) -> None:
    """The worker process: the link."""
    with Link([f"127.0.0.1:{port}"], "host-a", on_stop=print) as link:
        link.start([FUNCTION])

        def work() -> None:
            while (delivery := link.take()) is not None:
                delivery.begin(FIRST.encode())
                delivery.finish(Reply(LAST.encode(), complete=True))

        slot = threading.Thread(target=work)
        slot.start()
        slot.join()


def serve_gear(port: int) -> None:
    """The worker process: gear as it comes."""
    worker = gear.TextWorker("host-a")
    worker.addServer("127.0.0.1", port)
    worker.waitForServer()
    worker.registerFunction(FUNCTION)
    while True:
        job = worker.getJob()
        job.sendWorkData(FIRST)
        job.sendWorkStatus(0, 100)
        job.sendWorkData(LAST)
        job.sendWorkComplete(LAST)


def measure(server: Gearmand, kind: str, jobs: int) -> float:
    """Jobs per second with a fresh worker process, after one job that is not counted."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    worker = subprocess.Popen([sys.executable, __file__, kind, str(server.port)], env=env)
    client = Client()
    try:
        client.addServer("127.0.0.1", server.port)
        client.waitForServer()
        began = 0.0
        for number in range(jobs + 1):
            if number == 1:
                began = time.perf_counter()
            client.ended.clear()
            client.submitJob(gear.Job(FUNCTION.encode(), b"{}", unique=uuid.uuid4().hex.encode()))
            assert client.ended.wait(30)
        return jobs / (time.perf_counter() - began)
    finally:
        client.shutdown()
        worker.kill()
        worker.wait()


@pytest.mark.system
def test_the_link_answers_twenty_times_as_many_jobs_as_a_bare_worker() -> None:
    with Gearmand() as server:
        rates: dict[str, list[float]] = {"link": [], "gear": []}
        for _ in range(ROUNDS):
            rates["link"].append(measure(server, "link", LINK_JOBS))
            rates["gear"].append(measure(server, "gear", GEAR_JOBS))

    link, bare = (statistics.median(rates[kind]) for kind in ("link", "gear"))
    print(f"\nlink {link:.0f} jobs/s, bare gear worker {bare:.1f} jobs/s, ratio {link / bare:.0f}; rounds {rates}")
    assert link >= TARGET * bare


if __name__ == "__main__":
    {"link": serve_link, "gear": serve_gear}[sys.argv[1]](int(sys.argv[2]))
