from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.model import Command
from thcore.process import Interrupt, service
from thcore.process.background import RunningService

ENV = {"PATH": os.environ["PATH"]}


def shell(script: str) -> Command:
    return Command(("/bin/sh", "-c", script), env=ENV)


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    with Interrupt() as interrupt:
        yield interrupt


def wait_for_end(running: RunningService) -> None:
    pidfd = os.pidfd_open(running.pid)
    try:
        assert select.select([pidfd], [], [], 20)[0]
    finally:
        os.close(pidfd)


def test_a_service_runs_until_the_context_is_left(interrupt: Interrupt, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("from before\n")
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    script = f"trap 'echo ended; exit 0' TERM; echo up; echo up >&2; echo ready > {ready}; while :; do sleep 0.05; done"
    with service(shell(script), interrupt, log=log) as running:
        assert ready.read_text() == "ready\n"
        assert running.running()
        assert running.result() is None
        assert psutil.pid_exists(running.pid)
    result = running.result()
    assert result is not None
    assert result.exit_code == 0
    assert result.tail == ("up", "up", "ended")
    assert not running.running()
    assert not psutil.pid_exists(running.pid)
    assert log.read_text() == "from before\nup\nup\nended\n"


def test_a_service_that_dies_early_says_how(interrupt: Interrupt, tmp_path: Path) -> None:
    with service(shell("echo no such table >&2; exit 3"), interrupt, log=tmp_path / "log") as running:
        wait_for_end(running)
        assert not running.running()
        result = running.result()
        assert result is not None
        assert (result.exit_code, result.signal, result.tail) == (3, None, ("no such table",))
    assert running.result() == result


def test_a_service_that_a_signal_ended_says_which(interrupt: Interrupt, tmp_path: Path) -> None:
    with service(shell("kill -KILL $$"), interrupt, log=tmp_path / "log") as running:
        wait_for_end(running)
        result = running.result()
        assert result is not None
        assert (result.exit_code, result.signal) == (None, signal.SIGKILL)


def test_a_stubborn_service_and_its_children_are_killed(interrupt: Interrupt, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    script = f"trap '' TERM; setsid sleep 1000 & echo $! > {ready}; while :; do sleep 0.05; done"
    with service(shell(script), interrupt, log=tmp_path / "log", grace_s=0.2) as running:
        child = int(ready.read_text())
    result = running.result()
    assert result is not None
    assert result.signal == signal.SIGKILL
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_children_in_a_session_of_their_own_end_with_an_obedient_service(interrupt: Interrupt, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    with service(shell(f"setsid sleep 1000 & echo $! > {ready}; wait"), interrupt, log=tmp_path / "log") as running:
        child = int(ready.read_text())
    assert running.result() is not None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_service_shuts_down_in_its_own_order(interrupt: Interrupt, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    code = """
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(9))
    signal.signal(signal.SIGUSR1, lambda number, frame: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    time.sleep(1000)
def shut_down(number, frame):
    os.kill(child, signal.SIGUSR1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.signal(signal.SIGTERM, shut_down)
with open(sys.argv[1], "w") as file:
    file.write("ready")
time.sleep(1000)
"""
    command = Command((sys.executable, "-S", "-c", code, str(ready)), env=ENV)
    with service(command, interrupt, log=tmp_path / "log") as running:
        ready.read_text()
    result = running.result()
    assert result is not None
    assert result.exit_code == 0


def test_a_service_is_ended_when_the_block_raises(interrupt: Interrupt, tmp_path: Path) -> None:
    with pytest.raises(LookupError), service(shell("exec sleep 1000"), interrupt, log=tmp_path / "log") as running:
        raise LookupError
    assert not running.running()


def test_the_children_of_a_dead_service_are_ended(interrupt: Interrupt, tmp_path: Path) -> None:
    with service(shell("sleep 1000 & echo $! ; exit 1"), interrupt, log=tmp_path / "log") as running:
        wait_for_end(running)
        child = int((tmp_path / "log").read_text())
        assert psutil.pid_exists(child)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_service_that_can_not_be_started_raises(interrupt: Interrupt, tmp_path: Path) -> None:
    with (
        pytest.raises(InfrastructureError, match="'no-such-server'") as caught,
        service(Command(("no-such-server",)), interrupt, log=tmp_path / "log"),
    ):
        pass
    assert caught.value.code == "program-missing"
    with (
        pytest.raises(InfrastructureError, match="cannot be opened"),
        service(shell("true"), interrupt, log=tmp_path / "no" / "log"),
    ):
        pass


def test_no_service_is_started_after_a_cancel(interrupt: Interrupt, tmp_path: Path) -> None:
    interrupt.cancel("stop")
    with pytest.raises(CancelledError), service(shell("true"), interrupt, log=tmp_path / "log"):
        pass
    assert not (tmp_path / "log").exists()


def test_a_waiting_service_costs_no_cpu(interrupt: Interrupt, tmp_path: Path) -> None:
    with service(shell("exec sleep 1000"), interrupt, log=tmp_path / "log") as running:
        before = time.process_time()
        for _ in range(100):
            assert running.running()
        assert time.process_time() - before < 0.5
