"""What systemd hears from a real worker."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.puppet import Theatre
from parts.worker import Worker

pytestmark = pytest.mark.system

WATCHDOG_S = 2.0


class Systemd:
    """The receiving end of a service's messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), **more}

    def next(self) -> dict[str, str]:
        """The next message."""
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().split("\n"))


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    place = Path(tempfile.mkdtemp(prefix="notify-"))  # short enough for a socket, wherever the tests run
    manager = Systemd(place / "notify")
    with contextlib.closing(manager.socket):
        yield manager
    shutil.rmtree(place)


def test_systemd_hears_of_the_start_of_a_reload_and_of_the_stop(theatre: Theatre, systemd: Systemd) -> None:
    with theatre.worker(environment=systemd.environment()) as worker:
        assert systemd.next() == {"READY": "1", "STATUS": "2 jobs, 2 slots"}
        assert theatre.launch().wait() == "SUCCESS"

        worker.rewrite(slots=3)
        worker.reload()

        reloading = systemd.next()
        assert reloading["RELOADING"] == "1"
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert systemd.next() == {"READY": "1", "STATUS": "2 jobs, 3 slots"}

        worker.rewrite(slots="many")
        worker.reload("config_rejected")

        assert systemd.next()["RELOADING"] == "1"
        assert systemd.next() == {"READY": "1", "STATUS": "the new configuration cannot be used; the old one stays"}

        worker.terminate()

        assert systemd.next()["STOPPING"] == "1"
        assert worker.wait() == 0


def test_a_worker_that_cannot_start_is_never_ready(theatre: Theatre, systemd: Systemd) -> None:
    worker = theatre.worker(environment=systemd.environment(), slots="many")
    worker.launch()

    assert worker.wait() == 78

    systemd.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        systemd.next()


def test_the_watchdog_is_fed_while_a_build_runs_and_while_it_is_drained(theatre: Theatre, systemd: Systemd) -> None:
    environment = systemd.environment(WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    with theatre.worker(environment=environment) as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        assert _fed(systemd, 3)

        worker.terminate()

        while "STOPPING" not in systemd.next():
            pass
        assert _fed(systemd, 3)
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"


def _fed(systemd: Systemd, times: int) -> bool:
    """Whether so many signs of life come, each before systemd would lose its patience."""
    systemd.socket.settimeout(WATCHDOG_S)
    while times:
        times -= "WATCHDOG" in systemd.next()
    return True


def test_a_worker_that_stands_still_does_not_feed_the_watchdog(theatre: Theatre, systemd: Systemd) -> None:
    environment = systemd.environment(WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    with theatre.worker(environment=environment) as worker:
        assert _fed(systemd, 1)
        worker.process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(worker.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

        try:
            with pytest.raises(TimeoutError):
                _fed(systemd, 1000)
        finally:
            worker.process.send_signal(signal.SIGCONT)

        assert _fed(systemd, 1)


def test_no_process_of_a_build_can_speak_for_the_worker(theatre: Theatre, systemd: Systemd) -> None:
    environment = systemd.environment(WATCHDOG_USEC="60000000")
    with theatre.worker(environment=environment) as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)

        assert _told(worker) == {worker.pid}

        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"


def _told(worker: Worker) -> set[int]:
    """The processes that were started with a way to tell systemd something."""
    own, *others = worker.processes()
    assert len(others) > 1, "a nursery and a build"
    return {process.pid for process in (own, *others) if {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(process.environ())}
